import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { kafkajsClient } from '../../src/testing/kafkajs-client.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { runSluice } from '../../src/testing/sluice-process.ts';
import { workerBed } from '../worker-bed.ts';

test('park: a message that cannot be decoded holds back its document and no other, whatever the sink', {
  timeout: 540_000,
}, async () => {
  const [mongo, brokers] = await Promise.all([testMongo(), testKafka()]);
  await using bed = await workerBed();
  const [topic, database] = [`undecodable-${bed.id}`, `undecodable_${bed.id}`];
  const kafka = kafkajsClient({ brokers });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  await using client = await MongoClient.connect(mongo);
  const source = {
    kafka: { brokers, topics: [topic], format: { name: 'document', namespace: { db: database, coll: 'items' } } },
  };
  const message = (key: number, value: string) => ({ key: JSON.stringify({ _id: key }), value });
  await producer.connect();
  await producer.send({
    topic,
    messages: [
      message(1, '{"_id":1,"n":1}'),
      message(2, '{"_id":2,"n":1}'),
      message(1, '{"_id":1,"n":'),
      message(1, '{"_id":1,"n":3}'),
      message(2, '{"_id":2,"n":2}'),
    ],
  });
  await producer.disconnect();
  const shared = { source, onDeadLetter: 'park' };
  // Parts of the names of groups, which nobody else may join.
  const [documents, records] = [`documents-${bed.id}`, `records-${bed.id}`];
  const pipelines = {
    [documents]: {
      ...shared,
      sink: { mongodb: { uri: mongo, guard: 'version' } },
      deadLetter: { file: { path: `${bed.directory}/documents.ndjson` } },
    },
    [records]: {
      ...shared,
      sink: { file: { path: `${bed.directory}/out.ndjson`, format: 'change' } },
      deadLetter: { file: { path: `${bed.directory}/records.ndjson` } },
    },
  };
  await using running = await bed.start(pipelines);
  for (const name of [documents, records]) {
    await running.waitFor(name, ({ counts: { delivered, deadLettered } }) => delivered + deadLettered === 5);
    const config = `${bed.directory}/process-1/sluice.yaml`;
    const list = await runSluice(['dlq', 'list', '--pipeline', name, '-c', config, '--json']);
    const { result } = JSON.parse(list.stdout) as { result: { deadLetters: { code: string; namespace: string }[] } };
    assert.deepEqual(
      result.deadLetters.map(({ code, namespace }) => [code, namespace]),
      [
        ['json.malformed', `${database}.items`],
        ['dead-letter.parked', `${database}.items`],
      ],
      list.stderr,
    );
  }
  const items = client.db(database).collection<{ _id: number; n: number }>('items');
  assert.deepEqual(await items.find().sort({ _id: 1 }).toArray(), [
    { _id: 1, n: 1 },
    { _id: 2, n: 2 },
  ]);
  await client.db(database).dropDatabase();
});
