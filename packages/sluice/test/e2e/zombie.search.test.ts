import { test } from 'node:test';
import { testSearch } from '../../src/testing/servers/search.ts';
import { searchTarget } from '../document-targets.ts';
import { zombieRun } from '../zombie-run.ts';

/** Longer than the index that a test makes remembers versions of removed documents, and than it takes to look again. */
const FORGOTTEN_MS = 3_000;

const kinds = [
  // As it is usual: the index remembers for a day.
  { name: 'removed documents', settings: {}, forgetsAfterMs: 0 },
  {
    name: 'tombstones',
    settings: { deletes: { mode: 'tombstone' }, settings: { 'index.gc_deletes': '1s' } },
    forgetsAfterMs: FORGOTTEN_MS,
  },
];

for (const { name, settings, forgetsAfterMs } of kinds) {
  test(`a paused owner whose writes arrive late brings nothing back (${name})`, { timeout: 300_000 }, async () => {
    const url = await testSearch();
    await using target = searchTarget(url);
    const addressAt = (port: number) => `http://127.0.0.1:${port}`;
    await zombieRun({ target, settings, port: Number(new URL(url).port), addressAt, forgetsAfterMs });
  });
}
