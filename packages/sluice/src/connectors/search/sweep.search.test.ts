import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { silentLogger } from '../../core/logger.ts';
import { versionNumberOfTime } from '../../core/version-number.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { writerOver } from './bulk-fixture.ts';
import type { SearchClient } from './client.ts';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';
import { sweep } from './sweep.ts';

const T = 1_750_000_000;
const at = (i: number): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal: 0 });
const since = (i: number) => ({ since: new BSON.Timestamp({ t: T, i }) });
const signal = new AbortController().signal;

for (const mode of ['remove', 'tombstone'] as const) {
  test(`the end of a copy removes what is older than its begin, and keeps it away (${mode})`, async () => {
    await using fixture = await SearchFixture.open();
    await using sink = await fixture.sink({ deletes: { mode } });
    const live = async () =>
      [...(await fixture.found())].flatMap(([id, { source }]) => ('_sluice' in source ? [] : [id])).join();
    const events = ['a', 'b', 'c', 'd'].map((id, index) => fixture.event({ id, sequence: index, ...at(index + 1) }));
    await writeAll(sink, events);
    await writeAll(sink, [fixture.event({ id: 'd', op: 'delete', ...at(5) })]);
    const end = fixture.event({ op: 'snapshotEnd', fields: since(3), ...at(9) });
    assert.equal((await writeAll(sink, [end])).delivered, 1);
    assert.equal(await live(), 'c');
    // A zombie with what was there before, and the same end again.
    await writeAll(sink, events);
    await writeAll(sink, [end]);
    assert.equal(await live(), 'c');
  });
}

test('a document that is written while an index is swept stays', async () => {
  await using fixture = await SearchFixture.open();
  await using client = await fixture.client();
  await using sink = await fixture.sink();
  const names = Array.from({ length: 50 }, (_, index) => `d${index}`);
  await writeAll(
    sink,
    names.map((id) => fixture.event({ id, ...at(1) })),
  );
  // Between the search and the deletes every other document changes.
  let changed = false;
  const watching: SearchClient = {
    product: client.product,
    json: (request) => client.json(request),
    request: async (request) => {
      if (request.path.includes('/_bulk') && !changed) {
        changed = true;
        const newer = names
          .filter((_, index) => index % 2 === 0)
          .map((id) => fixture.event({ id, document: { v: 'new' }, ...at(9) }));
        await writeAll(sink, newer);
      }
      return client.request(request);
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const parts = { client: watching, writer: writerOver(watching), logger: silentLogger, mode: 'remove' } as const;
  await sweep(parts, fixture.index(), versionNumberOfTime({ t: T, i: 5 }), { signal });
  const found = await fixture.found();
  assert.equal(found.size, 25);
  assert.ok([...found.values()].every(({ source }) => source['v'] === 'new'));
});

test('a sweep goes through all pages, and asks before each of them whether it may', async () => {
  await using fixture = await SearchFixture.open();
  await using client = await fixture.client();
  await using sink = await fixture.sink({ batchRecords: 10_000 });
  const names = Array.from({ length: 4_100 }, (_, index) => `d${index}`);
  await writeAll(
    sink,
    names.map((id) => fixture.event({ id, ...at(1) })),
  );
  await writeAll(sink, [fixture.event({ id: 'newer', ...at(9) })]);
  const parts = { client, writer: writerOver(client), logger: silentLogger, mode: 'remove' } as const;
  const before = versionNumberOfTime({ t: T, i: 5 });
  const stop = new Error('not the owner');
  let asked = 0;
  const ensureOwned = () => {
    asked += 1;
    if (asked > 3) throw stop;
  };
  await assert.rejects(sweep(parts, fixture.index(), before, { signal, ensureOwned }), (error) => error === stop);
  assert.equal((await fixture.found()).size, 2_101);
  assert.equal(await sweep(parts, fixture.index(), before, { signal }), 2_100);
  assert.deepEqual(await fixture.ids(), ['newer']);
  const isEnded = async () => {
    const { _all: all } = (await fixture.call('GET', `/${fixture.index()}/_stats/search`)) as {
      _all: { total: { search: { scroll_current: number } } };
    };
    return all.total.search.scroll_current === 0;
  };
  // Not ended, they would be kept for ten minutes.
  await waitFor(isEnded, { timeoutMs: 30_000, message: 'no search is kept on the server' });
});

test('a drop empties the index and what is written afterwards stays; with onDrop: keep nothing happens', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await using keeping = await fixture.sink({ onDrop: 'keep' });
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) }), fixture.event({ id: 'b', ...at(7) })]);
  const drop = fixture.event({ op: 'drop', ...at(5) });
  assert.equal((await writeAll(keeping, [drop])).filtered, 1);
  assert.deepEqual(await fixture.ids(), ['a', 'b']);
  const { delivered } = await writeAll(sink, [
    fixture.event({ id: 'c', ...at(4) }),
    drop,
    fixture.event({ id: 'a', ...at(6) }),
  ]);
  assert.equal(delivered, 3);
  assert.deepEqual(await fixture.ids(), ['a', 'b']);
});

test('a drop of what has no index makes none, and events without a meaning here are filtered', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const ops = ['drop', 'snapshotEnd', 'dropDatabase', 'createIndexes', 'gap', 'invalidate', 'shardCollection'];
  for (const op of ops) {
    const { delivered, filtered } = await writeAll(sink, [
      fixture.event({ op, fields: op === 'snapshotEnd' ? since(1) : {} }),
    ]);
    assert.deepEqual([op, delivered + filtered], [op, 1]);
  }
  assert.deepEqual(await fixture.call('GET', `/_cat/indices/${fixture.db}*?format=json`), []);
});
