import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotProgress } from './snapshot-progress.ts';
import { type CollectionCopy, EMPTY_COPY, type SnapshotRun } from './snapshot-state.ts';

const copy = (coll: string, changes: Partial<CollectionCopy>): CollectionCopy => ({
  ...EMPTY_COPY,
  namespace: { db: 'shop', coll },
  mode: 'hold',
  ...changes,
});

function run(copies: readonly CollectionCopy[], changes: Partial<SnapshotRun> = {}): SnapshotRun {
  return {
    reason: 'initial',
    startedAtMs: 1_000,
    since: { t: 1, i: 1 },
    paused: false,
    collections: new Map(copies.map((one) => [`shop.${one.namespace.coll}`, one])),
    ...changes,
  };
}

const OPEN = [{ after: undefined, through: undefined }];

test('without a run there is no status', () => {
  assert.equal(new SnapshotProgress().status(undefined, 0), undefined);
});

test('percent, rate and the time that is left', () => {
  const progress = new SnapshotProgress();
  progress.observe(run([copy('orders', { estimatedRows: 1_000 }), copy('users', { estimatedRows: 1_000 })]), 10_000);
  const begun = copy('orders', { estimatedRows: 1_000, remaining: OPEN, rows: 500, bytes: 5_000 });
  progress.observe(run([begun, copy('users', { estimatedRows: 1_000 })]), 15_000);
  const status = progress.status('rate-limit', 15_000);
  assert.equal(status?.state, 'copying');
  assert.equal(status?.waitsFor, 'rate-limit');
  assert.deepEqual([status?.rows, status?.bytes, status?.estimatedRows, status?.percent], [500, 5_000, 2_000, 25]);
  assert.equal(status?.rowsPerSecond, 100);
  assert.equal(status?.etaSeconds, 15);
  assert.deepEqual(
    status?.collections.map(({ namespace, state, percent }) => [namespace, state, percent]),
    [
      ['shop.orders', 'copying', 50],
      ['shop.users', 'pending', 0],
    ],
  );
});

test('an estimate that was too low or is unknown never says that it is done', () => {
  const progress = new SnapshotProgress();
  progress.observe(run([copy('orders', { estimatedRows: 10, remaining: OPEN, rows: 50 })]), 0);
  assert.equal(progress.status(undefined, 0)?.percent, 99);
  progress.observe(run([copy('orders', { remaining: OPEN, rows: 50 })]), 0);
  assert.equal(progress.status(undefined, 0)?.percent, undefined);
  assert.equal(progress.status(undefined, 0)?.etaSeconds, undefined);
});

test('what was copied before a restart counts as rows, not as speed', () => {
  const progress = new SnapshotProgress();
  progress.observe(run([copy('orders', { estimatedRows: 1_000, remaining: OPEN, rows: 900 })]), 10_000);
  const status = progress.status(undefined, 11_000);
  assert.deepEqual([status?.rows, status?.rowsPerSecond], [900, 0]);
});

test('completed, cancelled, and a new run after either', () => {
  const progress = new SnapshotProgress();
  const first = run([copy('orders', { estimatedRows: 10, remaining: OPEN, rows: 9 })]);
  progress.observe(first, 2_000);
  progress.end(run([copy('orders', { estimatedRows: 10, remaining: [], rows: 12 })]), 3_000);
  const completed = progress.status('stream', 4_000);
  assert.deepEqual([completed?.state, completed?.rows, completed?.percent], ['completed', 12, 100]);
  assert.deepEqual([completed?.endedAtMs, completed?.waitsFor], [3_000, undefined]);
  const second = run([copy('users', { remaining: OPEN })], { startedAtMs: 5_000, paused: true });
  progress.observe(second, 5_000);
  assert.equal(progress.status('stream', 5_000)?.state, 'paused');
  progress.end(first, 6_000);
  assert.equal(progress.status(undefined, 6_000)?.state, 'cancelled');
});
