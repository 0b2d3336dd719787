import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';

const settings = { minMs: 200, maxMs: 30_000 };

test('the wait doubles up to the cap', () => {
  const ceilings = [1, 2, 3, 9, 100].map((failures) => backoffMs(failures, settings, () => 1));
  assert.deepEqual(ceilings, [200, 400, 800, 30_000, 30_000]);
});

test('jitter takes away at most half', () => {
  assert.equal(
    backoffMs(3, settings, () => 0),
    400,
  );
});
