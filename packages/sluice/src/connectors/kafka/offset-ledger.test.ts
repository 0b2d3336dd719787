import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetLedger, PartitionProgress, sequenceOf, tokenOf } from './offset-ledger.ts';

test('tokens compare as strings in the order of their numbers, and give them back', () => {
  const numbers = [0, 1, 15, 16, 4095, 2 ** 32, 2 ** 53 - 1];
  const tokens = numbers.map(tokenOf);
  assert.deepEqual(tokens.toSorted(), tokens);
  const clusterTime = { t: 0, i: 0 };
  assert.deepEqual(
    tokens.map((token) => sequenceOf({ token, clusterTime })),
    numbers,
  );
});

test('a floor over several partitions becomes the offset of each', () => {
  const ledger = new OffsetLedger();
  const [a, b] = [new PartitionProgress(100), new PartitionProgress(7)];
  assert.equal(ledger.handOut(a, 110), 1);
  assert.equal(ledger.handOut(b, 12), 11);
  assert.equal(ledger.handOut(a, 111), 16);
  const floors = [
    [0, 100, 7],
    [1, 101, 7],
    [10, 110, 7],
    [13, 110, 10],
    [15, 110, 12],
    [16, 111, 12],
    [16, 111, 12],
  ] as const;
  for (const [sequence, ofA, ofB] of floors) {
    ledger.acknowledge(sequence);
    assert.deepEqual([a.acknowledged, b.acknowledged], [ofA, ofB], `at ${sequence}`);
  }
  assert.equal(a.isDrained && b.isDrained, true);
});

test('a floor that goes back, or stays, changes nothing', () => {
  const ledger = new OffsetLedger();
  const progress = new PartitionProgress(0);
  ledger.handOut(progress, 10);
  ledger.acknowledge(6);
  ledger.acknowledge(3);
  assert.equal(progress.acknowledged, 6);
  ledger.handOut(progress, 20);
  ledger.acknowledge(20);
  assert.equal(progress.acknowledged, 20);
});

test('a partition is drained once everything handed out of it is acknowledged', async () => {
  const ledger = new OffsetLedger();
  const [a, b] = [new PartitionProgress(0), new PartitionProgress(0)];
  await a.drained();
  ledger.handOut(a, 5);
  ledger.handOut(b, 5);
  let drained = 0;
  const waiting = [a.drained().then(() => drained++), a.drained().then(() => drained++)];
  ledger.acknowledge(4);
  await Promise.resolve();
  assert.equal(drained, 0);
  ledger.acknowledge(5);
  await Promise.all(waiting);
  assert.equal(drained, 2);
  assert.equal(b.isDrained, false);
});

test('a partition that comes back has a progress of its own: late acknowledgements of the old one do not move it', () => {
  const ledger = new OffsetLedger();
  const before = new PartitionProgress(0);
  ledger.handOut(before, 10);
  const after = new PartitionProgress(4);
  ledger.handOut(after, 8);
  ledger.acknowledge(10);
  assert.equal(after.acknowledged, 4);
  ledger.acknowledge(12);
  assert.equal(after.acknowledged, 6);
});

test('it keeps little for what is acknowledged, and goes on over very many batches', () => {
  const ledger = new OffsetLedger();
  const partitions = Array.from({ length: 3 }, () => new PartitionProgress(0));
  for (let round = 1; round <= 5000; round++) {
    for (const progress of partitions) ledger.handOut(progress, round * 3);
    if (round % 10 === 0) ledger.acknowledge(ledger.last - 1);
  }
  assert.deepEqual(
    partitions.map(({ acknowledged }) => acknowledged),
    [15_000, 15_000, 14_999],
  );
});
