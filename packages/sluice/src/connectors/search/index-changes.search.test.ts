import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionNumber, versionNumberOfTime } from '../../core/version-number.ts';
import { writerOver } from './bulk-fixture.ts';
import { IndexNames } from './index-name.ts';
import { IndexesFixture } from './indexes-fixture.ts';
import { OtherEvents } from './other-events.ts';
import { type EventInit, writeAll } from './sink-fixture.ts';
import { TargetIndexes } from './target-indexes.ts';

/* What others do to indexes while a sink writes to them. */

const T = 1_750_000_000;
const at = (i: number): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal: 0 });
const OFTEN = { lookEveryMs: 0 };
const NOT_AN_INDEX = { kind: 'config', code: 'search.not-an-index' };

test('an index that was removed and made anew by a write is noticed without any news, and repaired', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ mapping: { properties: { code: { type: 'keyword' } } } }, undefined, OFTEN);
  await fixture.prepare(indexes);
  await fixture.search.call('DELETE', `/${fixture.index}`);
  await fixture.put('1', { n: 1 });
  await fixture.prepare(indexes);
  const { settings, mappings } = await fixture.stored();
  assert.equal(settings['index.gc_deletes'], '86400000ms');
  assert.deepEqual(mappings._meta, { sluice: { namespace: `${fixture.search.db}.items`, version: 1 } });
  assert.deepEqual(mappings.properties, { code: { type: 'keyword' }, n: { type: 'long' } });
  assert.equal((mappings as { date_detection?: boolean }).date_detection, false);
  const removed = () => fixture.log.filter(({ message }) => /was removed while it was written to/.test(message)).length;
  assert.equal(removed(), 1);
  await fixture.prepare(indexes);
  assert.equal(removed(), 1);
});

test('an index that was removed is made again before the next write', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({}, undefined, OFTEN);
  await fixture.prepare(indexes);
  await fixture.search.call('DELETE', `/${fixture.index}`);
  await fixture.prepare(indexes);
  assert.equal((await fixture.stored()).settings['index.gc_deletes'], '86400000ms');
});

test('within the time between two looks nothing is asked', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({}, undefined, { lookEveryMs: 600_000 });
  await fixture.prepare(indexes);
  await fixture.search.call('DELETE', `/${fixture.index}`);
  await fixture.prepare(indexes);
  assert.equal((await fixture.search.call('GET', `/${fixture.index}`))['status'], 404);
});

test('an alias of several indexes and a data stream are refused; an alias of one is an index', async () => {
  await using fixture = await IndexesFixture.open();
  const { search, index } = fixture;
  const alias = (is_write_index: boolean) => ({ aliases: { [index]: { is_write_index } } });
  await search.call('PUT', `/${index}-1`, alias(false));
  await search.call('POST', '/_aliases', { actions: [{ add: { index: `${index}-1`, alias: index } }] });
  await fixture.prepare(await fixture.indexes());
  await search.call('PUT', `/${index}-2`, alias(true));
  await assert.rejects(fixture.prepare(await fixture.indexes()), NOT_AN_INDEX);
  await search.call('DELETE', `/${index}-*`);
  const template = `/_index_template/${search.db}`;
  await search.call('PUT', template, { index_patterns: [`${search.db}*`], data_stream: {} });
  try {
    await search.call('PUT', `/_data_stream/${index}`);
    await assert.rejects(fixture.prepare(await fixture.indexes()), NOT_AN_INDEX);
  } finally {
    await search.call('DELETE', `/_data_stream/${index}`);
    await search.call('DELETE', template);
  }
});

test('an index that does not make every write durable is told of', async () => {
  await using fixture = await IndexesFixture.open();
  await fixture.search.call('PUT', `/${fixture.index}`, { settings: { 'index.translog.durability': 'async' } });
  await fixture.prepare(await fixture.indexes());
  assert.ok(
    fixture.log.some(({ level, message }) => level === 'warn' && /durability. of an index is async/.test(message)),
  );
});

test('a drop of a collection whose index is closed says so', async () => {
  await using fixture = await IndexesFixture.open();
  const { search } = fixture;
  await using sink = await search.sink();
  await writeAll(sink, [search.event({ id: 'a', ...at(1) })]);
  await search.call('POST', `/${fixture.index}/_close`);
  const drop = search.event({ op: 'drop', ...at(5) });
  await assert.rejects(writeAll(sink, [drop]), { kind: 'config', code: 'search.index-closed' });
});

for (const mode of ['remove', 'tombstone'] as const) {
  test(`what one worker writes late of a dropped collection, another drop of which is known, is removed (${mode})`, async () => {
    await using fixture = await IndexesFixture.open();
    const { search, index } = fixture;
    const more = { deletes: { mode } };
    await using first = await search.sink(more);
    await using late = await search.sink(more);
    const client = await fixture.client();
    const watching = await fixture.indexes(more, undefined, OFTEN);
    const workers = new OtherEvents({
      client,
      writer: writerOver(client),
      logger: fixture.logger,
      mode,
      config: search.settings(),
      targets: new TargetIndexes(new IndexNames('{db}.{coll}')),
      indexes: watching,
    });
    assert.ok(workers);
    await writeAll(first, [search.event({ id: 'old', ...at(1) })]);
    await writeAll(late, [search.event({ id: 'other', ...at(2) })]);
    await fixture.prepare(watching);
    assert.equal(watching.goneBefore(index), 0n);
    await writeAll(first, [search.event({ op: 'drop', ...at(5) }), search.event({ id: 'new', ...at(6) })]);
    // Another worker has not heard of it yet.
    await writeAll(late, [search.event({ id: 'late', ...at(3) })]);
    await fixture.prepare(watching);
    assert.deepEqual(await fixture.find({ bool: { must_not: { term: { '_sluice.deleted': true } } } }), ['new']);
    assert.equal(watching.goneBefore(index), versionNumberOfTime({ t: T, i: 5 }));
  });
}

test('the last drop that is known counts, whoever tells of it and in whatever order', async () => {
  await using fixture = await IndexesFixture.open();
  const { search, index } = fixture;
  const numberOf = (i: number) => versionNumber({ clusterTime: { t: T, i }, ordinal: 0 }).value;
  const note = async (i: number) => {
    const indexes = await fixture.indexes();
    await indexes.noteGone(index, fixture.namespace(), numberOf(i), new AbortController().signal);
  };
  await note(5);
  await search.call('PUT', `/${index}`, { mappings: { _meta: { team: 'a' } } });
  const indexes = await fixture.indexes();
  await fixture.prepare(indexes);
  for (const i of [7, 9, 8]) await note(i);
  const known = await fixture.indexes();
  await fixture.prepare(known);
  assert.equal(known.goneBefore(index), numberOf(9));
  const { _meta: meta } = (await fixture.stored()).mappings;
  const mark = { namespace: `${search.db}.items`, version: 1, adopted: true, goneBefore: `${numberOf(9)}` };
  assert.deepEqual(meta, { team: 'a', sluice: mark });
});
