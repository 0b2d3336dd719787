import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deserialize } from 'bson';
import type { Document } from 'mongodb';
import { compareBson } from '../../../bson/compare.ts';
import { int32, string } from '../../../bson/test-support/bson-bytes.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { boundaryFind, rangeFind, readChunk } from './chunk-reader.ts';
import { CollectionFixture, keyText, keyTexts, keyValue } from './collection-fixture.ts';
import { idOf } from './raw-read.ts';
import { KEY_KINDS } from './test-support/key-kinds.ts';

/*
 * Which documents a chunk holds: every kind of key, filters, odd collections. When and for whom: chunk-times.
 */

const LIMIT = { timeout: 300_000 };
const KEYS = KEY_KINDS.map(keyValue);
const ALL = KEYS.map(keyText);
const numbers = (count: number) => Array.from({ length: count }, (_, _id) => ({ _id, even: _id % 2 === 0 }));
const ids = (rows: readonly Uint8Array[]) => rows.map((row) => deserialize(row)['_id'] as unknown);
const number = (value: number): BsonValue => keyValue(int32(value));

let fixture: CollectionFixture;
before(async () => {
  fixture = await CollectionFixture.open(await testMongo());
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** What the server does for a query of a chunk. */
async function explain(coll: string, query: Document): Promise<{ stats: Document; stages: string }> {
  const find = { find: coll, ...query, hint: { _id: 1 }, sort: { _id: 1 } };
  const plan = await fixture.db.command(
    { explain: find, verbosity: 'executionStats' },
    { enableUtf8Validation: false, bsonRegExp: true },
  );
  return { stats: plan['executionStats'], stages: JSON.stringify(plan['queryPlanner'].winningPlan) };
}

for (const rows of [1, 2, 3, 4, 5]) {
  test(`chunks of ${rows} give every kind of key once, in order`, LIMIT, async () => {
    const { collectionName } = await fixture.collection();
    await fixture.insertKeys(collectionName, KEY_KINDS);
    const read = await fixture.readRange(await fixture.request(collectionName, { rows }));
    assert.deepEqual(keyTexts(read.rows), ALL);
    assert.equal(read.chunks, Math.floor(ALL.length / rows) + 1);
    const matched = await fixture.readRange(await fixture.request(collectionName, { rows, match: { v: 'x' } }));
    assert.deepEqual(keyTexts(matched.rows), ALL);
  });
}

test('the order of the server is the one that keys are compared in here', LIMIT, async () => {
  const { collectionName } = await fixture.collection();
  await fixture.insertKeys(collectionName, KEY_KINDS);
  const keys = (await fixture.readRange(await fixture.request(collectionName))).rows.map(idOf);
  for (const [row, key] of keys.entries()) {
    for (const [column, other] of keys.entries()) {
      assert.equal(
        Math.sign(compareBson(key, other)),
        Math.sign(row - column),
        `${keyText(key)} and ${keyText(other)}`,
      );
    }
  }
});

test('each key is a bound: exclusive below, inclusive above, and the index is read no further', LIMIT, async () => {
  const { collectionName } = await fixture.collection();
  await fixture.insertKeys(collectionName, KEY_KINDS);
  const request = await fixture.request(collectionName);
  for (const [index, key] of KEYS.entries()) {
    const behind = await readChunk(fixture.context, { ...request, after: key });
    assert.deepEqual(keyTexts(behind.rows), ALL.slice(index + 1), `behind key ${index}`);
    const upTo = await readChunk(fixture.context, { ...request, through: key });
    assert.deepEqual(keyTexts(upTo.rows), ALL.slice(0, index + 1), `up to key ${index}`);
    const upper = KEYS[index + 3];
    const plan = await explain(collectionName, rangeFind({ after: key, through: upper }, 100));
    assert.match(plan.stages, /IXSCAN/);
    const expected = Math.min(3, ALL.length - 1 - index);
    assert.equal(plan.stats['nReturned'], expected);
    // The scan looks at what is behind the last key, and jumps from type to type for a DBPointer.
    assert.ok(plan.stats['totalKeysExamined'] <= expected + 2, `keys examined behind key ${index}`);
  }
});

test('a key that is gone by now is as good a bound as any', LIMIT, async () => {
  const collection = await fixture.collection(numbers(10));
  await collection.deleteMany({ _id: { $in: [3, 6] as never[] } });
  const request = await fixture.request(collection.collectionName, { after: number(3), through: number(6), rows: 1 });
  assert.deepEqual(ids((await fixture.readRange(request)).rows), [4, 5]);
  assert.deepEqual(ids((await fixture.readRange({ ...request, match: { even: true } })).rows), [4]);
});

test('the last chunk of a range says so, unless it is full', LIMIT, async () => {
  const { collectionName } = await fixture.collection(numbers(10));
  const request = await fixture.request(collectionName, { rows: 10 });
  assert.deepEqual((await readChunk(fixture.context, request)).next, number(9));
  assert.equal((await readChunk(fixture.context, { ...request, rows: 11 })).next, undefined);
  const empty = await readChunk(fixture.context, { ...request, after: number(9) });
  assert.deepEqual(empty, { rows: [], bytes: 0, next: undefined });
});

test('a filter that matches little is read in intervals, each of them bounded', LIMIT, async () => {
  const { collectionName } = await fixture.collection(numbers(1_000));
  const request = await fixture.request(collectionName, { rows: 100, match: { _id: { $in: [5, 950] } } });
  const first = await readChunk(fixture.context, request);
  assert.deepEqual(ids(first.rows), [5]);
  assert.deepEqual(first.next, number(100));
  const second = await readChunk(fixture.context, { ...request, after: first.next });
  assert.deepEqual(second, { rows: [], bytes: 0, next: number(200) });
  const all = await fixture.readRange(request);
  assert.deepEqual(ids(all.rows), [5, 950]);
  assert.equal(all.chunks, 10);
  const boundary = await explain(collectionName, boundaryFind({ after: number(500), through: undefined, rows: 100 }));
  assert.equal(boundary.stats['totalDocsExamined'], 0);
  assert.equal(boundary.stats['totalKeysExamined'], 102);
  const range = rangeFind({ after: number(500), through: number(600) }, 102, { even: true });
  const interval = await explain(collectionName, range);
  assert.ok(interval.stats['totalKeysExamined'] <= 101);
});

test('a filter that the server refuses is a configuration error', LIMIT, async () => {
  const { collectionName } = await fixture.collection(numbers(3));
  for (const match of [{ $nonsense: 1 }, { $text: { $search: 'x' } }, { $expr: { $divide: ['$_id', 0] } }]) {
    await assert.rejects(readChunk(fixture.context, await fixture.request(collectionName, { match })), {
      kind: 'config',
      code: 'mongodb.match-refused',
    });
  }
});

test('an answer that is cut off at 16 MB goes on behind its last row, and leaves no cursor', LIMIT, async () => {
  const large = Array.from({ length: 7 }, (_, _id) => ({ _id, pad: Buffer.alloc(5_000_000) }));
  const { collectionName } = await fixture.collection(large);
  const request = await fixture.request(collectionName);
  const first = await readChunk(fixture.context, request);
  assert.deepEqual(ids(first.rows), [0, 1, 2]);
  assert.deepEqual(first.next, number(2));
  assert.equal(
    first.bytes,
    first.rows.reduce((sum, row) => sum + row.length, 0),
  );
  assert.deepEqual(ids((await fixture.readRange(request)).rows), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(ids((await fixture.readRange({ ...request, match: { _id: { $ne: 1 } } })).rows), [0, 2, 3, 4, 5, 6]);
  const pipeline = [
    { $currentOp: { idleCursors: true } },
    { $match: { ns: `${fixture.db.databaseName}.${collectionName}`, type: 'idleCursor' } },
  ];
  const cursors = () => fixture.client.db('admin').aggregate(pipeline).toArray();
  await waitFor(async () => (await cursors()).length === 0, { timeoutMs: 30_000, message: 'no cursor is left' });
});

test('a collection with a collation is read in the order of that', LIMIT, async () => {
  const collation = { locale: 'en', strength: 2 };
  const { collectionName } = await fixture.collection([], { collation });
  const order = ['a', 'abc', 'B', 'c', { name: 'a' }, { name: 'B' }, { name: 'c' }, true];
  const mixed = [5, ...order] as Document[];
  await fixture.db.collection(collectionName).insertMany(mixed.toReversed().map((_id) => ({ _id: _id as never })));
  for (const rows of [1, 2, 3]) {
    for (const match of [undefined, { _id: { $ne: 7 } }]) {
      const read = await fixture.readRange(await fixture.request(collectionName, { rows, match }));
      assert.deepEqual(ids(read.rows), mixed);
    }
  }
  const between = { after: keyValue(string('A')), through: keyValue(string('b')) };
  const part = await fixture.readRange(await fixture.request(collectionName, between));
  assert.deepEqual(ids(part.rows), ['abc', 'B']);
  const plan = await explain(collectionName, rangeFind(between, 10));
  assert.ok(plan.stats['totalKeysExamined'] <= 3);
});

test('a capped collection cannot be read as of a time, and the error says that', LIMIT, async () => {
  const { collectionName } = await fixture.collection(numbers(5), { capped: true, size: 100_000 });
  const reading = readChunk(fixture.context, await fixture.request(collectionName));
  await assert.rejects(reading, { kind: 'config', code: 'mongodb.capped-collection' });
});

test('a clustered collection is read in order, from the bound on', LIMIT, async () => {
  const { collectionName } = await fixture.collection([], { clusteredIndex: { key: { _id: 1 }, unique: true } });
  await fixture.insertKeys(collectionName, KEY_KINDS);
  for (const rows of [1, 3, 5]) {
    for (const match of [undefined, { v: 'x' }]) {
      const request = await fixture.request(collectionName, { rows, match, clustered: true });
      assert.deepEqual(keyTexts((await fixture.readRange(request)).rows), ALL);
    }
  }
  const range = { after: KEYS[40], through: KEYS[43], before: KEYS[44], clustered: true };
  for (const query of [rangeFind(range, 100), rangeFind({ ...range, through: undefined, before: undefined }, 3)]) {
    const plan = await explain(collectionName, query);
    assert.match(plan.stages, /CLUSTERED_IXSCAN/);
    assert.ok(plan.stats['totalDocsExamined'] <= 5, String(plan.stats['totalDocsExamined']));
  }
});
