import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Position } from '../core/position.ts';
import { AckTracker } from './ack-tracker.ts';

const at = (n: number): Position => ({ token: String(n).padStart(6, '0'), clusterTime: { t: n, i: 1 } });

test('the floor waits for the oldest outstanding group', () => {
  const tracker = new AckTracker();
  const [a, b, c] = [tracker.begin(at(1)), tracker.begin(at(2)), tracker.begin(at(3))];
  assert.equal(tracker.acknowledge(b), false);
  assert.equal(tracker.floor, undefined);
  assert.equal(tracker.acknowledge(a), true);
  assert.deepEqual(tracker.floor, at(2));
  assert.equal(tracker.outstanding, 1);
  assert.equal(tracker.acknowledge(c), true);
  assert.deepEqual(tracker.floor, at(3));
});

test('however many groups are done behind one that is not, they are remembered as one', () => {
  const tracker = new AckTracker();
  const stuck = tracker.begin(at(0));
  for (let n = 1; n <= 1_000; n++) tracker.acknowledge(tracker.begin(at(n)));
  assert.equal(tracker.remembered, 1);
  assert.equal(tracker.acknowledge(stuck), true);
  assert.deepEqual(tracker.floor, at(1_000));
  assert.equal(tracker.remembered, 0);
});

test('acknowledging twice is a bug that shows', () => {
  const tracker = new AckTracker();
  const ticket = tracker.begin(at(1));
  tracker.acknowledge(ticket);
  assert.throws(() => tracker.acknowledge(ticket), /not outstanding/);
});

test('in every order of acknowledgements the floor is the contiguous prefix', () => {
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  for (let round = 0; round < 300; round++) {
    const tracker = new AckTracker();
    const tickets = Array.from({ length: 12 }, (_, n) => tracker.begin(at(n)));
    const acknowledged = new Set<number>();
    const rest = [...tickets];
    while (rest.length > 0) {
      const [ticket] = rest.splice(Math.floor(random() * rest.length), 1);
      assert.ok(ticket);
      tracker.acknowledge(ticket);
      acknowledged.add(ticket.sequence);
      let prefix = -1;
      while (acknowledged.has(prefix + 1)) prefix += 1;
      assert.equal(tracker.floor?.clusterTime.t ?? -1, prefix);
    }
  }
});
