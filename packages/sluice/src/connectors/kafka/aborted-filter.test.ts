import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbortedFilter } from './aborted-filter.ts';
import type { BatchView } from './batch-decoder.ts';

const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
const ABORT = 0;
const COMMIT = 1;

function view(firstOffset: number, producerId: bigint, parts: Partial<BatchView>): BatchView {
  const times = { firstTimestampMs: 0, maxTimestampMs: 0 };
  const records = Buffer.alloc(0);
  const check = { checksum: 0, checked: records };
  return {
    topic: 't',
    firstOffset,
    lastOffset: firstOffset,
    attributes: TRANSACTIONAL,
    producerId,
    count: 1,
    records,
    ...check,
    ...times,
    ...parts,
  };
}

const data = (offset: number, producerId: bigint) => view(offset, producerId, {});
const plain = (offset: number) => view(offset, -1n, { attributes: 0 });

function marker(offset: number, producerId: bigint, type: number): BatchView {
  // Length, attributes, timestamp, offset, then a key of four bytes (varints in zigzag form).
  const records = Buffer.from([0, 0, 0, 0, 8, 0, 0, 0, type]);
  return view(offset, producerId, { attributes: TRANSACTIONAL | CONTROL, records });
}

function kept(batches: readonly BatchView[], aborted: readonly (readonly [bigint, number])[]): number[] {
  const filter = new AbortedFilter(aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset })));
  return batches.filter((batch) => filter.counts(batch)).map(({ firstOffset }) => firstOffset);
}

test('several aborted transactions of one producer are left out, and what it commits in between is kept', () => {
  const batches = [
    data(0, 1n),
    marker(1, 1n, ABORT),
    data(2, 1n),
    marker(3, 1n, COMMIT),
    data(4, 1n),
    plain(5),
    marker(6, 1n, ABORT),
    data(7, 1n),
    marker(8, 1n, COMMIT),
  ];
  const aborted = [
    [1n, 4],
    [1n, 0],
  ] as const;
  assert.deepEqual(kept(batches, aborted), [2, 5, 7]);
});

test('transactions of several producers do not touch each other', () => {
  const batches = [data(0, 1n), data(1, 2n), data(2, 1n), marker(3, 1n, ABORT), data(4, 1n), marker(5, 2n, COMMIT)];
  assert.deepEqual(kept(batches, [[1n, 0]]), [1, 4]);
});

test('a transaction that began before the answer is left out from its first batch on', () => {
  assert.deepEqual(kept([data(10, 1n), marker(11, 1n, ABORT), data(12, 1n)], [[1n, 3]]), [12]);
});

test('a marker that compaction has emptied ends nothing, and is no data', () => {
  const empty = { ...marker(1, 1n, ABORT), count: 0, records: Buffer.alloc(0) };
  assert.deepEqual(kept([data(0, 1n), empty, data(2, 1n), plain(3)], [[1n, 0]]), [3]);
});
