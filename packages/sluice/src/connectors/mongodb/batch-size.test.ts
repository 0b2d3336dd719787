import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSize, isCaughtUp } from './batch-size.ts';

const MIB = 1024 * 1024;

test('the size grows in steps to what fits into the bytes', () => {
  const ask = new BatchSize({ events: 10_000, bytes: 4 * MIB });
  assert.equal(ask.size, 1_000);
  ask.observe(1_000, 1_000 * 512);
  assert.equal(ask.size, 4_000);
  ask.observe(4_000, 4_000 * 512);
  assert.equal(ask.size, 8_192);
  ask.observe(8_192, 8_192 * 128);
  assert.equal(ask.size, 10_000);
});

test('the size falls at once, to one event at least', () => {
  const ask = new BatchSize({ events: 10_000, bytes: 4 * MIB });
  ask.observe(1, 8 * MIB);
  assert.equal(ask.size, 1);
  ask.observe(0, 0);
  assert.equal(ask.size, 1);
});

test('an answer short of what was asked for shows the end of the oplog', () => {
  assert.equal(isCaughtUp(100, 0, 0), true);
  assert.equal(isCaughtUp(100, 99, 99_000), true);
  assert.equal(isCaughtUp(100, 100, 100_000), false);
  assert.equal(isCaughtUp(100, 1, 15 * MIB), false);
});
