import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal128, Long } from 'mongodb';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { applyTo, DdlFixture, structureOf } from './ddl-fixture.ts';

/*
 * Real changes of a source database, as its stream tells them, applied to a target database.
 */

const LIMIT = { timeout: 300_000 };
const COLLATION = { locale: 'de', strength: 2 } as const;

async function everyKind({ source: db }: DdlFixture): Promise<void> {
  await db.createCollection('plain');
  const validator = { $jsonSchema: { properties: { a: { minimum: new Decimal128('1') } } } };
  const validation = { validator, validationLevel: 'moderate', validationAction: 'warn' } as const;
  await db.createCollection('options', {
    ...validation,
    collation: COLLATION,
    changeStreamPreAndPostImages: { enabled: true },
  });
  await db.createCollection('capped', { capped: true, size: 4096, max: 10 });
  const clusteredIndex = { key: { _id: 1 }, unique: true, name: 'own' };
  await db.createCollection('clustered', { clusteredIndex, expireAfterSeconds: 100 });
  const timeseries = { timeField: 't', metaField: 'm', granularity: 'minutes' } as const;
  await db.createCollection('series', { timeseries });
  await db.createCollection('custom', { timeseries: { timeField: 't', granularity: 'hours' } });
  const pipeline = [{ $match: { a: Long.fromNumber(1) } }];
  await db.createCollection('view', { viewOn: 'plain', pipeline, collation: { locale: 'fr' } });
}

async function everyIndex({ source: db }: DdlFixture): Promise<void> {
  const partialFilterExpression = { a: { $gt: Long.fromNumber(5) } };
  await db.collection('plain').createIndexes([
    { key: { a: 1, b: -1 }, name: 'ab', unique: true, partialFilterExpression },
    { key: { c: 1 }, expireAfterSeconds: 60, sparse: true },
    {
      key: new Map([
        ['b', 1],
        ['1', 1],
        ['0', -1],
      ]),
      name: 'numbers',
    },
  ]);
  await db.collection('plain').insertOne({ a: 1 });
  await db
    .collection('plain')
    .createIndexes([
      { key: { text: 'text', title: 'text' }, weights: { title: 3 }, name: 'words', default_language: 'german' },
      { key: { '$**': 1 }, wildcardProjection: { z: 0 }, name: 'wild' },
      { key: { place: '2dsphere' } },
      { key: { h: 'hashed' } },
      { key: { e: 1 }, collation: { locale: 'sv' } },
    ]);
  await db
    .collection('options')
    .createIndexes([{ key: { inherits: 1 } }, { key: { simple: 1 }, collation: { locale: 'simple' } }]);
}

test('collections of every kind with indexes of every kind become the same in the target', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  await everyKind(fixture);
  await everyIndex(fixture);
  const events = await fixture.events();
  const ddl = fixture.ddl();
  for (const round of ['first', 'again']) {
    for (const event of events) {
      if (event.op !== 'insert') assert.equal(await applyTo(ddl, event), 'applied', `${event.op} ${round}`);
    }
    assert.deepEqual(await structureOf(fixture.target), await structureOf(fixture.source), round);
  }
  assert.match(fixture.warnings.join(), /does not tell whether the documents of a new time series expire/);
});

test('changed options, hidden, unique and expiring indexes, views: all are followed', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  await everyKind(fixture);
  await everyIndex(fixture);
  const { source: db } = fixture;
  await db.command({ collMod: 'plain', index: { name: 'ab', hidden: true } });
  await db.command({ collMod: 'plain', index: { keyPattern: { c: 1 }, expireAfterSeconds: 90 } });
  await db.command({ collMod: 'plain', index: { name: 'e_1', prepareUnique: true } });
  await db.command({ collMod: 'plain', index: { name: 'e_1', unique: true } });
  await db.command({ collMod: 'plain', validator: { a: { $type: 'int' } }, validationLevel: 'moderate' });
  await db.command({ collMod: 'options', validator: {}, changeStreamPreAndPostImages: { enabled: false } });
  await db.command({ collMod: 'clustered', expireAfterSeconds: 'off' });
  await db.command({ collMod: 'capped', cappedSize: 8192, cappedMax: 20 });
  await db.command({ collMod: 'series', timeseries: { granularity: 'hours' } });
  await db.command({ collMod: 'view', viewOn: 'options', pipeline: [] });
  await db.collection('plain').dropIndex('numbers');
  await db.collection('options').dropIndexes();
  await fixture.follow();
  assert.deepEqual(await structureOf(fixture.target), await structureOf(fixture.source));
});

test('renames, drops, $out and convertToCapped are followed; repeating them does no harm', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  const { source: db } = fixture;
  for (const name of ['a', 'b', 'c', 'gone', 'small']) await db.createCollection(name);
  await db.collection('a').createIndex({ n: 1 });
  await db.createCollection('view', { viewOn: 'a', pipeline: [] });
  await db.renameCollection('a', 'first');
  await db.renameCollection('first', 'b', { dropTarget: true });
  await db.collection('gone').drop();
  await db.collection('view').drop();
  await db
    .collection('b')
    .aggregate([{ $out: 'out' }])
    .toArray();
  await db.command({ convertToCapped: 'small', size: 4096 });
  const events = (await fixture.events()).filter(({ op }) => op !== 'insert');
  for (const event of events) assert.equal(await applyTo(fixture.ddl(), event), 'applied', event.op);
  assert.deepEqual(await structureOf(fixture.target), await structureOf(fixture.source));
  for (const event of events.slice(-2)) assert.equal(await applyTo(fixture.ddl(), event), 'applied', event.op);
  assert.deepEqual(await structureOf(fixture.target), await structureOf(fixture.source));
});

test('what is left of a dropped database are its views; what is not from the source stays', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const db = fixture.source.databaseName;
  const elsewhere = fixture.stream.client.db(`${db}_other`);
  await fixture.source.createCollection('plain');
  await fixture.watch({ include: [`${db}.*`, `${db}_other.*`] });
  await fixture.target.createCollection('own');
  await fixture.source.createCollection('view', { viewOn: 'plain', pipeline: [] });
  const created = await fixture.events();
  await fixture.source.dropDatabase();
  await elsewhere.dropDatabase();
  const events = [...created, ...(await fixture.events())];
  const ddl = fixture.ddl();
  for (const event of events) if (event.op !== 'insert') await applyTo(ddl, event);
  assert.ok(events.some(({ op }) => op === 'dropDatabase'));
  assert.deepEqual(Object.keys(await structureOf(fixture.target)), ['own']);
});

test('a late repetition of a rename does not replace what came later', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  const { source, target } = fixture;
  const marks = { database: target.databaseName, collection: 'marks', partition: 'test/0' };
  const ddl = fixture.ddl('apply', { marks });
  await source.createCollection('next');
  await source.createCollection('current');
  await source.renameCollection('next', 'current', { dropTarget: true });
  const events = (await fixture.events()).filter(({ op }) => op !== 'insert');
  for (const event of events.slice(0, 2)) await applyTo(ddl, event);
  await target.collection('next').insertOne({ _id: 'good' as never });
  const rename = events[2]!;
  assert.equal(await applyTo(ddl, rename), 'applied');
  await target.collection('next').insertOne({ _id: 'newer' as never });
  assert.equal(await applyTo(fixture.ddl('apply', { marks }), rename), 'applied');
  const names = async (name: string) => (await target.collection(name).find().toArray()).map(({ _id }) => String(_id));
  assert.deepEqual([await names('current'), await names('next')], [['good'], ['newer']]);
});

test('a collection that is renamed into the selection replaces the old one, once', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const { source, target } = fixture;
  await source.createCollection('hidden');
  await source.createCollection('seen');
  await fixture.watch({ include: [`${source.databaseName}.{seen,done_*}`] });
  await source.renameCollection('hidden', 'seen', { dropTarget: true });
  const [rename] = (await fixture.events()).filter(({ op }) => op === 'rename');
  await target.collection('seen').insertOne({ _id: 'stale' as never });
  assert.equal(await applyTo(fixture.ddl(), rename!), 'ignored', 'it is not known whether it was done before');
  assert.match(fixture.warnings.join(), /documents of before may be left/);
  const marks = { database: target.databaseName, collection: 'marks', partition: 'test/0' };
  assert.equal(await applyTo(fixture.ddl('apply', { marks }), rename!), 'applied');
  assert.equal(await target.collection('seen').countDocuments(), 0);
  assert.match(fixture.warnings.join(), /its old documents are dropped; with `snapshot: never`/);
  await target.collection('seen').insertOne({ _id: 'row' as never });
  assert.equal(await applyTo(fixture.ddl('apply', { marks }), rename!), 'applied');
  assert.equal(await target.collection('seen').countDocuments(), 1);
});

test('with `ttl: hold` nothing expires in the target, whatever the source says', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  const { source: db, target } = fixture;
  await db.createCollection('items');
  await db.collection('items').createIndex({ at: 1 }, { expireAfterSeconds: 60, name: 'at' });
  await db.command({ collMod: 'items', index: { name: 'at', expireAfterSeconds: 90 } });
  const clusteredIndex = { key: { _id: 1 }, unique: true };
  await db.createCollection('clustered', { clusteredIndex, expireAfterSeconds: 100 });
  await db.command({ collMod: 'clustered', expireAfterSeconds: 200 });
  const outcomes = await fixture.follow(fixture.ddl({ ttl: 'hold' }));
  assert.deepEqual(outcomes, [
    'create items applied',
    'createIndexes items applied',
    'modify items ignored',
    'create clustered applied',
    'modify clustered ignored',
  ]);
  assert.ok(!JSON.stringify(await structureOf(target)).includes('expireAfterSeconds'));
});

test('what a copy says of its collections makes the same in an empty target', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await everyKind(fixture);
  await everyIndex(fixture);
  await fixture.source.collection('series').createIndex({ 'm.sensor': 1, t: -1 });
  await fixture.source.command({ collMod: 'series', expireAfterSeconds: 7200 });
  await fixture.watch({ snapshot: { mode: 'initial', structure: true } });
  await fixture.follow();
  assert.deepEqual(await structureOf(fixture.target), await structureOf(fixture.source));
});

test('changes of indexes and options while documents are copied end the same in the target', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const { source: db } = fixture;
  const items = db.collection('items');
  await items.insertMany(Array.from({ length: 400 }, (_, n) => ({ n, k: n })));
  await items.createIndexes([
    { key: { n: 1 }, name: 'dropped' },
    { key: { k: 1 }, name: 'changed', expireAfterSeconds: 90 },
  ]);
  const snapshot = { mode: 'initial', structure: true, maxRowsPerSecond: 400 };
  const ddl = fixture.ddl();
  await fixture.watch({ snapshot });
  await fixture.follow(ddl);
  await items.dropIndex('dropped');
  await db.command({
    collMod: 'items',
    index: { name: 'changed', expireAfterSeconds: 80 },
    validator: { n: { $gte: 0 } },
  });
  await fixture.follow(ddl);
  await items.createIndex({ n: -1 }, { name: 'made' });
  await items.updateMany({}, { $set: { n: 1 } });
  await db.command({ collMod: 'items', index: { name: 'changed', hidden: true } });
  await fixture.untilCopied(ddl);
  assert.deepEqual(await structureOf(fixture.target), await structureOf(db));
});
