import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareClusterTime, formatClusterTime } from './cluster-time.ts';

test('cluster times order by second, then by increment', () => {
  assert.ok(compareClusterTime({ t: 1, i: 9 }, { t: 2, i: 1 }) < 0);
  assert.ok(compareClusterTime({ t: 2, i: 2 }, { t: 2, i: 1 }) > 0);
  assert.equal(compareClusterTime({ t: 2, i: 1 }, { t: 2, i: 1 }), 0);
});

test('a cluster time reads as a date', () => {
  assert.equal(formatClusterTime({ t: 1_700_000_000, i: 3 }), '2023-11-14T22:13:20Z (1700000000,3)');
});
