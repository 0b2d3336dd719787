import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { serialize } from 'bson';
import { type Collection, type Document, MongoClient } from 'mongodb';
import { SluiceError } from '../core/failure.ts';
import { mixedId } from '../testing/mixed-ids.ts';
import { type Random, testRandom } from '../testing/random.ts';
import { rawReply } from '../testing/raw-command.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { asBuffer, fieldsOf, findField, readInt32 } from './elements.ts';
import { idText } from './id-text.ts';
import * as b from './test-support/bson-bytes.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';

const MIXED_IDS = 300;
const RANDOM_IDS = 1500;
const DUPLICATE_KEY = 11000;
const OBJECT_ID = '6b012bb81d9cffe770fcbfd0';

/** Strings that could be taken for the text of another id. */
const nastyTexts = [
  '',
  '~',
  '~1',
  '~"1"',
  '~null',
  '~""',
  '~#',
  '1',
  'null',
  'true',
  '{}',
  '~{}',
  '"1"',
  ' ',
  '\n',
  '\0',
  'a\0',
  '~\0',
  OBJECT_ID,
  OBJECT_ID.toUpperCase(),
  `~${OBJECT_ID}`,
  `"${OBJECT_ID}"`,
  OBJECT_ID.slice(1),
  `${OBJECT_ID}0`,
  'a'.repeat(511),
  'a'.repeat(512),
  'a'.repeat(513),
  'é'.repeat(256),
  'é'.repeat(257),
  '\u{10ffff}',
  '\ue000',
];

function manyIds(random: Random): b.Value[] {
  const edges = edgeIds.flatMap((id) => [id, b.embedded(['a', id]), b.embedded(['a', b.array(id, b.int32(1))])]);
  const nasty = nastyTexts.flatMap((text) => [b.string(text), b.symbol(text), b.embedded(['~', b.string(text)])]);
  const mixed = Array.from({ length: MIXED_IDS }, (_, number) => ofLibrary(mixedId(number)));
  return [...edges, ...nasty, ...mixed, ...Array.from({ length: RANDOM_IDS }, () => randomId(random))];
}

function ofLibrary(id: unknown): b.Value {
  const field = findField(serialize({ _id: id }), '_id');
  assert.ok(field);
  return { type: field.type, payload: asBuffer(field.bytes) };
}

/** The texts of ids that have one: what is not UTF-8 has none. */
function textOf({ type, payload }: b.Value): string | undefined {
  try {
    return idText(type, payload);
  } catch (error) {
    assert.ok(error instanceof SluiceError && error.code === 'bson.invalid-utf8', String(error));
    return undefined;
  }
}

async function withCollection(body: (collection: Collection, uri: string) => Promise<void>): Promise<void> {
  const uri = await testMongo();
  const client = await MongoClient.connect(uri);
  const db = client.db(`id_text_${randomUUID().slice(0, 8)}`);
  try {
    await body(db.collection('ids'), uri);
  } finally {
    await db.dropDatabase();
    await client.close();
  }
}

/** Inserts a document for each id, numbered; returns the numbers of those that the server had already. */
async function insertAll(collection: Collection, uri: string, ids: readonly b.Value[]): Promise<Set<number>> {
  const command = b.document(
    ['insert', b.string(collection.collectionName)],
    ['ordered', b.boolean(false)],
    ['documents', b.array(...ids.map((id, number) => b.embedded(['_id', id], ['number', b.int32(number)])))],
    ['$db', b.string(collection.dbName)],
  );
  const reply = await rawReply(uri, command);
  const errors = [...fieldsOf(findField(reply, 'writeErrors')?.bytes ?? b.document())].map(({ bytes }) => bytes);
  return new Set(errors.filter((e) => int32In(e, 'code') === DUPLICATE_KEY).map((e) => int32In(e, 'index')));
}

function int32In(document: Uint8Array, name: string): number {
  const field = findField(document, name);
  assert.ok(field);
  return readInt32(field.bytes, 0);
}

/** The number of the document that stands in the way of the id: a query by `_id` finds what the server takes for equal. */
async function numberFound(collection: Collection, uri: string, id: b.Value): Promise<number> {
  const command = b.document(
    ['find', b.string(collection.collectionName)],
    // An operator, so that an id that is a regular expression is compared and not matched.
    ['filter', b.embedded(['_id', b.embedded(['$eq', id])])],
    ['$db', b.string(collection.dbName)],
  );
  const cursor = findField(await rawReply(uri, command), 'cursor');
  assert.ok(cursor);
  const batch = [...fieldsOf(findField(cursor.bytes, 'firstBatch')?.bytes ?? b.document())];
  assert.equal(batch.length, 1);
  return int32In((batch[0] as { bytes: Uint8Array }).bytes, 'number');
}

test('two ids have the same text exactly when the server takes them for the same', async (t) => {
  const random = testRandom(t);
  await withCollection(async (collection, uri) => {
    const ids = manyIds(random);
    const duplicates = await insertAll(collection, uri, ids);
    const stored = await collection.find<Document>({}, { projection: { _id: 0, number: 1 } }).toArray();
    const byText = new Map<string, number>();
    for (const { number } of stored as unknown as { number: number }[]) {
      const text = textOf(ids[number]!);
      if (text === undefined) continue;
      const other = byText.get(text);
      assert.equal(
        other,
        undefined,
        `${text} is ${show(ids[number]!)} and ${other === undefined ? '' : show(ids[other]!)}`,
      );
      byText.set(text, number);
    }
    t.diagnostic(`${byText.size} ids with a text, ${duplicates.size} twice`);
    assert.ok(byText.size > 1000 && duplicates.size > 200);
    for (const number of duplicates) {
      const text = textOf(ids[number]!);
      if (text === undefined) continue;
      const found = await numberFound(collection, uri, ids[number]!);
      assert.equal(text, textOf(ids[found]!), `${show(ids[number]!)} is ${show(ids[found]!)}`);
    }
  });
});

function show({ type, payload }: b.Value): string {
  return `${type.toString(16)}:${payload.toString('hex')}`;
}
