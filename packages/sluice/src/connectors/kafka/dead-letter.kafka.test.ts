import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { silentLogger } from '../../core/logger.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { kafkaDeadLetterConfig } from './config.ts';
import { openKafkaDeadLetters } from './dead-letter.ts';
import { uniqueName } from './sink-fixture.ts';
import { createTopics, produce } from './source-fixture.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };
const { signal } = new AbortController();

function open(topic: string) {
  const context = { pipeline: 'orders', partition: 'orders/0', logger: silentLogger, signal };
  return openKafkaDeadLetters(kafkaDeadLetterConfig.parse({ brokers, topic }), context);
}

function letter(n: number, overrides: Partial<DeadLetter> = {}): DeadLetter {
  const raw = randomBytes(50);
  return {
    id: `shop.orders/${n}`,
    pipeline: 'orders',
    partition: 'orders/0',
    namespace: 'shop.orders',
    op: 'insert',
    key: `{"_id":${n}}`,
    clusterTime: { t: 1_700_000_000, i: n },
    code: 'test.poison',
    reason: 'größer als erlaubt',
    attempts: 1,
    failedAtMs: 1_700_000_000_000,
    raw,
    rawBytes: raw.length,
    ...overrides,
  };
}

async function listed(store: DeadLetterStore, pipeline: string): Promise<DeadLetter[]> {
  const entries: DeadLetter[] = [];
  for await (const entry of store.list(pipeline, signal)) entries.push(entry);
  return entries;
}

async function ids(topic: string, pipeline = 'orders'): Promise<string[]> {
  await using store = await open(topic);
  return (await listed(store, pipeline)).map(({ id }) => id);
}

test('the largest event there can be is kept with its bytes', options, async () => {
  const topic = uniqueName('dead-letters');
  const raw = randomBytes(16 * 1024 * 1024 + 16 * 1024);
  await using store = await open(topic);
  await store.put([letter(1), letter(2, { raw, rawBytes: raw.length }), letter(3)], signal);
  const found = await store.get('orders', letter(2).id, signal);
  assert.ok(found?.raw && Buffer.from(found.raw).equals(raw));
  assert.deepEqual(
    await ids(topic),
    [1, 2, 3].map((n) => letter(n).id),
  );
});

test('in a topic with a smaller limit the bytes of a large event are left out, the rest is kept', options, async () => {
  const topic = uniqueName('dead-letters');
  const config = { 'cleanup.policy': 'compact', 'max.message.bytes': '100000' };
  await createTopics(brokers, [topic], { config });
  await using store = await open(topic);
  const large = letter(1, { raw: randomBytes(200_000), rawBytes: 200_000 });
  await store.put([large, letter(2)], signal);
  const found = await store.get('orders', large.id, signal);
  assert.deepEqual(found, { ...large, raw: undefined });
  assert.ok((await store.get('orders', letter(2).id, signal))?.raw);
});

test('entries that were tried again keep their places among many', options, async () => {
  const topic = uniqueName('dead-letters');
  await using store = await open(topic);
  const all = Array.from({ length: 300 }, (_, n) => letter(n));
  await store.put(all, signal);
  await store.put(
    [7, 150, 299].map((n) => letter(n, { attempts: 2 })),
    signal,
  );
  await store.remove('orders', [letter(8).id, letter(151).id], signal);
  const found = await listed(store, 'orders');
  const expected = all.filter((_, n) => n !== 8 && n !== 151).map(({ id }) => id);
  assert.deepEqual(
    found.map(({ id }) => id),
    expected,
  );
  assert.deepEqual(
    found.filter(({ attempts }) => attempts === 2).map(({ id }) => id),
    [7, 150, 299].map((n) => letter(n).id),
  );
});

test('pipelines whose names contain each other are told apart', options, async () => {
  const topic = uniqueName('dead-letters');
  await using store = await open(topic);
  await store.put(
    [letter(1, { pipeline: 'a' }), letter(2, { pipeline: 'a/b' }), letter(3, { pipeline: 'ab' })],
    signal,
  );
  assert.deepEqual(await ids(topic, 'a'), [letter(1).id]);
  assert.deepEqual(await ids(topic, 'a/b'), [letter(2).id]);
});

test('writes at the same time do not get into each other', options, async () => {
  const topic = uniqueName('dead-letters');
  await using store = await open(topic);
  await Promise.all(Array.from({ length: 20 }, (_, n) => store.put([letter(n)], signal)));
  assert.equal((await ids(topic)).length, 20);
});

test('a topic that would expire is refused', options, async () => {
  const topic = uniqueName('dead-letters');
  await createTopics(brokers, [topic], { config: { 'cleanup.policy': 'delete' } });
  await assert.rejects(open(topic), { kind: 'config', code: 'kafka.topic-not-compacted' });
});

test('foreign content is refused with its place', options, async () => {
  const topic = uniqueName('dead-letters');
  await using store = await open(topic);
  await produce(brokers, topic, [{ key: 'orders/x', value: 'nonsense' }]);
  await assert.rejects(store.get('orders', 'x', signal), {
    kind: 'config',
    code: 'dead-letter.damaged',
    message: /offset 0/,
  });
});
