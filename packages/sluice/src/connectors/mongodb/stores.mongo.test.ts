import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { MongoClient } from 'mongodb';
import { encodeCheckpoint } from '../../core/checkpoint.ts';
import { silentLogger } from '../../core/logger.ts';
import { checkpointStoreContract } from '../../testing/contracts/checkpoint-store.ts';
import { deadLetterStoreContract } from '../../testing/contracts/dead-letter-store.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { openMongodbCheckpointStore } from './checkpoint-store.ts';
import { checkpointStoreConfig, deadLetterConfig } from './config.ts';
import { openMongodbDeadLetters } from './dead-letter.ts';

const signal = new AbortController().signal;
const context = { pipeline: 'test', partition: 'test/0', logger: silentLogger, signal };

let uri: string;
let client: MongoClient;
before(async () => {
  uri = await testMongo();
  client = await new MongoClient(uri).connect();
});
after(() => client.close());

function place() {
  const database = `test_${randomBytes(5).toString('hex')}`;
  return { database, cleanup: async () => void (await client.db(database).dropDatabase()) };
}

checkpointStoreContract('MongoDB', async () => {
  const { database, cleanup } = place();
  return { open: () => openMongodbCheckpointStore(checkpointStoreConfig.parse({ uri, database }), context), cleanup };
});

deadLetterStoreContract('MongoDB', async () => {
  const { database, cleanup } = place();
  return { open: () => openMongodbDeadLetters(deadLetterConfig.parse({ uri, database }), context), cleanup };
});

test('a damaged checkpoint is refused with the place it is in', async () => {
  const { database, cleanup } = place();
  await using store = await openMongodbCheckpointStore(checkpointStoreConfig.parse({ uri, database }), context);
  const { epoch } = await store.claim('p/0', signal);
  const position = { token: '82AB', clusterTime: { t: 1, i: 1 } };
  const checkpoint = { partition: 'p/0', epoch, position, deployment: 'd', fingerprint: 'f', savedAtMs: 0 };
  await store.save(checkpoint, signal);
  const documents = client.db(database).collection<{ _id: string; checkpoint: string }>('checkpoints');
  const text = encodeCheckpoint(checkpoint);
  assert.equal((await documents.findOne({ _id: 'p/0' }))?.checkpoint, text);
  await documents.updateOne({ _id: 'p/0' }, { $set: { checkpoint: text.replace('82AB', '82AC') } });
  await assert.rejects(store.claim('p/0', signal), {
    kind: 'config',
    code: 'checkpoint.damaged',
    message: new RegExp(`${database}\\.checkpoints`),
  });
  await cleanup();
});

test('of many claims at once each has an epoch of its own', async () => {
  const { database, cleanup } = place();
  await using store = await openMongodbCheckpointStore(checkpointStoreConfig.parse({ uri, database }), context);
  await store.claim('p/0', signal);
  const claims = await Promise.all(Array.from({ length: 20 }, () => store.claim('p/0', signal)));
  assert.equal(new Set(claims.map(({ epoch }) => epoch)).size, 20);
  await cleanup();
});

test('a raw event that is too large for a document is left out, its size stays', async () => {
  const { database, cleanup } = place();
  await using store = await openMongodbDeadLetters(deadLetterConfig.parse({ uri, database }), context);
  const letter = (id: string, rawBytes: number) => ({
    id,
    pipeline: 'p',
    partition: 'p/0',
    namespace: 'd.c',
    op: 'update',
    key: '{"_id":1}',
    clusterTime: { t: 0xf0000000, i: 7 },
    code: 'x.y',
    reason: 'because',
    attempts: 1,
    failedAtMs: 1_700_000_000_000,
    raw: Buffer.alloc(rawBytes, 1),
    rawBytes,
  });
  const letters = [
    letter('fits', 16 * 1024 * 1024 - 64 * 1024),
    letter('small', 10),
    letter('large', 17 * 1024 * 1024),
  ];
  await store.put([...letters, ...Array.from({ length: 1200 }, (_, n) => letter(`n${n}`, 100))], signal);
  assert.equal((await store.get('p', 'fits', signal))?.raw?.byteLength, letters[0]?.rawBytes);
  const large = await store.get('p', 'large', signal);
  assert.equal(large?.raw, undefined);
  assert.equal(large?.rawBytes, 17 * 1024 * 1024);
  assert.deepEqual(large.clusterTime, { t: 0xf0000000, i: 7 });
  const ids: string[] = [];
  for await (const { id } of store.list('p', signal)) ids.push(id);
  assert.equal(ids.length, 1203);
  assert.deepEqual(ids.slice(0, 4), ['fits', 'small', 'large', 'n0']);
  assert.equal(ids.at(-1), 'n1199');
  await cleanup();
});

test('without a URI the store says what is missing', async () => {
  await assert.rejects(openMongodbCheckpointStore(checkpointStoreConfig.parse({}), context), {
    kind: 'config',
    code: 'mongodb.no-uri',
  });
});
