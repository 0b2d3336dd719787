import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { readTopic } from '../testing/kafka-reader.ts';
import { testKafka } from '../testing/servers/kafka.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { SluiceProcess } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';

test('run --from kafka-connect writes the topics, keys and values of the connector', async () => {
  await using directory = await tempDir('import');
  const [uri, brokers] = [await testMongo(), await testKafka()];
  const database = `import_${randomUUID().slice(0, 8)}`;
  const topic = `connect.${database}.users`;
  const file = join(directory.path, 'source.json');
  const text = 'org.apache.kafka.connect.storage.StringConverter';
  const config = {
    'connector.class': 'com.mongodb.kafka.connect.MongoSourceConnector',
    'connection.uri': uri,
    'topic.prefix': 'connect',
    'key.converter': text,
    'value.converter': text,
    'startup.mode': 'copy_existing',
    database,
    collection: 'users',
  };
  await writeFile(file, JSON.stringify({ name: `users-${database}`, config }));
  await using client = new MongoClient(uri);
  const users = client.db(database).collection<{ _id: number; name: string }>('users');
  await users.insertOne({ _id: 1, name: 'Ada' });
  const args = ['run', '--no-http', '--from', 'kafka-connect', file, '--brokers', brokers.join(',')];
  await using child = new SluiceProcess(args);
  const records = async () =>
    (await readTopic({ brokers }, topic)).map(({ key, value }) => [String(key), String(value)]);
  const wait = { timeoutMs: 120_000, retryErrors: true, intervalMs: 200 };
  await waitFor(async () => (await records()).length >= 1, {
    ...wait,
    message: `the copy is in the topic\n${child.stderr}`,
  });
  await users.insertOne({ _id: 2, name: 'Grace' });
  await waitFor(async () => (await records()).length >= 2, { ...wait, message: 'the insert is in the topic' });
  const [copy, insert] = await records();
  const ns = `"ns": {"db": "${database}", "coll": "users"}`;
  const id = '{"_id": {"_id": 1, "copyingData": true}';
  const rest = `"operationType": "insert", "documentKey": {"_id": 1}, "fullDocument": {"_id": 1, "name": "Ada"}, ${ns}}`;
  assert.deepEqual(copy, ['{"_id": 1}', `${id}, ${rest}`]);
  assert.equal(insert?.[0], '{"_id": 2}');
  assert.match(insert?.[1] ?? '', /^\{"_id": \{"_data": "82.*"fullDocument": \{"_id": 2, "name": "Grace"\}/);
  const { code } = await child.end('SIGTERM');
  assert.equal(code, 0, child.stderr);
  await client.db(database).dropDatabase();
});
