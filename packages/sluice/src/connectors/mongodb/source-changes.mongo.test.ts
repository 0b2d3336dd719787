import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { testMongo } from '../../testing/servers/mongo.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * What changes under a stream: collections that are dropped, renamed and made again, and the configuration itself.
 */

const LIMIT = { timeout: 300_000 };

interface Row {
  _id: number | string;
}

let uri: string;
before(async () => {
  uri = await testMongo();
});

let fixtures: StreamFixture[] = [];
after(() => Promise.all(fixtures.map((fixture) => fixture[Symbol.asyncDispose]())));

async function fresh(): Promise<StreamFixture> {
  const fixture = await StreamFixture.open(uri);
  fixtures = [...fixtures, fixture];
  return fixture;
}

const insert = (fixture: StreamFixture, coll: string, ...ids: (number | string)[]) =>
  fixture.db.collection<Row>(coll).insertMany(ids.map((_id) => ({ _id })));

test('a collection that is dropped and made again goes on by itself', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.a`] });
  await using reading = await new Reading(source).start();
  for (let round = 0; round < 3; round++) {
    await insert(fixture, 'a', round);
    await fixture.db.collection('a').drop();
  }
  await insert(fixture, 'a', 'last');
  await reading.count(10);
  const round = ['insert', 'drop', 'invalidate'];
  assert.deepEqual(reading.ops, [...round, ...round, ...round, 'insert']);
  assert.deepEqual(
    reading.ids.filter((id) => id !== undefined),
    [0, 1, 2, 'last'],
  );
});

test('behind an invalidate the next process goes on', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.a`] });
  await using reading = await new Reading(source).start();
  await insert(fixture, 'a', 1);
  await fixture.db.collection('a').drop();
  await insert(fixture, 'a', 2);
  await reading.until(({ ops }) => ops.includes('invalidate'));
  const at = reading.ops.indexOf('invalidate');
  const position = reading.events[at]?.position;
  assert.ok(position);
  await using rest = await new Reading(source, { position, binding: source.binding }).count(1);
  assert.deepEqual(rest.ids, [2]);
});

test('renaming away and into a watched collection', LIMIT, async () => {
  const fixture = await fresh();
  await insert(fixture, 'a', 1);
  await insert(fixture, 'new', 2);
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.a`] });
  await using reading = await new Reading(source).start();
  await fixture.db.collection('a').rename('old');
  await fixture.db.collection('new').rename('a');
  await insert(fixture, 'a', 3);
  await reading.until(({ ids }) => ids.includes(3));
  assert.deepEqual(reading.ops, ['rename', 'invalidate', 'rename', 'invalidate', 'insert']);
});

test('an invalidate that the pipeline filters out does not end the stream', LIMIT, async () => {
  const fixture = await fresh();
  const pipeline = [{ $match: { operationType: 'insert' } }];
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.a`], pipeline });
  await using reading = await new Reading(source).start();
  await insert(fixture, 'a', 1);
  await fixture.db.collection('a').drop();
  await insert(fixture, 'a', 2);
  await reading.count(2);
  assert.deepEqual(reading.ids, [1, 2]);
});

test('a dropped database goes on by itself', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  await insert(fixture, 'a', 1);
  await fixture.db.dropDatabase();
  await insert(fixture, 'a', 2);
  await reading.until(({ ids }) => ids.includes(2));
  assert.deepEqual(reading.ops, ['insert', 'drop', 'dropDatabase', 'invalidate', 'insert']);
});

test('a stream of the deployment is not ended by drops', LIMIT, async () => {
  const fixture = await fresh();
  const name = fixture.db.databaseName;
  await using source = await fixture.source({ include: [`${name}.a`, `${name}.b`, `${name}_other.a`] });
  await using reading = await new Reading(source).start();
  await insert(fixture, 'a', 1);
  await insert(fixture, 'c', 'outside');
  await fixture.db.collection('c').rename('b');
  await fixture.db.collection('a').drop();
  await fixture.db.dropDatabase();
  await insert(fixture, 'a', 2);
  await reading.until(({ ids }) => ids.includes(2));
  assert.deepEqual(reading.ops, ['insert', 'rename', 'drop', 'drop', 'dropDatabase', 'insert']);
});

/**
 * Inserts into three collections in turn and reads them with one selection until `until` came; then reads `count` more
 * events with another selection, from there on.
 */
async function switchSelection(before: string[], now: string[], until: string, count: number) {
  const fixture = await fresh();
  const select = (colls: string[]) => {
    return fixture.source({ include: colls.map((coll) => coll.replace('DB', fixture.db.databaseName)) });
  };
  await using first = await select(before);
  await using reading = await new Reading(first).start();
  await insert(fixture, 'a', 'a1');
  await insert(fixture, 'b', 'b1');
  await insert(fixture, 'a', 'a2');
  await reading.until(({ ids }) => ids.includes(until));
  await insert(fixture, 'b', 'b2');
  await insert(fixture, 'c', 'c2');
  await insert(fixture, 'a', 'a3');
  await insert(fixture, 'b', 'b3');
  await using second = await select(now);
  assert.notEqual(second.binding.fingerprint, first.binding.fingerprint);
  await using rest = await new Reading(second, reading.from).count(count);
  assert.ok(fixture.log.some(({ message }) => message.includes('what the stream selects has changed')));
  return rest.ids;
}

test('a selection that shrinks loses nothing, although the token is of a collection outside of it', LIMIT, async () => {
  assert.deepEqual(await switchSelection(['DB.{a,b}'], ['DB.b'], 'a2', 2), ['b2', 'b3']);
});

test('a selection that grows has the new collections from the checkpoint on', LIMIT, async () => {
  assert.deepEqual(await switchSelection(['DB.a'], ['DB.*'], 'a2', 4), ['b2', 'c2', 'a3', 'b3']);
});

test('from a database to the deployment, and from the deployment to a collection', LIMIT, async () => {
  assert.deepEqual(await switchSelection(['DB.{a,b}'], ['DB.a', 'DB_other.x', 'DB.c'], 'a2', 2), ['c2', 'a3']);
  assert.deepEqual(await switchSelection(['DB.{a,b}', 'DB_other.x'], ['DB.c'], 'a2', 1), ['c2']);
});

test('a changed selection in the middle of a transaction repeats and loses nothing', LIMIT, async () => {
  const fixture = await fresh();
  await fixture.db.createCollection('a');
  await using first = await fixture.source({ batchSize: 3 });
  await using reading = await new Reading(first).start();
  await fixture.client.withSession((session) =>
    session.withTransaction(async () => {
      for (let _id = 0; _id < 8; _id++) await fixture.db.collection<Row>('a').insertOne({ _id }, { session });
    }),
  );
  await reading.count(3);
  await using second = await fixture.source({ fullDocument: 'off' });
  await using rest = await new Reading(second, reading.from).count(5);
  assert.deepEqual(rest.ids, [3, 4, 5, 6, 7]);
});

test(
  'a token that the server refuses is replaced by its time, even if the selection looks the same',
  LIMIT,
  async () => {
    const fixture = await fresh();
    const name = fixture.db.databaseName;
    await using all = await fixture.source();
    await using reading = await new Reading(all).start();
    await insert(fixture, 'a', 'a1');
    await reading.count(1);
    await insert(fixture, 'b', 'b1');
    await using source = await fixture.source({ include: [`${name}.b`] });
    // As if the fingerprints were equal: the server does not find the event of the token in this stream.
    await using rest = await new Reading(source, { position: reading.from.position, binding: source.binding }).count(1);
    assert.deepEqual(rest.ids, ['b1']);
    assert.ok(
      fixture.log.some(({ level, message }) => level === 'warn' && message.includes('refuses the resume token')),
    );
  },
);

test('a refusal that comes only with the next event is dealt with too', LIMIT, async () => {
  const fixture = await fresh();
  await using all = await fixture.source();
  await using reading = await new Reading(all).start();
  await insert(fixture, 'a', 'a1');
  await reading.count(1);
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.b`] });
  await using rest = await new Reading(source, { position: reading.from.position, binding: source.binding }).start();
  assert.equal(rest.events.length, 0);
  await insert(fixture, 'b', 'b1');
  await rest.count(1);
  assert.deepEqual(rest.ids, ['b1']);
});

test('a refused token from the configuration stops with an explanation', LIMIT, async () => {
  const fixture = await fresh();
  await using all = await fixture.source();
  await using reading = await new Reading(all).start();
  await insert(fixture, 'a', 'a1');
  await reading.count(1);
  await insert(fixture, 'b', 'b1');
  const include = [`${fixture.db.databaseName}.b`];
  await using source = await fixture.source({ include, startAt: { token: reading.position?.token } });
  await using rest = new Reading(source);
  await assert.rejects(rest.count(1), { kind: 'config', code: 'mongodb.token-refused' });
});

test('a token that the server cannot read stops with an explanation', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ startAt: { token: '826B01326B000000052B' } });
  await using reading = new Reading(source);
  await assert.rejects(reading.start(), { kind: 'config', code: 'mongodb.bad-token' });
});
