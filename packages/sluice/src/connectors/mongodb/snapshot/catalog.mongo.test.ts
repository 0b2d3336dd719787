import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MongoClient } from 'mongodb';
import { type MongoServer, startMongo } from '../../../testing/servers/mongo.ts';
import { createMongoUser, type MongoUser } from '../../../testing/servers/mongo-admin.ts';
import { scopeOf } from '../scope.ts';
import { type Catalog, listCollections } from './catalog.ts';
import { compareOnServer } from './collated-order.ts';
import { CollectionFixture } from './collection-fixture.ts';
import { idOf } from './raw-read.ts';

/*
 * What a scope covers, as seen by users with all, some and the least rights.
 */

const LIMIT = { timeout: 300_000 };
const COLLATION = { locale: 'en', strength: 2 };

let server: MongoServer;
let fixture: CollectionFixture;
let db: string;
before(async () => {
  server = await startMongo({ auth: true });
  fixture = await CollectionFixture.open(server.uri);
  db = fixture.db.databaseName;
  await fixture.db.createCollection('plain');
  await fixture.db.createCollection('collated', { collation: COLLATION });
  await fixture.db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } });
  await fixture.db.createCollection('capped', { capped: true, size: 10_000 });
  await fixture.db.createCollection('metrics', { timeseries: { timeField: 't' } });
  await fixture.db.createCollection('view', { viewOn: 'plain', pipeline: [] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The catalog of these patterns as a user of its own sees it. */
async function listedBy(user: Omit<MongoUser, 'password'>, include: readonly string[]): Promise<Catalog> {
  const client = await new MongoClient(await createMongoUser(server, { ...user, password: 'p' })).connect();
  try {
    return await listCollections({ ...fixture.context, client }, scopeOf(include, []));
  } finally {
    await client.close();
  }
}

const brief = ({ collections }: Catalog) =>
  collections
    .map(({ coll, kind, collation, uuid }) => [coll, kind, collation?.['strength'], uuid !== undefined])
    .toSorted(([a], [b]) => String(a).localeCompare(String(b)));

const EVERYTHING = [
  ['capped', 'capped', undefined, true],
  ['clustered', 'clustered', undefined, true],
  ['collated', 'ordinary', 2, true],
  ['plain', 'ordinary', undefined, true],
];

test('collections with their kind, collation and UUID; time series by name, nothing of the server', LIMIT, async () => {
  const catalog = await listCollections(fixture.context, scopeOf([`${db}.*`], []));
  assert.deepEqual(brief(catalog), EVERYTHING);
  assert.deepEqual(catalog.timeSeries, [`${db}.metrics`]);
  const plain = catalog.collections.find(({ coll }) => coll === 'plain');
  assert.deepEqual(plain, {
    db,
    coll: 'plain',
    uuid: await fixture.uuid('plain'),
    collation: undefined,
    kind: 'ordinary',
  });
  const whole = await listCollections(fixture.context, scopeOf(['*.*'], []));
  assert.deepEqual(brief(whole), EVERYTHING);
});

test('the scope decides', LIMIT, async () => {
  const only = async (include: string[], exclude: string[] = []) =>
    (await listCollections(fixture.context, scopeOf(include, exclude))).collections.map(({ coll }) => coll).toSorted();
  assert.deepEqual(await only([`${db}.plain`]), ['plain']);
  assert.deepEqual(await only([`${db}.c*`], [`${db}.capped`]), ['clustered', 'collated']);
  assert.deepEqual(await only([`${db}.nothing`]), []);
  assert.deepEqual(await only(['nothing_*.*']), []);
});

test('the role read sees all of it', LIMIT, async () => {
  const catalog = await listedBy({ user: 'reads', roles: [{ role: 'read', db }] }, [`${db}.*`]);
  assert.deepEqual(brief(catalog), EVERYTHING);
  assert.deepEqual(catalog.timeSeries, [`${db}.metrics`]);
});

test('find and changeStream on some collections give those, without their UUIDs', LIMIT, async () => {
  const rights = (collection: string) => ({ resource: { db, collection }, actions: ['find', 'changeStream'] });
  const privileges = ['plain', 'collated', 'clustered'].map(rights);
  const expected = EVERYTHING.slice(1).map(([coll, kind, strength]) => [coll, kind, strength, false]);
  const catalog = await listedBy({ user: 'finds', privileges }, [`${db}.*`]);
  assert.deepEqual(brief(catalog), expected);
  assert.deepEqual(catalog.timeSeries, []);
  assert.deepEqual(brief(await listedBy({ user: 'finds_everywhere', privileges }, ['*.*'])), expected);
  const one = await listedBy({ user: 'finds_one', privileges: [rights('collated')] }, [`${db}.collated`]);
  assert.deepEqual(brief(one), [['collated', 'ordinary', 2, false]]);
});

test('a UUID and a collation of the catalog are good for asking the server', LIMIT, async () => {
  const { collections } = await listCollections(fixture.context, scopeOf([`${db}.collated`], []));
  const [entry] = collections;
  assert.ok(entry?.uuid !== undefined && entry.collation !== undefined);
  await fixture.db.collection<{ _id: string }>('collated').insertMany([{ _id: 'B' }, { _id: 'a' }]);
  const read = await fixture.readRange(await fixture.request('collated', { uuid: entry.uuid }));
  const keys = read.rows.map(idOf);
  const { collation } = entry;
  const signs = await compareOnServer(fixture.context, { db, coll: 'collated', collation, keys, bounds: keys });
  assert.deepEqual(signs, [
    [0, -1],
    [1, 0],
  ]);
});
