import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BsonType } from '../../../bson/elements.ts';
import { embedded, string } from '../../../bson/test-support/bson-bytes.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { compareOnServer } from './collated-order.ts';
import { CollectionFixture, keyValue } from './collection-fixture.ts';
import { KEY_KINDS } from './test-support/key-kinds.ts';

/*
 * Keys compared by the server, in the order of a collation.
 */

const LIMIT = { timeout: 300_000 };
const collation = { locale: 'en', strength: 2 };

let fixture: CollectionFixture;
before(async () => {
  fixture = await CollectionFixture.open(await testMongo());
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function compare(coll: string, keys: readonly BsonValue[], bounds: readonly BsonValue[]): Promise<number[][]> {
  return compareOnServer(fixture.context, { db: fixture.db.databaseName, coll, collation, keys, bounds });
}

test('text is compared by the collation, also inside objects, and types as always', LIMIT, async () => {
  const { collectionName } = await fixture.collection([], { collation });
  const values = ['a', 'B', 'c', 'ABC', 'ä'].map(string);
  const texts = values.map(keyValue);
  const nested = values.map((value) => keyValue(embedded(['name', value])));
  const [a, b, c, abc] = texts as [BsonValue, BsonValue, BsonValue, BsonValue];
  const bounds = [keyValue(string('b')), keyValue(string('abc'))];
  assert.deepEqual(await compare(collectionName, [a, b, c, abc], bounds), [
    [-1, -1],
    [0, 1],
    [1, 1],
    [-1, 0],
  ]);
  const nestedBound = [keyValue(embedded(['name', string('b')]))];
  assert.deepEqual(await compare(collectionName, nested, nestedBound), [[-1], [0], [1], [-1], [-1]]);
  assert.deepEqual(await compare(collectionName, [a, ...nested.slice(0, 1)], [a, ...nested.slice(0, 1)]), [
    [0, -1],
    [1, 0],
  ]);
  assert.deepEqual(await compare(collectionName, [a], []), [[]]);
  assert.deepEqual(await compare(collectionName, [], [a]), []);
});

test('keys of every type keep it; it also works where there is no collection any more', LIMIT, async () => {
  // What differs under this collation or is a DBPointer (compared without its namespace) is tested elsewhere.
  const alike = (type: number) => [BsonType.string, BsonType.symbol, BsonType.dbPointer].includes(type as never);
  const keys = KEY_KINDS.map(keyValue).filter(({ type, bytes }) => !alike(type) && !bytes.includes(BsonType.dbPointer));
  const signs = await compare('gone', keys, keys);
  const expected = keys.map((_, row) => keys.map((_, column) => Math.sign(row - column)));
  assert.ok(keys.length > 30);
  assert.deepEqual(signs, expected);
  assert.deepEqual(await compare('gone', [keyValue(string('a'))], [keyValue(string('A'))]), [[0]]);
});

test('more keys than fit into one command', LIMIT, async () => {
  const { collectionName } = await fixture.collection([], { collation });
  const large = Array.from({ length: 7 }, (_, index) => keyValue(string(`${index}${'x'.repeat(3_000_000)}`)));
  assert.deepEqual(await compare(collectionName, large, [keyValue(string('2x'))]), [
    [-1],
    [-1],
    [1],
    [1],
    [1],
    [1],
    [1],
  ]);
  const many = Array.from({ length: 30_000 }, (_, index) => keyValue(string(String(index).padStart(6, '0'))));
  const bounds = many.slice(0, 10);
  const signs = await compare(collectionName, many, bounds);
  assert.equal(signs.length, many.length);
  assert.deepEqual(signs[3], [1, 1, 1, 0, -1, -1, -1, -1, -1, -1]);
  assert.ok(signs.slice(10).every((row) => row.length === 10 && row.every((sign) => sign === 1)));
});
