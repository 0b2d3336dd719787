import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type Collection, type Document, MongoClient } from 'mongodb';
import type { BsonValue } from '../core/change-event.ts';
import { type Random, testRandom } from '../testing/random.ts';
import { rawReply } from '../testing/raw-command.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { compareBson } from './compare.ts';
import { BsonType, fieldsOf, findField, readInt32 } from './elements.ts';
import * as b from './test-support/bson-bytes.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';

const RANDOM_IDS = 600;
const DUPLICATE_KEY = 11000;

function show({ type, bytes }: BsonValue): string {
  return `${type.toString(16)}:${Buffer.from(bytes).toString('hex')}`;
}

/** Every edge alone and nested in each way, and random values. */
function manyIds(random: Random): b.Value[] {
  const wrapped = edgeIds.flatMap((id) => [
    id,
    b.embedded(['a', id]),
    b.embedded(['a', b.array(id, b.int32(1))]),
    b.embedded(['b', id], ['a', b.int32(1)]),
    b.codeWithScope('a', b.document(['a', id])),
  ]);
  return [...wrapped, ...Array.from({ length: RANDOM_IDS }, () => randomId(random))];
}

/** Inserts a document for each id; returns those that the server took for one it had already. */
async function insertAll(collection: Collection, uri: string, ids: readonly b.Value[]): Promise<b.Value[]> {
  const command = b.document(
    ['insert', b.string(collection.collectionName)],
    ['ordered', b.boolean(false)],
    ['documents', b.array(...ids.map((id) => b.embedded(['_id', id])))],
    ['$db', b.string(collection.dbName)],
  );
  const reply = await rawReply(uri, command);
  const inserted = findField(reply, 'n');
  assert.equal(inserted?.type, BsonType.int32);
  const errors = [...fieldsOf(findField(reply, 'writeErrors')?.bytes ?? b.document())].map(({ bytes }) => bytes);
  assert.equal(readInt32(inserted.bytes, 0) + errors.length, ids.length);
  return errors
    .filter((error) => int32In(error, 'code') === DUPLICATE_KEY)
    .map((error) => ids[int32In(error, 'index')] as b.Value);
}

function int32In(document: Uint8Array, name: string): number {
  const field = findField(document, name);
  assert.equal(field?.type, BsonType.int32);
  return readInt32(field.bytes, 0);
}

function idOf(document: Uint8Array): BsonValue {
  const id = findField(document, '_id');
  assert.ok(id);
  return id;
}

async function withCollection(body: (collection: Collection, uri: string) => Promise<void>): Promise<void> {
  const uri = await testMongo();
  const client = await MongoClient.connect(uri);
  const db = client.db(`compare_${randomUUID().slice(0, 8)}`);
  try {
    await body(db.collection('ids'), uri);
  } finally {
    await db.dropDatabase();
    await client.close();
  }
}

async function sortedIds(collection: Collection): Promise<BsonValue[]> {
  const find = collection.find<Document>({}, { raw: true, sort: { _id: 1 }, hint: { _id: 1 } });
  return (await find.toArray()).map((document) => idOf(document as unknown as Uint8Array));
}

test('the order is that of the server', async (t) => {
  const random = testRandom(t);
  await withCollection(async (collection, uri) => {
    const duplicates = await insertAll(collection, uri, manyIds(random));
    const ids = await sortedIds(collection);
    t.diagnostic(`${ids.length} ids of ${new Set(ids.map(({ type }) => type)).size} types, ${duplicates.length} twice`);
    assert.ok(ids.length > 800 && duplicates.length > 50);
    for (const [i, left] of ids.entries()) {
      for (let j = i + 1; j < ids.length; j++) {
        const right = ids[j] as BsonValue;
        if (!(compareBson(left, right) < 0 && compareBson(right, left) > 0)) {
          assert.fail(`${i} ${show(left)} does not come before ${j} ${show(right)}`);
        }
      }
    }
    for (const { type, payload } of duplicates) {
      const value = { type, bytes: payload };
      const equal = ids.filter((id) => compareBson(id, value) === 0);
      assert.equal(equal.length, 1, `${show(value)} is equal to ${equal.map(show).join(' ')}`);
    }
  });
});
