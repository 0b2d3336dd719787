import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, type Document, MongoClient } from 'mongodb';
import { SluiceError } from '../../core/failure.ts';
import { readNatsConnectorRecording } from '../../testing/nats-connector-recording.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { readNewestToken } from './newest-token.ts';

test('the newest token is the last in the order of the stream', async () => {
  const uri = await testMongo();
  const place = { database: 'newest_token', collection: 'tokens' };
  const signal = AbortSignal.timeout(120_000);
  await using client = new MongoClient(uri);
  const collection = client.db(place.database).collection(place.collection);
  await collection.drop().catch(() => {});
  assert.equal(await readNewestToken(uri, place, signal), undefined);
  // Of several instances one may save an older token later; what is not a token is passed over.
  for (const end of ['02', '0A', '03']) await collection.insertOne({ value: `82${end}` });
  await collection.insertOne({ value: 7 });
  assert.equal(await readNewestToken(uri, place, signal), '820A');
  const [recorded] = readNatsConnectorRecording().collections;
  await collection.insertOne(BSON.EJSON.parse(recorded?.lastToken ?? '') as Document);
  const lastId = recorded?.messages.at(-1)?.headers['Nats-Msg-Id'];
  assert.equal(await readNewestToken(uri, place, signal), lastId);
  await collection.drop();
});

test('a server that is away is an error without its password', async () => {
  const uri = 'mongodb://u:canary-4711@127.0.0.1:1/?serverSelectionTimeoutMS=300';
  const place = { database: 'a', collection: 'b' };
  await assert.rejects(readNewestToken(uri, place, AbortSignal.timeout(120_000)), (error) => {
    assert.ok(error instanceof SluiceError && error.kind === 'transient');
    return !String(error.stack).includes('canary');
  });
});
