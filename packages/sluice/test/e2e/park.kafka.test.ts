import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { kafkajsClient } from '../../src/testing/kafkajs-client.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { runSluice } from '../../src/testing/sluice-process.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { workerBed } from '../worker-bed.ts';

const MESSAGES = 1_000;
const KEYS = 50;
const POISON = 512;
const WAIT = { timeoutMs: 120_000 };

/** Message number `n` is the n-th state of the whole topic; one of them breaks the rule of the target. */
function message(n: number) {
  const _id = n % KEYS;
  const document = { _id, n, ...(n === POISON ? { forbidden: true } : {}) };
  return { key: JSON.stringify({ _id }), value: JSON.stringify(document), partition: _id % 3 };
}

test('park: one poisonous message among 1,000 of 50 keys holds back only its key, and a replay keeps the order', {
  timeout: 600_000,
}, async () => {
  const [mongo, brokers] = await Promise.all([testMongo(), testKafka()]);
  await using bed = await workerBed();
  const [topic, database] = [`park-${bed.id}`, `park_${bed.id}`];
  const kafka = kafkajsClient({ brokers });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  const client = await MongoClient.connect(mongo);
  try {
    const items = client.db(database).collection<{ _id: number; n: number }>('items');
    await client.db(database).createCollection('items', { validator: { forbidden: { $exists: false } } });
    await producer.send({ topic, messages: Array.from({ length: MESSAGES }, (_, n) => message(n)) });
    // Part of the name of the group, which nobody else may join.
    const name = `park-${bed.id}`;
    const worker = {
      source: {
        kafka: {
          brokers,
          topics: [topic],
          format: { name: 'document', namespace: { db: database, coll: 'items' } },
        },
      },
      sink: { mongodb: { uri: mongo, validation: 'check' } },
      deadLetter: { file: { path: `${bed.directory}/dead.ndjson` } },
      onDeadLetter: 'park',
      concurrency: 4,
    };
    await using running = await bed.start({ [name]: worker });
    const { counts } = await running.waitFor(name, ({ counts: { delivered, deadLettered } }) => {
      return delivered + deadLettered === MESSAGES;
    });
    const key = POISON % KEYS;
    const behind = Array.from({ length: MESSAGES }, (_, n) => n).filter((n) => n >= POISON && n % KEYS === key);
    assert.equal(counts.deadLettered, behind.length);
    const last = (n: number) => MESSAGES - KEYS + n;
    const expected = Array.from({ length: KEYS }, (_, n) => [n, n === key ? POISON - KEYS : last(n)]);
    const found = async () => (await items.find().sort({ _id: 1 }).toArray()).map(({ _id, n }) => [_id, n]);
    assert.deepEqual(await found(), expected, 'the others are up to date, the document is as before the poison');

    const config = `${bed.directory}/process-1/sluice.yaml`;
    const replay = () => runSluice(['dlq', 'replay', '--all', '-c', config, '--json']);
    const inVain = await replay();
    assert.equal(inVain.code, 4, inVain.stderr);
    const { result } = JSON.parse(inVain.stdout) as { result: Record<string, number> };
    assert.deepEqual([result['delivered'], result['rejected'], result['waiting']], [0, 1, behind.length - 1]);
    assert.deepEqual(await found(), expected, 'nothing overtook it');

    await client.db(database).command({ collMod: 'items', validator: {} });
    // What arrives now waits behind the others, until they are replayed.
    await producer.send({ topic, messages: [message(MESSAGES + key)] });
    await running.waitFor(name, (status) => status.counts.deadLettered === behind.length + 1);
    const replayed = await replay();
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.equal((await items.findOne({ _id: key }))?.n, MESSAGES + key);
    let more = MESSAGES + key;
    // The first ones may still wait until the worker has seen that nothing is parked any more.
    const flows = async () => {
      more += KEYS;
      await producer.send({ topic, messages: [message(more)] });
      return ((await items.findOne({ _id: key }))?.n ?? 0) > MESSAGES + key;
    };
    await waitFor(flows, { ...WAIT, intervalMs: 500, message: 'the document is delivered again' });
  } finally {
    await producer.disconnect();
    await client.db(database).dropDatabase();
    await client.close();
  }
});
