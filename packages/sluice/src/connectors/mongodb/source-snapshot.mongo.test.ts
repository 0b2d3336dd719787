import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, Long } from 'bson';
import type { Source } from '../../core/source.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * Snapshots of a source as an operator meets them: queries that the server refuses, copies that are given up.
 */

const LIMIT = { timeout: 300_000 };

interface Item {
  readonly _id: number;
  readonly n?: number;
  readonly text?: string;
  readonly state?: string;
}

async function withItems(items: readonly Item[]): Promise<StreamFixture> {
  const fixture = await StreamFixture.open(await testMongo());
  if (items.length > 0) await fixture.db.collection<Item>('items').insertMany([...items]);
  return fixture;
}

const start = (match?: string) => ({ action: 'start', collections: [], match }) as const;
const stateOf = (source: Source) => source.snapshots?.status(Date.now());
const numbered = (count: number) => Array.from({ length: count }, (_, n): Item => ({ _id: n, n, text: String(n) }));

test('a filter that the server refuses is refused, and nothing else happens', LIMIT, async () => {
  await using fixture = await withItems(numbered(3));
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  for (const match of ['{"n":{"$foo":1}}', '{"$or":[]}', '{"n":{"$type":"nonsense"}}']) {
    await assert.rejects(
      source.snapshots!.command(start(match)),
      { kind: 'config', code: 'mongodb.match-refused' },
      match,
    );
  }
  for (const match of [
    '{"n":{"$oid":"zz"}}',
    '{"$where":"1"}',
    '[1]',
    '{',
    '{"a":'.repeat(60) + '1' + '}'.repeat(60),
  ]) {
    await assert.rejects(
      source.snapshots!.command(start(match)),
      { kind: 'config', code: 'snapshot.bad-match' },
      match,
    );
  }
  await fixture.db.collection<Item>('items').insertOne({ _id: 100 });
  await reading.count(1);
  assert.deepEqual(reading.ops, ['insert']);
});

test('a filter that fails at some document ends its copy, not the stream, and shows no values', LIMIT, async () => {
  await using fixture = await withItems([...numbered(5), { _id: 99, text: 'secret-value' }]);
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  await source.snapshots!.command(start('{"$expr":{"$gt":[{"$toInt":"$text"},1]}}'));
  await reading.until(() => stateOf(source)?.state === 'cancelled');
  assert.match(stateOf(source)?.error ?? '', /cannot read documents of .*\.items/);
  assert.ok(!JSON.stringify([stateOf(source), fixture.log]).includes('secret-value'));
  await fixture.db.collection<Item>('items').insertOne({ _id: 100 });
  await reading.until(({ ids }) => ids.includes(100));
  await source.snapshots!.command(start());
  await reading.until(() => stateOf(source)?.state === 'completed');
  assert.equal(stateOf(source)?.error, undefined, 'the next one is another one');
  assert.equal(reading.ops.filter((op) => op === 'snapshot').length, 7);
});

test('with a query in the configuration no change of the documents it leaves out is lost', LIMIT, async () => {
  await using fixture = await withItems(
    numbered(500).map(({ _id }) => ({ _id, state: _id % 2 === 0 ? 'open' : 'closed' })),
  );
  const match = { [`${fixture.db.databaseName}.items`]: { state: 'open' } };
  const snapshot = { mode: 'initial', maxRowsPerSecond: 400, match };
  await using source = await fixture.source({ snapshot });
  await using reading = await new Reading(source).until(({ ops }) => ops.includes('snapshot'));
  const items = fixture.db.collection<Item>('items');
  await items.insertOne({ _id: 1_000, state: 'new' });
  await items.updateOne({ _id: 498 }, { $set: { state: 'closed' } });
  await items.deleteOne({ _id: 497 });
  await reading.until(() => stateOf(source)?.state === 'completed');
  const changes = reading.events.flatMap((event, index) =>
    event.op === 'snapshot' ? [] : [`${event.op} ${String(reading.ids[index])}`],
  );
  assert.deepEqual(changes, ['insert 1000', 'update 498', 'delete 497']);
  assert.equal(reading.ops.filter((op) => op === 'snapshot').length, 249);
});

test('with a query the rate is that of the keys that are gone through', LIMIT, async () => {
  await using fixture = await withItems(numbered(2_000));
  const match = { [`${fixture.db.databaseName}.items`]: { n: 1_999 } };
  await using source = await fixture.source({ snapshot: { mode: 'initial', maxRowsPerSecond: 1_000, match } });
  const startedMs = performance.now();
  await using reading = await new Reading(source).until(() => stateOf(source)?.state === 'completed');
  assert.deepEqual(reading.ids, [1_999]);
  assert.ok(performance.now() - startedMs > 1_000, 'two thousand keys take more than a second');
});

test('a copy that held changes back and is given up leaves a gap that everybody can see', LIMIT, async () => {
  await using fixture = await withItems(numbered(1_000));
  await using source = await fixture.source({ snapshot: { mode: 'initial', maxRowsPerSecond: 100 } });
  await using reading = await new Reading(source).until(({ ops }) => ops.includes('snapshot'));
  await source.snapshots!.command({ action: 'cancel' });
  await reading.start();
  assert.equal(stateOf(source)?.state, 'cancelled');
  assert.ok(source.gap);
  assert.ok(fixture.log.some(({ level, message }) => level === 'error' && /still to be copied are lost/.test(message)));
  await fixture.db.collection<Item>('items').updateOne({ _id: 999 }, { $set: { n: 0 } });
  await reading.until(({ ids }) => ids.includes(999));
  await assert.rejects(source.snapshots!.command({ action: 'cancel' }), { code: 'snapshot.not-running' });
});

test(
  'with `only` everything that was copied before is not looked at again, even when the position is gone',
  LIMIT,
  async () => {
    await using fixture = await withItems(numbered(10));
    await using first = await fixture.source({ snapshot: 'only' });
    await using reading = new Reading(first);
    await assert.rejects(reading.count(11), /ended before/);
    assert.equal(reading.events.length, 10);
    const { position, binding } = reading.from;
    const gone = { ...position, token: '820000000100000001', clusterTime: { t: 1, i: 1 } };
    await using again = await fixture.source({ snapshot: 'only' });
    await using nothing = new Reading(again, { position: gone, binding });
    await assert.rejects(nothing.count(1), /ended before/);
    assert.equal(stateOf(again)?.state, 'completed');
  },
);

test('a collection that is born in the stream is not copied when the selection changes', LIMIT, async () => {
  await using fixture = await withItems(numbered(3));
  await using source = await fixture.source({ snapshot: 'initial' });
  await using reading = await new Reading(source).until(() => stateOf(source)?.state === 'completed');
  await fixture.db.collection<Item>('born').insertOne({ _id: 1 });
  await reading.count(4);
  const { from } = reading;
  await using changed = await fixture.source({ snapshot: 'initial', fullDocument: 'updateLookup' });
  await using resumed = await new Reading(changed, from).start();
  assert.equal(stateOf(changed), undefined);
  await fixture.db.collection<Item>('born').insertOne({ _id: 2 });
  await resumed.count(1);
  assert.deepEqual(resumed.ops, ['insert']);
});

test('a filter keeps every digit of an int64, on demand and in the configuration', LIMIT, async () => {
  await using fixture = await withItems([]);
  const items = fixture.db.collection('items');
  const long = (digits: string) => Long.fromString(digits);
  await items.insertMany([{ n: long('9007199254740992') }, { n: long('9007199254740993') }]);
  const query = { n: { $numberLong: '9007199254740993' } };
  const snapshot = { mode: 'initial', match: { [`${fixture.db.databaseName}.items`]: query } };
  await using source = await fixture.source({ snapshot });
  await using reading = await new Reading(source).until(() => stateOf(source)?.state === 'completed');
  await source.snapshots!.command(start(JSON.stringify(query)));
  await reading.until(({ ops }) => ops.length === 2 && stateOf(source)?.state === 'completed');
  const found = reading.events.map((event) => deserialize(event.after()!, { promoteValues: false })['n'].toString());
  assert.deepEqual(found, ['9007199254740993', '9007199254740993']);
});
