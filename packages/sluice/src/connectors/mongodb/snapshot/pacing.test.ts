import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pacing } from './pacing.ts';

const LIMITS = { maxStreamLag: 10_000, maxReplicationLag: 5_000 };

test('without limits nothing waits', () => {
  const pacing = new Pacing(LIMITS);
  pacing.spent(1e9, 1e12, 1_000);
  assert.equal(pacing.waitsFor(1_000, undefined), undefined);
  assert.equal(pacing.maxRows, Number.POSITIVE_INFINITY);
});

test('rows and bytes per second: the stricter one holds, and one read takes a quarter of a second at most', () => {
  const pacing = new Pacing({ ...LIMITS, maxRowsPerSecond: 100, maxBytesPerSecond: 1_000 });
  assert.equal(pacing.maxRows, 25);
  assert.equal(pacing.maxBytes, 250);
  pacing.spent(25, 2_000, 10_000);
  assert.equal(pacing.waitsFor(11_999, undefined), 'rate-limit');
  assert.equal(pacing.waitMs(11_000), 1_000);
  assert.equal(pacing.waitsFor(12_000, undefined), undefined);
  pacing.spent(50, 1, 12_000);
  pacing.spent(50, 1, 12_000);
  assert.equal(pacing.waitMs(12_000), 1_000, 'reads beside each other add up');
});

test('over a long time the rate is the limit, whatever the pauses', () => {
  const pacing = new Pacing({ ...LIMITS, maxRowsPerSecond: 1_000 });
  let nowMs = 0;
  let rows = 0;
  while (nowMs < 60_000) {
    if (pacing.waitsFor(nowMs, undefined) === undefined) {
      pacing.spent(pacing.maxRows, 1, nowMs);
      rows += pacing.maxRows;
    }
    nowMs += 7;
  }
  assert.ok(rows > 55_000 && rows <= 60_250, `${rows} rows in a minute`);
});

test('a copy waits while a change has waited too long, or the server has far newer ones', () => {
  const pacing = new Pacing(LIMITS);
  pacing.streamReplied(1_000, true, 1_000);
  assert.equal(pacing.waitsFor(10_999, 1_000), undefined);
  assert.equal(pacing.waitsFor(11_001, 1_000), 'stream');
  pacing.streamReplied(20_000, false, 31_000);
  assert.equal(pacing.waitsFor(31_000, undefined), 'stream', 'the server has more, and this is old');
  pacing.streamReplied(30_990, true, 31_000);
  assert.equal(pacing.waitsFor(31_000, undefined), undefined, 'caught up');
});

test('a clock that differs from the server’s is no lag', () => {
  const pacing = new Pacing(LIMITS);
  pacing.streamReplied(0, false, 30_000);
  pacing.streamReplied(1_000, false, 31_000);
  assert.equal(pacing.waitsFor(31_000, 1_000), undefined);
  assert.equal(pacing.waitsFor(41_500, 1_000), 'stream');
});

test('a single high replication lag is an echo of a quiet time; a second one is believed', () => {
  const pacing = new Pacing(LIMITS);
  pacing.replicationLag(9);
  assert.equal(pacing.waitsFor(0, undefined), undefined);
  pacing.replicationLag(9);
  assert.equal(pacing.waitsFor(0, undefined), 'replication');
  pacing.replicationLag(undefined);
  assert.equal(pacing.waitsFor(0, undefined), undefined);
});
