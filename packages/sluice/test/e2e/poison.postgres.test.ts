import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { postgresTarget } from '../document-targets.ts';
import { poisonRun } from '../poison-run.ts';

const NUL = ['a NUL character', 'a NUL character', 'a NUL character inside', 'a NUL character inside'];

for (const [delivery, nul, expected] of [
  ['at-least-once', 'strip', []],
  ['exactly-once', 'dead-letter', NUL],
] as const) {
  test(`odd documents are in the table or among the dead letters (${delivery}, NUL characters: ${nul})`, {
    timeout: 300_000,
  }, async (t) => {
    await using target = postgresTarget(await testPostgres());
    const { refused } = await poisonRun(t, target, { delivery, nul });
    assert.deepEqual(refused.toSorted(), expected);
  });
}
