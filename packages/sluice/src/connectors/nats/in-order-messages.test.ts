import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConsumerState, type Delivery, InOrderMessages } from './in-order-messages.ts';

function orderOf(...sequences: readonly number[]) {
  const order = new InOrderMessages<Delivery>();
  for (const [index, sequence] of sequences.entries()) order.add({ sequence, delivery: index + 1 });
  return order;
}

/** Nothing was lost, and nothing was taken. */
const FRESH = { jumps: 0, inFlight: [] };

function sequences(messages: readonly { readonly sequence: number }[]): number[] {
  return messages.map(({ sequence }) => sequence);
}

interface Case {
  readonly title: string;
  readonly come: readonly number[];
  readonly state: ConsumerState;
  readonly outcome: 'settled' | 'waiting' | 'crowded';
  /** What can be taken then. */
  readonly taken?: readonly number[];
}

const cases: readonly Case[] = [
  {
    title: 'everything is new',
    come: [1, 2, 3],
    state: { floor: 0, delivered: 3, ackPending: 3 },
    outcome: 'settled',
    taken: [1, 2, 3],
  },
  {
    title: 'newer messages come before those of the last owner',
    come: [9, 10, 4],
    state: { floor: 2, delivered: 10, ackPending: 5 },
    outcome: 'waiting',
  },
  {
    title: 'those of the last owner have come, mixed up',
    come: [9, 5, 10, 4],
    state: { floor: 2, delivered: 10, ackPending: 4 },
    outcome: 'settled',
    taken: [4, 5, 9, 10],
  },
  {
    title: 'the last owner acknowledged some at the last moment',
    come: [3, 4, 5],
    state: { floor: 4, delivered: 5, ackPending: 1 },
    outcome: 'settled',
    taken: [5],
  },
  {
    title: 'one that the last owner acknowledged does not stand for one that is missing',
    come: [3, 5],
    state: { floor: 3, delivered: 5, ackPending: 2 },
    outcome: 'waiting',
  },
  {
    title: 'messages that came after the state was made are not counted',
    come: [4, 8, 9],
    state: { floor: 2, delivered: 7, ackPending: 2 },
    outcome: 'waiting',
  },
  {
    title: 'somebody acknowledges out of order',
    come: [3, 4, 5],
    state: { floor: 2, delivered: 5, ackPending: 2 },
    outcome: 'crowded',
  },
];

for (const { title, come, state, outcome, taken = [] } of cases) {
  test(`${title}: ${outcome}`, () => {
    const order = orderOf(...come);
    assert.deepEqual(order.take(10), [], 'nothing before it is settled');
    assert.equal(order.settle({ ...state, ...FRESH }).outcome, outcome);
    assert.deepEqual(sequences(order.take(10)), taken);
  });
}

test('what comes twice is known, before it is settled and after', () => {
  const order = orderOf(1, 2);
  assert.equal(order.add({ sequence: 2, delivery: 3 }), 'again');
  order.settle({ floor: 0, delivered: 2, ackPending: 2, ...FRESH });
  assert.equal(order.add({ sequence: 1, delivery: 4 }), 'again');
  assert.equal(order.add({ sequence: 5, delivery: 5 }), 'new');
  assert.equal(order.add({ sequence: 5, delivery: 6 }), 'again');
  assert.deepEqual(sequences(order.take(2)), [1, 2]);
  assert.deepEqual(sequences(order.waiting()), [5]);
  assert.equal(order.size, 1);
  assert.equal(order.first?.sequence, 5);
  assert.deepEqual(sequences(order.take(2)), [5]);
  assert.equal(order.add({ sequence: 5, delivery: 7 }), 'past');
  assert.equal(order.last, 5);
});

test('what is behind a lost delivery waits until that has come again', () => {
  const order = orderOf(1, 2, 3);
  order.settle({ floor: 0, delivered: 3, ackPending: 3, ...FRESH });
  assert.deepEqual(sequences(order.take(2)), [1, 2]);
  // The delivery of 4 is lost.
  assert.equal(order.add({ sequence: 5, delivery: 5 }), 'new');
  assert.equal(order.isSettled, false);
  assert.deepEqual([order.take(10), sequences(order.waiting())], [[], [3, 5]]);
  const inFlight = [1, 2];
  const state = { floor: 0, delivered: 5, ackPending: 5, inFlight };
  const before = order.settle({ floor: 0, delivered: 3, ackPending: 3, inFlight, jumps: 0 });
  assert.deepEqual(before, { outcome: 'waiting', missing: 1 }, 'a state from before the jump');
  assert.deepEqual(order.settle({ ...state, jumps: 1 }), { outcome: 'waiting', missing: 1 });
  assert.equal(order.add({ sequence: 2, delivery: 6 }), 'past', 'it was taken');
  assert.equal(order.add({ sequence: 4, delivery: 7 }), 'new');
  assert.deepEqual(order.settle({ ...state, jumps: 1 }), { outcome: 'settled' });
  assert.deepEqual(sequences(order.take(10)), [3, 4, 5]);
  assert.equal(order.last, 5);
});

test('numbers that begin anew are a jump too', () => {
  const order = orderOf(1, 2, 3);
  order.settle({ floor: 0, delivered: 3, ackPending: 3, ...FRESH });
  assert.equal(order.add({ sequence: 3, delivery: 2 }), 'again');
  assert.equal(order.isSettled, false);
  assert.equal(order.jumps, 1);
});

test('what waits is in order also before it is settled', () => {
  assert.deepEqual(sequences(orderOf(7, 3, 5).waiting()), [3, 5, 7]);
});
