import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deserialize } from 'bson';
import { ObjectId } from 'mongodb';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { CollectionFixture, keyText } from './collection-fixture.ts';
import { estimatedCount, splitRanges } from './split-ranges.ts';

/*
 * Pieces of about equal size, in the order of the collection.
 */

const LIMIT = { timeout: 300_000 };
const DOCUMENTS = 20_000;

let fixture: CollectionFixture;
before(async () => {
  fixture = await CollectionFixture.open(await testMongo());
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** How many documents each of the pieces holds, read one after the other. */
async function sizesOf(coll: string, pieces: number): Promise<number[]> {
  const bounds = await splitRanges(fixture.context, { db: fixture.db.databaseName, coll, pieces });
  assert.equal(new Set(bounds.map(keyText)).size, bounds.length);
  const request = await fixture.request(coll, { rows: 5_000 });
  const sizes: number[] = [];
  const seen = new Set<string>();
  for (const [index, through] of [...bounds, undefined].entries()) {
    const { rows } = await fixture.readRange({ ...request, after: bounds[index - 1], through });
    for (const row of rows) seen.add(JSON.stringify(deserialize(row)['_id']));
    sizes.push(rows.length);
  }
  assert.equal(
    seen.size,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  return sizes;
}

test('pieces together hold every document once, and none is much larger than another', LIMIT, async () => {
  const { collectionName } = await fixture.collection(
    Array.from({ length: DOCUMENTS }, () => ({ _id: new ObjectId() })),
  );
  assert.equal(await estimatedCount(fixture.context, { db: fixture.db.databaseName, coll: collectionName }), DOCUMENTS);
  const sizes = await sizesOf(collectionName, 8);
  assert.equal(sizes.length, 8);
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    DOCUMENTS,
  );
  assert.ok(Math.max(...sizes) < (DOCUMENTS / 8) * 3, sizes.join());
});

test('so do those of keys of several types, and of a collation', LIMIT, async () => {
  const kinds = [(n: number) => n, (n: number) => `${n % 2 === 0 ? 'A' : 'a'}${n}`, (n: number) => ({ n })];
  const documents = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: kinds[n % 3]?.(n) as never }));
  for (const options of [{}, { collation: { locale: 'en', strength: 2 } }]) {
    const { collectionName } = await fixture.collection(documents, options);
    const sizes = await sizesOf(collectionName, 4);
    assert.equal(sizes.length, 4);
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      DOCUMENTS,
    );
  }
});

test('small collections, clustered ones and those that are not there stay whole', LIMIT, async () => {
  const { collectionName } = await fixture.collection(Array.from({ length: 500 }, (_, n) => ({ n })));
  const split = (coll: string, more = {}) =>
    splitRanges(fixture.context, { db: fixture.db.databaseName, coll, pieces: 4, ...more });
  assert.deepEqual(await split(collectionName), []);
  assert.deepEqual(await split('nothing'), []);
  const large = await fixture.collection(Array.from({ length: DOCUMENTS }, (_, n) => ({ n })));
  assert.deepEqual(await split(large.collectionName, { clustered: true }), []);
  assert.deepEqual(await split(large.collectionName, { pieces: 1 }), []);
});
