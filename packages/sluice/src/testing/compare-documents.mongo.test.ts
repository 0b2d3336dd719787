import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Double, Int32, Long, MongoClient } from 'mongodb';
import { areEqual, compareCollections } from './compare-documents.ts';
import { testMongo } from './servers/mongo.ts';

test('planted differences are found: values, types, order of fields, missing and extra documents', async () => {
  const uri = await testMongo();
  const client = await MongoClient.connect(uri);
  const db = `compare_${randomUUID().slice(0, 8)}`;
  try {
    const documents = Array.from({ length: 50 }, (_, n) => ({ _id: new Int32(n), n: new Int32(n), s: 'x' }));
    const [a, b] = ['a', 'b'].map((coll) =>
      client.db(db).collection<{ _id: number | string | Double | Int32; [name: string]: unknown }>(coll),
    );
    await a?.insertMany(documents);
    await b?.insertMany(documents);
    const compare = () => compareCollections({ uri, db, coll: 'a' }, { uri, db, coll: 'b' });
    assert.ok(areEqual(await compare()));
    await b?.updateOne({ _id: 1 }, { $set: { s: 'y' } });
    await b?.updateOne({ _id: 2 }, { $set: { n: Long.fromNumber(2) } });
    await b?.replaceOne({ _id: 3 }, { s: 'x', n: new Int32(3) });
    await b?.deleteOne({ _id: 4 });
    await b?.insertOne({ _id: 'more' });
    await a?.insertOne({ _id: new Double(7.5) });
    const { missing, extra, different } = await compare();
    assert.deepEqual(
      different,
      [1, 2, 3].map((id) => `{"$numberInt":"${id}"}`),
    );
    assert.deepEqual(missing.toSorted(), ['{"$numberDouble":"7.5"}', '{"$numberInt":"4"}']);
    assert.deepEqual(extra, ['"more"']);
  } finally {
    await client.db(db).dropDatabase();
    await client.close();
  }
});
