import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../core/connector.ts';
import { silentLogger } from '../../core/logger.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { checkKafkaDeadLetters, checkKafkaSink } from './check.ts';
import { kafkaDeadLetterConfig, kafkaSinkConfig } from './config.ts';
import { openSink, uniqueName } from './sink-fixture.ts';
import { createTopics } from './source-fixture.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };

const check = (settings: Record<string, unknown>, context = sinkContext()): Promise<readonly Finding[]> =>
  checkKafkaSink(kafkaSinkConfig.parse({ brokers, ...settings }), context);

const levels = (findings: readonly Finding[]) => findings.map(({ check: name, level }) => [name, level]);

function createTopic(topic: string, config: Readonly<Record<string, string>> = {}): Promise<void> {
  return createTopics(brokers, [topic], { partitions: 3, config });
}

test('a template: brokers answer, producer ids are given out, topics can be created', options, async () => {
  const findings = await check({});
  assert.deepEqual(levels(findings), [
    ['kafka.reachable', 'ok'],
    ['kafka.producer', 'ok'],
    ['kafka.topic', 'ok'],
  ]);
  assert.match(findings[2]?.message ?? '', /sluice-check\.[0-9a-f-]+/);
});

test('an existing topic: its partitions, and that large documents do not fit', options, async () => {
  const topic = uniqueName();
  await createTopic(topic);
  const findings = await check({ topic });
  assert.match(findings.find(({ check: name }) => name === 'kafka.topic')?.message ?? '', /3 partitions/);
  const size = findings.find(({ check: name }) => name === 'kafka.record-size');
  assert.equal(size?.level, 'warning');
  assert.match(size?.fix ?? '', new RegExp(`--topic ${topic} --add-config max.message.bytes`));
  const roomy = uniqueName();
  await createTopic(roomy, { 'max.message.bytes': String(32 * 1024 * 1024) });
  assert.ok((await check({ topic: roomy })).every(({ level }) => level === 'ok'));
});

test(
  'a missing topic that must not be created is an error with its fix, and is not created by looking',
  options,
  async () => {
    const topic = uniqueName();
    const [finding] = (await check({ topic, createTopics: { enabled: false } })).slice(-1);
    assert.equal(finding?.level, 'error');
    assert.match(finding?.fix ?? '', new RegExp(`--create --topic ${topic}`));
    await check({ topic });
    await assert.rejects(readTopic({ brokers }, topic));
  },
);

test('topics that the brokers would refuse', options, async () => {
  const refused = await check({ topic: uniqueName(), createTopics: { config: { 'cleanup.policy': 'nonsense' } } });
  assert.equal(refused.at(-1)?.level, 'error');
  assert.match(refused.at(-1)?.fix ?? '', /createTopics\.config/);
  const replicas = await check({ topic: uniqueName(), createTopics: { replicationFactor: 99 } });
  assert.match(replicas.at(-1)?.fix ?? '', /replicationFactor/);
});

test(
  'exactly once: transactional ids and the checkpoint topic, without disturbing who is running',
  options,
  async () => {
    const settings = {
      delivery: 'exactly-once',
      topic: uniqueName(),
      checkpointTopic: uniqueName('checkpoints'),
      transactionalIdPrefix: uniqueName('tx'),
    };
    assert.deepEqual(levels(await check(settings)), [
      ['kafka.reachable', 'ok'],
      ['kafka.topic', 'ok'],
      ['kafka.transactions', 'ok'],
      ['kafka.checkpoint-topic', 'ok'],
    ]);
    await using sink = await openSink({ brokers, ...settings });
    const { signal } = new AbortController();
    const claim = await sink.checkpoints?.claim('contract/0', signal);
    assert.deepEqual(new Set((await check(settings)).map(({ level }) => level)), new Set(['ok']));
    const checkpoint = {
      partition: 'contract/0',
      epoch: claim?.epoch ?? 0,
      position: { token: '01', clusterTime: { t: 1, i: 1 } },
      deployment: 'rs0',
      fingerprint: 'f',
      savedAtMs: 1,
    };
    await sink.checkpoints?.save(checkpoint, signal);
    const wrong = { ...settings, checkpointTopic: uniqueName('checkpoints') };
    await createTopic(wrong.checkpointTopic, { 'cleanup.policy': 'delete' });
    const [finding] = (await check(wrong)).slice(-1);
    assert.deepEqual([finding?.check, finding?.level], ['kafka.checkpoint-topic', 'error']);
    assert.match(finding?.fix ?? '', /cleanup\.policy=compact/);
    const slow = await check({ ...settings, transactionTimeout: '1d' });
    assert.match(slow.at(-1)?.fix ?? '', /transaction\.max\.timeout\.ms/);
  },
);

test('the topic for dead letters', options, async () => {
  const context = { pipeline: 'p', partition: 'p/0', logger: silentLogger, signal: new AbortController().signal };
  const look = (topic: string) => checkKafkaDeadLetters(kafkaDeadLetterConfig.parse({ brokers, topic }), context);
  assert.ok((await look(uniqueName())).every(({ level }) => level === 'ok'));
  const topic = uniqueName();
  await createTopic(topic);
  assert.deepEqual(levels(await look(topic)).at(-1), ['kafka.dead-letter-topic', 'error']);
});

test('brokers that do not answer are one error, and an abort is none', options, async () => {
  const findings = await check({ brokers: ['127.0.0.1:1'] });
  assert.deepEqual(levels(findings), [['kafka.reachable', 'error']]);
  assert.match(findings[0]?.message ?? '', /ECONNREFUSED/);
  assert.match(findings[0]?.fix ?? '', /brokers/);
  const controller = new AbortController();
  const looking = check({}, sinkContext({ signal: controller.signal }));
  controller.abort(new Error('stop'));
  await assert.rejects(looking);
});
