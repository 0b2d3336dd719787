import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDelivered, checkCounters, checkDelivery, type DeliveredRecord } from './delivery-checks.ts';

/** Three events of key a, two of key b, one without a key; the ids tell which. */
const expected = ['a0', 'b0', 'a1', 'drop', 'a2', 'b1'].map((id) => ({
  id,
  key: id === 'drop' ? undefined : id.slice(0, 1),
}));
const ids = (text: string): DeliveredRecord[] => text.split(' ').map((id) => ({ id }));
const clean = { missing: [], phantoms: [], violations: [], duplicates: 0 };

test('a complete delivery is right in both modes, however the keys are interleaved', () => {
  for (const order of ['a0 b0 a1 drop a2 b1', 'drop b0 b1 a0 a1 a2']) {
    assert.deepEqual(checkDelivery(expected, ids(order), 'exactly-once'), clean);
    assert.deepEqual(checkDelivery(expected, ids(order), 'at-least-once'), clean);
  }
});

test('a lost event is found, at the end of a key, in its middle, and without a key', () => {
  assert.deepEqual(checkDelivery(expected, ids('a0 b0 a1 drop a2'), 'at-least-once').missing, ['b1']);
  const middle = checkDelivery(expected, ids('a0 b0 drop a2 b1'), 'at-least-once');
  assert.deepEqual(middle.missing, ['a1']);
  assert.deepEqual(middle.violations, ['key a skips from 0 to 2']);
  assert.deepEqual(checkDelivery(expected, ids('a0 b0 a1 a2 b1'), 'at-least-once').missing, ['drop']);
  assert.deepEqual(checkDelivery(expected, [], 'exactly-once').missing.length, expected.length);
});

test('a replay from an earlier point is right only at least once, and its duplicates are counted', () => {
  const replay = ids('a0 b0 a1 a0 b0 a1 drop a2 b1');
  assert.deepEqual(checkDelivery(expected, replay, 'at-least-once'), { ...clean, duplicates: 3 });
  const exact = checkDelivery(expected, replay, 'exactly-once');
  assert.ok(exact.violations.includes('key a goes back from 1 to 0'));
  assert.ok(exact.violations.includes('event b0 came again'));
  assert.throws(() => assertDelivered(expected, replay, 'exactly-once'), /came again/);
  assert.equal(assertDelivered(expected, replay, 'at-least-once'), 3);
});

test('two events of a key that changed places are found', () => {
  const swapped = checkDelivery(expected, ids('a0 b0 a2 a1 drop b1'), 'at-least-once');
  assert.deepEqual(swapped.violations, ['key a skips from 0 to 2']);
  assert.deepEqual(swapped.missing, []);
});

test('a replay that leaves something out is a skip, even when it had arrived before', () => {
  const report = checkDelivery(expected, ids('a0 a1 a2 a0 a2 b0 b1 drop'), 'at-least-once');
  assert.deepEqual(report.violations, ['key a skips from 0 to 2']);
});

test('an event that came twice without a step back in its key is found under exactly-once', () => {
  assert.deepEqual(checkDelivery(expected, ids('a0 b0 a1 drop drop a2 b1'), 'exactly-once').violations, [
    'event drop came again',
  ]);
});

test('an event that never happened is found', () => {
  assert.deepEqual(checkDelivery(expected, ids('a0 b0 a1 x9 drop a2 b1'), 'at-least-once').phantoms, ['x9']);
  assert.throws(() => assertDelivered(expected, ids('a0 x9'), 'at-least-once'), /never happened: x9/);
});

test('a key in two places is found', () => {
  const delivered = ids('a0 b0 a1 drop a2 b1').map((record, index) => ({ ...record, place: index === 2 ? 1 : 0 }));
  assert.deepEqual(checkDelivery(expected, delivered, 'exactly-once').violations, ['key a is in 0 and in 1']);
});

test('counters start at one and go up by one', () => {
  const writes = (...counters: (number | undefined)[]) => counters.map((n) => ({ key: 'k', n }));
  assert.deepEqual(checkCounters(writes(1, 2, undefined, 3), 'exactly-once'), []);
  assert.deepEqual(checkCounters(writes(1, 2, 1, 2, 3), 'at-least-once'), []);
  assert.deepEqual(checkCounters(writes(1, 2, 2), 'exactly-once'), ['key k goes back from 2 to 2']);
  assert.deepEqual(checkCounters(writes(1, 3), 'at-least-once'), ['key k skips from 1 to 3']);
  assert.deepEqual(checkCounters(writes(2), 'at-least-once'), ['key k skips from 0 to 2']);
});
