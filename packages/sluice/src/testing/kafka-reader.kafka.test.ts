import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Producer } from '@platformatic/kafka';
import kafkajs from 'kafkajs';
import { readTopic, type TopicRecord } from './kafka-reader.ts';
import { kafkajsClient } from './kafkajs-client.ts';
import { testKafka } from './servers/kafka.ts';
import { waitFor } from './wait-for.ts';

const values = (records: readonly TopicRecord[]) => records.map((record) => record.value?.toString() ?? null);

async function newTopic(partitions: number): Promise<{ target: { brokers: readonly string[] }; topic: string }> {
  const target = { brokers: await testKafka() };
  const topic = `reader-${randomUUID()}`;
  const admin = kafkajsClient(target).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] });
  await admin.disconnect();
  return { target, topic };
}

test('a topic is read completely, with keys, headers, tombstones and zstd', async () => {
  const { target, topic } = await newTopic(3);
  const producer = kafkajsClient(target).producer();
  await producer.connect();
  for (const partition of [0, 2]) {
    await producer.send({
      topic,
      compression: kafkajs.CompressionTypes.ZSTD,
      messages: Array.from({ length: 500 }, (_, n) => ({
        partition,
        key: `key ${n}`,
        value: n === 7 ? null : `value ${n}`,
        headers: { op: 'insert', n: String(n) },
      })),
    });
  }
  await producer.disconnect();
  const records = await readTopic(target, topic);
  assert.equal(records.length, 1000);
  assert.deepEqual(
    records.map(({ partition, offset }) => [partition, offset]),
    [0, 2].flatMap((partition) => Array.from({ length: 500 }, (_, n) => [partition, n])),
  );
  assert.equal(records[7]?.value, null);
  assert.equal(records[8]?.key?.toString(), 'key 8');
  assert.deepEqual(records[8]?.headers, { op: 'insert', n: '8' });
});

test('every compression can be read', async () => {
  const { target, topic } = await newTopic(1);
  const value = 'the quick brown fox '.repeat(500);
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const producer = new Producer({ clientId: 'reader', bootstrapBrokers: [...target.brokers], compression });
    await producer.send({ messages: [1, 2].map(() => ({ topic, value: Buffer.from(`${compression} ${value}`) })) });
    await producer.close();
  }
  const words = (await readTopic(target, topic)).map((record) => record.value?.toString() ?? '');
  assert.deepEqual(
    words.map((text) => text.split(' ', 1)[0]),
    ['none', 'none', 'gzip', 'gzip', 'snappy', 'snappy', 'lz4', 'lz4', 'zstd', 'zstd'],
  );
  assert.ok(words.every((text) => text.endsWith(value)));
});

test('an empty topic has no records, and a topic that does not exist is an error', async () => {
  const { target, topic } = await newTopic(2);
  assert.deepEqual(await readTopic(target, topic), []);
  await assert.rejects(readTopic(target, `missing-${randomUUID()}`), /cannot read topic missing-/);
});

test('aborted transactions are left out, also when several producers overlap in one partition', async (t) => {
  const { target, topic } = await newTopic(1);
  const kafka = kafkajsClient(target);
  const [a, b] = ['a', 'b'].map((name) =>
    kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: `${name}-${randomUUID()}` }),
  );
  assert.ok(a !== undefined && b !== undefined);
  t.after(() => Promise.all([a.disconnect(), b.disconnect()]));
  await Promise.all([a.connect(), b.connect()]);
  const inA = await a.transaction();
  const inB = await b.transaction();
  const put = (transaction: typeof inA, value: string) => transaction.send({ topic, messages: [{ value }] });
  await put(inA, 'a1 aborted');
  await put(inB, 'b1 aborted');
  await put(inA, 'a2 aborted');
  await inB.abort();
  const againB = await b.transaction();
  await put(againB, 'b2 committed');
  await put(inA, 'a3 aborted');
  await inA.abort();
  await againB.commit();
  const openA = await a.transaction();
  await put(openA, 'a4 open');
  const lastB = await b.transaction();
  await put(lastB, 'b3 committed behind an open one');
  await lastB.commit();

  const everything = () => readTopic(target, topic, { isolation: 'read_uncommitted' });
  // A commit is answered before its marker is in the log.
  const decided = async () => (await everything()).at(-1)?.transaction !== 'open';
  await waitFor(decided, { timeoutMs: 60_000, message: 'the marker of the last transaction is there' });
  const committed = await readTopic(target, topic);
  assert.deepEqual(values(committed), ['b2 committed']);
  const all = await everything();
  assert.deepEqual(
    all.map((record) => record.transaction),
    ['aborted', 'aborted', 'aborted', 'committed', 'aborted', 'open', 'committed'],
  );
  await openA.commit();
  const allDecided = async () => (await everything()).every(({ transaction }) => transaction !== 'open');
  await waitFor(allDecided, { timeoutMs: 60_000, message: 'the marker of the transaction before is there' });
  const later = await readTopic(target, topic);
  assert.deepEqual(values(later), ['b2 committed', 'a4 open', 'b3 committed behind an open one']);
});
