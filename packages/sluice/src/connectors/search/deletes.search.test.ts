import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../testing/wait-for.ts';
import { writerOver } from './bulk-fixture.ts';
import { SearchFixture, writeAll } from './sink-fixture.ts';
import { purge } from './tombstones.ts';

const T = 1_750_000_000;
const at = (i: number) => ({ time: { t: T, i }, ordinal: 0 });
const signal = new AbortController().signal;

test('after a delete nothing older comes back while the index remembers it, also over a refresh and a merge', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) }), fixture.event({ id: 'b', ...at(2) })]);
  await writeAll(sink, [fixture.event({ id: 'a', op: 'delete', ...at(3) })]);
  for (const step of ['_refresh', '_flush', '_forcemerge?max_num_segments=1']) {
    await fixture.call('POST', `/${fixture.index()}/${step}`);
    const { delivered } = await writeAll(sink, [fixture.event({ id: 'a', op: 'update', ...at(2) })]);
    assert.equal(delivered, 1);
    assert.deepEqual(await fixture.ids(), ['b']);
  }
});

test('a delete of a document that was never there keeps older writes out, too', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', op: 'delete', ...at(3) })]);
  await writeAll(sink, [fixture.event({ id: 'a', ...at(2) })]);
  assert.deepEqual(await fixture.ids(), []);
  await writeAll(sink, [fixture.event({ id: 'a', ...at(4) })]);
  assert.deepEqual(await fixture.ids(), ['a']);
});

test('past gc_deletes a removed document can come back, and one with a tombstone cannot', async () => {
  await using fixture = await SearchFixture.open();
  await using removing = await fixture.sink();
  await using marking = await fixture.sink({ deletes: { mode: 'tombstone' } });
  await writeAll(removing, [fixture.event({ id: 'gone', ...at(1) })]);
  await writeAll(marking, [fixture.event({ id: 'marked', ...at(1) })]);
  // The sinks have made it a day.
  await fixture.call('PUT', `/${fixture.index()}/_settings`, { 'index.gc_deletes': '100ms' });
  await writeAll(removing, [fixture.event({ id: 'gone', op: 'delete', ...at(9) })]);
  await writeAll(marking, [fixture.event({ id: 'marked', op: 'delete', ...at(9) })]);
  // The zombie.
  const late = ['gone', 'marked'].map((id) => fixture.event({ id, document: { from: 'zombie' }, ...at(2) }));
  const back = async () => {
    await fixture.call('POST', `/${fixture.index()}/_refresh`);
    await writeAll(removing, late);
    return (await fixture.ids()).includes('gone');
  };
  await waitFor(back, { timeoutMs: 90_000, message: 'the index has forgotten the delete' });
  const found = await fixture.found();
  assert.equal(found.get('gone')?.source['from'], 'zombie');
  const mark = found.get('marked')?.source['_sluice'] as { deleted: boolean; at: string };
  assert.equal(mark.deleted, true);
  assert.ok(Math.abs(Date.parse(mark.at) - Date.now()) < 600_000);
  // What comes after the delete is a document again.
  await writeAll(marking, [fixture.event({ id: 'marked', document: { n: 5 }, ...at(10) })]);
  assert.deepEqual((await fixture.found()).get('marked')?.source, { n: 5 });
});

test('tombstones are removed when they are old enough, and not what was written over them', async () => {
  await using fixture = await SearchFixture.open();
  await using client = await fixture.client();
  await using sink = await fixture.sink({ deletes: { mode: 'tombstone' } });
  const names = ['a', 'b', 'c'];
  await writeAll(
    sink,
    [...names, 'd'].map((id) => fixture.event({ id, ...at(1) })),
  );
  await writeAll(
    sink,
    names.map((id) => fixture.event({ id, op: 'delete', ...at(2) })),
  );
  const purgeBefore = (ms: number) => purge({ client, writer: writerOver(client) }, fixture.index(), ms, signal);
  assert.equal(await purgeBefore(Date.now() - 3_600_000), 0);
  await writeAll(sink, [fixture.event({ id: 'b', ...at(3) })]);
  assert.equal(await purgeBefore(Date.now() + 1000), 2);
  assert.deepEqual(await fixture.ids(), ['b', 'd']);
});
