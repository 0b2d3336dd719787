import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { MongoClient } from 'mongodb';
import { silentLogger } from '../../core/logger.ts';
import { schemaStoreContract } from '../../testing/contracts/schema-store.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { checkMongodbSchemaStore } from './check.ts';
import { schemaStoreConfig } from './config.ts';
import { openMongodbSchemaStore } from './schema-store.ts';

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
  const config = schemaStoreConfig.parse({ uri, database });
  return {
    config,
    open: () => openMongodbSchemaStore(config, context),
    documents: client.db(database).collection('schemas'),
    cleanup: async () => void (await client.db(database).dropDatabase()),
  };
}

schemaStoreContract('MongoDB', async () => place());

test('a replacement of what somebody removed leaves nothing to read, and can be made anew', async (t) => {
  const { config, open, documents, cleanup } = place();
  t.after(cleanup);
  await using store = await open();
  const collection = 'shop.items';
  await store.replace('orders', { collection, revision: 0, text: 'one' }, signal);
  assert.ok((await documents.findOne({}))?.['savedAt'] instanceof Date);
  await documents.deleteMany({});
  assert.equal(await store.replace('orders', { collection, revision: 1, text: 'two' }, signal), false);
  assert.equal(await store.read('orders', collection, signal), undefined);
  assert.deepEqual(await store.load('orders', signal), []);
  assert.equal(await store.replace('orders', { collection, revision: 0, text: 'three' }, signal), true);
  assert.equal((await store.read('orders', collection, signal))?.text, 'three');
  const [finding] = await checkMongodbSchemaStore(config, context);
  assert.deepEqual([finding?.check, finding?.level], ['mongodb.schema-store', 'ok']);
  assert.equal(await documents.countDocuments(), 1, 'a look leaves nothing behind');
});
