import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type ChangeStreamInsertDocument, MongoClient } from 'mongodb';
import { testMongo } from '../testing/servers/mongo.ts';
import { decodeResumeToken, isHighWaterMark } from './resume-token.ts';

const SIZES = [1, 3, 200, 1000];

test('the tokens of a real server give the index in the transaction', async () => {
  const client = await MongoClient.connect(await testMongo());
  const db = client.db(`tokens_${randomUUID().slice(0, 8)}`);
  try {
    await db.createCollection('c');
    const stream = db.watch<{ _id: string }, ChangeStreamInsertDocument<{ _id: string }>>([], { maxAwaitTimeMS: 100 });
    await stream.tryNext();
    assert.equal(isHighWaterMark((stream.resumeToken as { _data: string })._data), true);
    for (const size of SIZES) {
      const documents = Array.from({ length: size }, (_, index) => ({ _id: `${size}-${index}` }));
      await client.withSession((session) =>
        session.withTransaction(() => db.collection<{ _id: string }>('c').insertMany(documents, { session })),
      );
    }
    const ordinals = new Map<string, number>();
    const deadline = Date.now() + 120_000;
    while (ordinals.size < SIZES.reduce((sum, size) => sum + size) && Date.now() < deadline) {
      const event = await stream.tryNext();
      if (event === null) continue;
      const parts = decodeResumeToken((event._id as { _data: string })._data);
      assert.equal(parts.highWaterMark, false);
      assert.deepEqual(parts.clusterTime, { t: event.clusterTime?.t, i: event.clusterTime?.i });
      ordinals.set(event.documentKey._id, parts.ordinal);
    }
    await stream.close();
    for (const size of SIZES) {
      for (let index = 0; index < size; index++)
        assert.equal(ordinals.get(`${size}-${index}`), index, `${size}-${index}`);
    }
  } finally {
    await db.dropDatabase();
    await client.close();
  }
});
