import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testSearch } from '../../src/testing/servers/search.ts';
import { searchTarget } from '../document-targets.ts';
import { poisonRun } from '../poison-run.ts';

test('what an index does not take is among the dead letters, everything else is in the index', {
  timeout: 300_000,
}, async (t) => {
  await using target = searchTarget(await testSearch());
  const { refused } = await poisonRun(t, target);
  t.diagnostic([...new Set(refused)].join(', '));
  assert.ok(!refused.some((what) => what.startsWith('good')), 'no good document is refused');
  // Text where an object is depends on which of the two was seen before the index was made.
  for (const what of ['an empty name', 'an empty part of a name']) {
    assert.equal(refused.filter((one) => one === what).length, 2, what);
  }
});
