import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { Admin } from '@platformatic/kafka';
import { readTopic } from '../kafka-reader.ts';
import { type KafkaTarget, kafkajsClient } from '../kafkajs-client.ts';
import { type KafkaServer, startKafka, testKafka } from './kafka.ts';
import { isRunning, startServerOwner, waitUntilGone } from './orphan-check.ts';

const newTopic = () => `bed-${randomUUID()}`;

async function createTopic(target: KafkaTarget, topic: string): Promise<void> {
  const admin = kafkajsClient(target).admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  } finally {
    await admin.disconnect();
  }
}

async function produce(target: KafkaTarget, topic: string, value: string): Promise<void> {
  const producer = kafkajsClient(target).producer();
  await producer.connect();
  try {
    await producer.send({ topic, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
}

async function contents(target: KafkaTarget, topic: string): Promise<(string | undefined)[]> {
  return (await readTopic(target, topic)).map((record) => record.value?.toString());
}

test('the shared broker is the same for the whole process and makes no topics by itself', async () => {
  const brokers = await testKafka();
  assert.deepEqual(await testKafka(), brokers);
  await assert.rejects(produce({ brokers }, newTopic(), 'x'));
});

test('stopped, killed or paused, it comes back with its data on the same address', { timeout: 480_000 }, async () => {
  const server = await startKafka();
  const topic = newTopic();
  await createTopic(server, topic);
  const written: string[] = [];
  const pids = [];
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const) {
    written.push(`before ${signal}`);
    await produce(server, topic, `before ${signal}`);
    pids.push(server.pid);
    await server.stop(signal);
    assert.equal(isRunning(server.pid), signal === 'SIGSTOP');
    await server.start();
    assert.deepEqual(await contents(server, topic), written);
  }
  const dir = server.dir;
  await server[Symbol.asyncDispose]();
  await waitUntilGone({ dir, pids: [...pids, server.pid] });
});

test('Kafka does not outlive a killed test run', async () => {
  const owner = await startServerOwner(
    `
    import { startKafka } from './kafka.ts';
    const { dir, pid } = await startKafka();
    console.log(JSON.stringify({ dir, pids: [pid] }));
    setInterval(() => {}, 1000);
    `,
    import.meta.url,
  );
  owner.process.kill('SIGKILL');
  await once(owner.process, 'exit');
  await waitUntilGone(owner);
});

test('settings of the test replace those of the test bed; a broker that cannot start says why', async () => {
  {
    await using server = await startKafka({ config: { 'auto.create.topics.enable': 'true' } });
    const topic = newTopic();
    await produce(server, topic, 'made by itself');
    assert.deepEqual(await contents(server, topic), ['made by itself']);
  }
  await assert.rejects(startKafka({ config: { 'num.io.threads': 'many' } }), /num\.io\.threads/);
  const unknownClass = startKafka({ config: { 'authorizer.class.name': 'no.such.Authorizer' } });
  await assert.rejects(unknownClass, /Kafka did not start: exit code 1[^]*no\.such\.Authorizer/);
});

for (const sasl of ['scram-sha-256', 'scram-sha-512'] as const) {
  test(`${sasl} over TLS: kafkajs and the platformatic client get in, others do not`, async () => {
    await using server = await startKafka({ sasl, tls: true });
    const topic = newTopic();
    await createTopic(server, topic);
    await produce(server, topic, 'secret');
    assert.deepEqual(await contents(server, topic), ['secret']);
    assert.deepEqual(await topicsSeen(server), [topic]);

    await assert.rejects(topicsSeen(server, { password: 'wrong' }));
    await assert.rejects(topicsSeen(server, { ca: undefined }));
    await assert.rejects(createTopic({ brokers: server.brokers }, newTopic()));

    const user = server.security.login?.user ?? '';
    await server.setPassword(user, 'rotated');
    await assert.rejects(topicsSeen(server));
    assert.deepEqual(await topicsSeen(server, { password: 'rotated' }), [topic]);
  });
}

test('TLS alone, with client certificates required', async () => {
  await using server = await startKafka({ tls: true, config: { 'ssl.client.auth': 'required' } });
  const { tls } = server.security;
  assert.ok(tls !== undefined);
  assert.match(dirname(tls.files.caFile), /tls$/);
  await assert.rejects(topicsSeen(server));
  assert.deepEqual(await topicsSeen(server, { cert: tls.cert, key: tls.key }), []);
});

/** Asks with the client that Sluice uses; `changes` replace what the server handed out. */
async function topicsSeen(
  server: KafkaServer,
  changes: { password?: string; ca?: string | undefined; cert?: string; key?: string } = {},
): Promise<string[]> {
  const { login, tls } = server.security;
  const { ca = 'ca' in changes ? undefined : tls?.ca, cert, key } = changes;
  const admin = new Admin({
    clientId: 'bed',
    bootstrapBrokers: [...server.brokers],
    retries: 0,
    connectTimeout: 10_000,
    requestTimeout: 10_000,
    ...(tls === undefined ? {} : { tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } }),
    ...(login === undefined
      ? {}
      : { sasl: { mechanism: login.mechanism, username: login.user, password: changes.password ?? login.password } }),
  });
  try {
    return await admin.listTopics();
  } finally {
    await admin.close();
  }
}
