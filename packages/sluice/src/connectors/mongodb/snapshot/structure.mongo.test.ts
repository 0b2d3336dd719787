import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, Decimal128, type Document, Long } from 'mongodb';
import type { ChangeEvent } from '../../../core/change-event.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { Reading, StreamFixture } from '../stream-fixture.ts';

/*
 * With `snapshot.structure` a copy says what collections are like, in the form of the server's own events.
 */

const LIMIT = { timeout: 300_000 };
const SNAPSHOT = { mode: 'initial', structure: true };

const COLLATION = { locale: 'de', strength: 2 } as const;
const VALIDATOR = { $jsonSchema: { properties: { a: { minimum: new Decimal128('1') } } } };

/** Names and operations in their order, rows of one collection in a row as one. */
function outline(events: readonly ChangeEvent[]): string[] {
  const lines = events.map(({ op, namespace }) => `${op} ${namespace.coll}`);
  return lines.filter((line, index) => line !== lines[index - 1]);
}

function describedBy(event: ChangeEvent | undefined): Document {
  const { operationDescription } = BSON.deserialize(event!.raw, { promoteValues: false });
  return operationDescription as Document;
}

function find(reading: Reading, op: string, coll: string): ChangeEvent | undefined {
  return reading.events.find((event) => event.op === op && event.namespace.coll === coll);
}

const isDone = (name: string) => (reading: Reading) => find(reading, 'createIndexes', name) !== undefined;

test('a collection comes before its rows, its indexes behind them, with the types that they have', LIMIT, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  const { db } = fixture;
  const options = { validator: VALIDATOR, validationLevel: 'moderate', collation: COLLATION } as const;
  const users = await db.createCollection('users', { ...options, changeStreamPreAndPostImages: { enabled: true } });
  await users.insertMany([{ a: 2 }, { a: 3 }]);
  const partialFilterExpression = { a: { $gt: Long.fromNumber(5) } };
  await users.createIndexes([{ key: { a: 1, b: -1 }, name: 'ab', unique: true, partialFilterExpression }]);
  await using source = await fixture.source({ snapshot: SNAPSHOT });
  await using reading = await new Reading(source).until(isDone('users'));
  assert.deepEqual(outline(reading.events), ['create users', 'snapshot users', 'createIndexes users']);
  const [info] = (await db.listCollections({}, { promoteValues: false } as never).toArray()) as Document[];
  const { operationDescription: created, ...rest } = BSON.deserialize(reading.events[0]!.raw);
  assert.deepEqual(describedBy(reading.events[0]), { ...info?.['options'], idIndex: info?.['idIndex'] });
  assert.equal(created.validator.$jsonSchema.properties.a.minimum._bsontype, 'Decimal128');
  assert.equal(rest['nsType'], 'collection');
  assert.equal(rest['snapshot'], true);
  const [index] = describedBy(find(reading, 'createIndexes', 'users'))['indexes'] as Document[];
  assert.equal(index?.['name'], 'ab');
  assert.equal(index?.['partialFilterExpression'].a.$gt._bsontype, 'Long');
});

test('what has no rows to copy comes first: capped collections, time series, and views last', LIMIT, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  const { db } = fixture;
  await db.createCollection('a_view', { viewOn: 'users', pipeline: [{ $match: { a: Long.fromNumber(1) } }] });
  await db.createCollection('log', { capped: true, size: 4096, max: 10 });
  await db.collection('log').createIndex({ at: 1 });
  const timeseries = { timeField: 't', metaField: 'm', granularity: 'minutes' } as const;
  await db.createCollection('metrics', { timeseries, expireAfterSeconds: 3600 });
  await db.collection('metrics').createIndex({ 'm.sensor': 1, t: 1 });
  await db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true }, expireAfterSeconds: 90 });
  await using source = await fixture.source({ snapshot: SNAPSHOT });
  await using reading = await new Reading(source).until((read) => find(read, 'create', 'clustered') !== undefined);
  const lines = outline(reading.events);
  assert.deepEqual(lines.slice(-2), ['create a_view', 'create clustered']);
  const before = (first: string, second: string) =>
    assert.ok(lines.indexOf(first) >= 0 && lines.indexOf(first) < lines.indexOf(second), lines.join());
  before('create log', 'createIndexes log');
  before('create metrics', 'createIndexes metrics');
  before('createIndexes log', 'create a_view');
  const metrics = BSON.deserialize(find(reading, 'create', 'metrics')!.raw);
  assert.equal(metrics['nsType'], 'timeseries');
  assert.equal(metrics['operationDescription'].timeseries.granularity, 'minutes');
  assert.equal(metrics['operationDescription'].expireAfterSeconds, 3600);
  assert.equal(BSON.deserialize(find(reading, 'create', 'a_view')!.raw)['nsType'], 'view');
  assert.equal(describedBy(find(reading, 'create', 'a_view'))['pipeline'][0].$match.a._bsontype, 'Long');
  assert.equal(describedBy(find(reading, 'create', 'log'))['capped'].valueOf(), true);
  assert.ok(describedBy(find(reading, 'create', 'clustered'))['clusteredIndex']);
  const warned = fixture.log.filter(({ level }) => level === 'warn').map(({ message }) => message);
  assert.match(warned.join(), /time series are neither streamed nor copied.*capped collections/);
});

test('after a stop in the middle what is not finished is described again, what is finished is not', LIMIT, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  const rows = Array.from({ length: 500 }, (_, n) => ({ _id: n as never, n }));
  for (const name of ['first', 'second']) {
    await fixture.db.collection(name).insertMany(rows);
    await fixture.db.collection(name).createIndex({ n: 1 });
  }
  await fixture.db.createCollection('view', { viewOn: 'first', pipeline: [] });
  const settings = { snapshot: { ...SNAPSHOT, parallelism: 1, maxRowsPerSecond: 400 } };
  await using source = await fixture.source(settings);
  await using reading = await new Reading(source).until((read) =>
    ['first', 'second'].some((name) => isDone(name)(read)),
  );
  const [done, open] = isDone('first')(reading) ? ['first', 'second'] : ['second', 'first'];
  await using again = await fixture.source(settings);
  await using resumed = await new Reading(again, reading.from).until(isDone(open));
  const expected = ['create view', `create ${open}`, `snapshot ${open}`, `createIndexes ${open}`];
  assert.deepEqual(outline(resumed.events), expected);
  assert.equal(find(resumed, 'create', done), undefined);
});

test('where a batch is cut in front of the indexes, they come again', LIMIT, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  await fixture.db.collection('items').insertMany([{ n: 1 }, { n: 2 }]);
  await fixture.db.collection('items').createIndex({ n: 1 });
  await using source = await fixture.source({ snapshot: SNAPSHOT });
  await using reading = await new Reading(source).until(isDone('items'));
  const seen: string[][] = [];
  for (const event of reading.events.slice(0, -1)) {
    await using again = await fixture.source({ snapshot: SNAPSHOT });
    const from = { position: event.position, binding: source.binding };
    await using resumed = await new Reading(again, from).until(isDone('items'));
    seen.push(resumed.events.map(({ op }) => op));
  }
  assert.deepEqual(seen, [
    ['create', 'snapshot', 'snapshot', 'createIndexes'],
    ['create', 'snapshot', 'createIndexes'],
    ['create', 'createIndexes'],
  ]);
});

test(
  'a copy that somebody asks for describes its collections too; without the option nothing does',
  LIMIT,
  async () => {
    await using fixture = await StreamFixture.open(await testMongo());
    await fixture.db.collection('items').insertMany([{ n: 1 }]);
    await fixture.db.collection('items').createIndex({ n: 1 });
    const ask = { action: 'start', collections: [], match: undefined } as const;
    const seen = [];
    for (const structure of [true, false]) {
      await using source = await fixture.source({ snapshot: { mode: 'never', structure } });
      await using reading = await new Reading(source).start();
      await source.snapshots!.command(ask);
      await reading.until(() => source.snapshots!.status(Date.now())?.state === 'completed');
      seen.push(reading.ops);
    }
    assert.deepEqual(seen, [['create', 'snapshot', 'createIndexes'], ['snapshot']]);
  },
);

test('of a renamed collection, which a sink may have renamed too, no delete is held back', LIMIT, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  const { db } = fixture;
  const rows = Array.from({ length: 100 }, (_, n) => ({ _id: n as never }));
  await db.collection('items').insertMany(rows);
  await using source = await fixture.source({ snapshot: SNAPSHOT });
  await using reading = await new Reading(source).until(
    () => source.snapshots!.status(Date.now())?.state === 'completed',
  );
  await db.renameCollection('items', 'renamed');
  await db.collection('renamed').updateOne({ _id: 98 as never }, { $set: { n: 1 } });
  await db.collection('renamed').deleteOne({ _id: 99 as never });
  const before = reading.events.length;
  // It may come in front of the rows or behind them, but it must come.
  const since = (read: Reading) => outline(read.events.slice(before));
  await reading.until((read) => since(read).includes('delete renamed') && since(read).includes('snapshot renamed'));
  const lines = since(reading);
  assert.equal(lines[0], 'rename items');
  assert.ok(lines.indexOf('create renamed') < lines.indexOf('snapshot renamed'));
});
