import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import type { ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Format } from '../../core/format.ts';
import { silentLogger } from '../../core/logger.ts';
import { testEvent } from '../../testing/events.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { kafkajsClient } from '../../testing/kafkajs-client.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { sinkContext, textFormat, writeEvents } from '../../testing/sink-writes.ts';
import { KafkaClient } from './client.ts';
import { kafkaConnectionConfig } from './config.ts';
import { partitionOf } from './murmur2.ts';
import { openSink, readSettled, uniqueName } from './sink-fixture.ts';
import { addPartitions, createTopics, lowerMessageLimit, withAdmin } from './source-fixture.ts';
import { TopicRegistry } from './topics.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };

function read(topic: string) {
  return readSettled(() => readTopic({ brokers }, topic, { isolation: 'read_uncommitted' }));
}

/** Value: as many bytes as the event's document says, of noise. */
const noiseFormat: Format = {
  ...textFormat,
  encode(envelope) {
    const record = textFormat.encode(envelope);
    const size = Buffer.from(envelope.event.after() ?? []).indexOf('noise:') < 0 ? 0 : sizeOf(envelope.event);
    return record && { ...record, value: size === 0 ? record.value : randomBytes(size) };
  },
};

function sizeOf(event: ChangeEvent): number {
  return Number(/noise:(\d+)/.exec(Buffer.from(event.after() ?? []).toString('latin1'))?.[1]);
}

const noise = (sequence: number, bytes: number) =>
  testEvent({ sequence, id: 1, document: bytes === 0 ? {} : { size: `noise:${bytes}` } });

test('it tells the next offset of each partition it has written to', options, async () => {
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const topic = uniqueName();
    await createTopics(brokers, [topic], { partitions: 3 });
    const own = { checkpointTopic: uniqueName('checkpoints'), transactionalIdPrefix: uniqueName() };
    await using sink = await openSink({ brokers, topic, delivery, ...own });
    assert.deepEqual(sink.offsets?.(), []);
    const claim = await sink.checkpoints?.claim('contract/0', new AbortController().signal);
    const owner = { partition: 'contract/0', epoch: claim?.epoch ?? 1 };
    const events = Array.from({ length: 100 }, (_, sequence) => testEvent({ sequence, id: sequence }));
    await writeEvents(sink, events, { owner });
    const records = Map.groupBy(await read(topic), ({ partition }) => partition);
    const expected = [...records].map(([partition, all]) => [`${topic}/${partition}`, all.length] as const);
    assert.deepEqual(new Map(sink.offsets?.().map(({ part, offset }) => [part, offset])), new Map(expected));
  }
});

test(
  'thousands of events over all partitions: complete, in order per key, where Java would put them',
  options,
  async () => {
    const topic = uniqueName();
    const events = Array.from({ length: 20_000 }, (_, sequence) =>
      testEvent({ sequence, id: (sequence * 7919) % 501 }),
    );
    {
      await using sink = await openSink({ brokers, topic, createTopics: { partitions: 12 } });
      const writes: Promise<unknown>[] = [];
      for (let start = 0; start < events.length; start += 777) {
        writes.push(writeEvents(sink, events.slice(start, start + 777)));
        if (writes.length >= sink.limits.batchesInFlight) await writes.shift();
      }
      await Promise.all(writes);
    }
    const records = await read(topic);
    assert.equal(records.length, events.length);
    const perKey = Map.groupBy(records, ({ key }) => key?.toString('hex'));
    const expected = Map.groupBy(events, (event) => Buffer.from(event.key() ?? []).toString('hex'));
    assert.equal(perKey.size, expected.size);
    for (const [key, history] of perKey) {
      assert.deepEqual(
        history.map(({ value }) => value?.toString()),
        expected.get(key ?? '')?.map(({ position }) => position.token),
      );
    }
    for (const { key, partition } of records) assert.equal(partition, partitionOf(key, 12));
    const producer = kafkajsClient({ brokers }).producer();
    await producer.connect();
    const keys = [...perKey.values()].map(([record]) => record?.key ?? null);
    await producer.send({ topic, messages: keys.map((key) => ({ key, value: 'kafkajs' })) });
    await producer.disconnect();
    for (const { key, partition, value } of await read(topic)) {
      if (value?.toString() === 'kafkajs')
        assert.equal(partition, partitionOf(key, 12), 'an independent producer agrees');
    }
  },
);

test('topics are derived from namespaces and created as configured', options, async () => {
  const db = uniqueName('db');
  await using sink = await openSink({
    brokers,
    createTopics: { partitions: 2, replicationFactor: 1, config: { 'retention.ms': 123_456_000 } },
  });
  const events = ['orders', 'größe', ''].map((coll, sequence) => testEvent({ sequence, namespace: { db, coll } }));
  await writeEvents(sink, events);
  for (const topic of [`${db}.orders`, `${db}.gr__e`, db]) {
    assert.equal((await read(topic)).length, 1, topic);
    const metadata = await withAdmin(brokers, (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    assert.equal(metadata.topics[0]?.partitions.length, 2);
    const { resources } = await withAdmin(brokers, (admin) =>
      admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }],
      }),
    );
    assert.equal(resources[0]?.configEntries[0]?.configValue, '123456000');
  }
});

test('a missing topic that must not be created stops the pipeline with the fix', options, async () => {
  const topic = uniqueName();
  await using sink = await openSink({ brokers, topic, createTopics: { enabled: false } });
  await assert.rejects(writeEvents(sink, [testEvent()]), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.deepEqual([error.kind, error.code], ['config', 'kafka.topic-missing']);
    assert.match(error.hint ?? '', new RegExp(`--create --topic ${topic}`));
    return true;
  });
  await createTopics(brokers, [topic]);
  await using again = await openSink({ brokers, topic, createTopics: { enabled: false } });
  assert.equal((await writeEvents(again, [testEvent()])).delivered, 1);
});

test('settings of a topic that the brokers refuse are named', options, async () => {
  const settings = { brokers, topic: uniqueName(), createTopics: { config: { 'cleanup.policy': 'nonsense' } } };
  await using sink = await openSink(settings);
  await assert.rejects(writeEvents(sink, [testEvent()]), { kind: 'config', code: 'kafka.topic-refused' });
  await using crowded = await openSink({ brokers, topic: uniqueName(), createTopics: { replicationFactor: 50 } });
  await assert.rejects(writeEvents(crowded, [testEvent()]), { kind: 'transient', code: 'kafka.replication-factor' });
});

test('records carry their headers and a tombstone has none of the content', options, async () => {
  const topic = uniqueName();
  const format: Format = {
    ...textFormat,
    encode: (envelope) => {
      const record = textFormat.encode(envelope);
      return record && { ...record, value: Buffer.from('{}'), tombstoneFollows: envelope.event.op === 'delete' };
    },
  };
  await using sink = await openSink({ brokers, topic }, { format });
  const events = [testEvent({ sequence: 1, id: 1 }), testEvent({ sequence: 2, id: 1, op: 'delete' })];
  assert.equal((await writeEvents(sink, events)).delivered, 2);
  const records = await read(topic);
  assert.deepEqual(
    records.map(({ value }) => value?.toString() ?? null),
    ['{}', '{}', null],
  );
  assert.deepEqual(records[0]?.headers, {
    'sluice.op': 'insert',
    'sluice.ns': 'test.items',
    'sluice.ts': '1700000000,2',
    'sluice.id': events[0]?.id,
    'content-type': 'text/plain',
  });
  assert.equal(records[2]?.headers['sluice.op'], 'delete');
  assert.equal(records[2]?.headers['content-type'], undefined);
  assert.ok(records[1]?.key !== null && records[1]?.key.equals(records[2]?.key ?? Buffer.alloc(0)));
});

for (const compression of ['zstd', 'lz4', 'snappy', 'gzip', 'none']) {
  test(`the broker takes batches with ${compression}`, options, async () => {
    const topic = uniqueName();
    await using sink = await openSink({ brokers, topic, compression });
    const events = Array.from({ length: 5000 }, (_, sequence) => testEvent({ sequence }));
    await writeEvents(sink, events);
    const end = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
    assert.equal(end[0]?.high, '5000');
    const found = (await read(topic)).map(({ value }) => value?.toString());
    assert.deepEqual(
      found,
      events.map(({ position }) => position.token),
    );
  });
}

test(
  'a record over the limit of its topic is handed over; what is around it is delivered in order',
  options,
  async () => {
    const topic = uniqueName();
    await createTopics(brokers, [topic], { config: { 'max.message.bytes': '50000' } });
    await using sink = await openSink({ brokers, topic }, { format: noiseFormat });
    const events = Array.from({ length: 30 }, (_, sequence) =>
      noise(sequence, sequence === 11 ? 60_000 : sequence % 4 === 0 ? 20_000 : 0),
    );
    const { delivered, rejections } = await writeEvents(sink, events);
    assert.equal(delivered, 29);
    assert.deepEqual(
      rejections.map(({ envelope, error }) => [envelope.event.id, error.code]),
      [[events[11]?.id, 'kafka.record-too-large']],
    );
    const ids = (await read(topic)).map(({ headers }) => headers['sluice.id']);
    assert.deepEqual(
      ids,
      events.filter((_, sequence) => sequence !== 11).map(({ id }) => id),
    );
  },
);

test('a limit that is lowered while we write is noticed from the refusal', options, async () => {
  const topic = uniqueName();
  await createTopics(brokers, [topic]);
  await using sink = await openSink({ brokers, topic }, { format: noiseFormat });
  await writeEvents(sink, [noise(0, 0)]);
  await lowerMessageLimit(brokers, topic, 5000);
  const events = Array.from({ length: 20 }, (_, sequence) => noise(sequence + 1, sequence === 7 ? 6000 : 1000));
  const { delivered, rejections } = await writeEvents(sink, events);
  assert.equal(delivered, 19);
  assert.deepEqual(
    rejections.map(({ envelope }) => envelope.event.id),
    [events[7]?.id],
  );
  const ids = (await read(topic)).map(({ headers }) => headers['sluice.id']).slice(1);
  assert.deepEqual(
    ids,
    events.filter((_, sequence) => sequence !== 7).map(({ id }) => id),
  );
});

test(
  'a compacted topic takes no record without a key: it is handed over, its neighbours are delivered',
  options,
  async () => {
    const topic = uniqueName();
    await createTopics(brokers, [topic], { config: { 'cleanup.policy': 'compact' } });
    await using sink = await openSink({ brokers, topic });
    const events = Array.from({ length: 9 }, (_, sequence) =>
      testEvent({ sequence, op: sequence === 4 ? 'drop' : 'insert' }),
    );
    const { delivered, rejections } = await writeEvents(sink, events);
    assert.equal(delivered, 8);
    assert.deepEqual(
      rejections.map(({ error }) => error.code),
      ['kafka.record-invalid'],
    );
    assert.equal((await read(topic)).length, 8);
  },
);

test('events without a key go to partition 0, in order', options, async () => {
  const topic = uniqueName();
  await using sink = await openSink({ brokers, topic, createTopics: { partitions: 4 } });
  const events = Array.from({ length: 6 }, (_, sequence) => testEvent({ sequence, op: 'drop' }));
  await writeEvents(sink, events);
  const records = await read(topic);
  assert.deepEqual(
    records.map(({ partition, value }) => [partition, value?.toString()]),
    events.map(({ position }) => [0, position.token]),
  );
});

test('the partition count of the first use stays, and a change is reported once', options, async () => {
  const topic = uniqueName();
  await createTopics(brokers, [topic], { partitions: 2 });
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  await using sink = await openSink({ brokers, topic });
  const { signal } = sinkContext();
  await using client = await KafkaClient.open(kafkaConnectionConfig.parse({ brokers }), signal);
  const registry = new TopicRegistry(client, { policy: { enabled: false, config: {} }, logger });
  await registry.ensure([topic], signal);
  const events = Array.from({ length: 200 }, (_, sequence) => testEvent({ sequence }));
  await writeEvents(sink, events.slice(0, 100));
  await addPartitions(brokers, topic, 6);
  await writeEvents(sink, events.slice(100));
  const records = await read(topic);
  assert.ok(records.every(({ key, partition }) => partition === partitionOf(key, 2)));
  for (let i = 0; i < 3; i++) await registry.refresh(signal);
  assert.deepEqual(warnings, [{ topic, pinned: 2, partitions: 6 }]);
  assert.equal(registry.get(topic)?.partitions, 2);
  assert.ok(registry.leader(topic, 5) >= 0);
});

test('two namespaces on one topic by replaced characters only stop the pipeline', options, async () => {
  const db = uniqueName('db');
  await using sink = await openSink({ brokers });
  const events = ['a b', 'a$b'].map((coll, sequence) => testEvent({ sequence, namespace: { db, coll } }));
  await assert.rejects(writeEvents(sink, events), { kind: 'config', code: 'kafka.topic-collision' });
});

test('after a failure everything behind it fails too, unwritten', options, async () => {
  const topic = uniqueName();
  await createTopics(brokers, [topic]);
  const format: Format = {
    ...textFormat,
    encode: (envelope) => {
      if (envelope.event.position.token.endsWith('5'))
        throw new SluiceError('broken', { kind: 'internal', code: 'test.broken' });
      return textFormat.encode(envelope);
    },
  };
  await using sink = await openSink({ brokers, topic }, { format });
  const results = await Promise.allSettled([4, 5, 6].map((sequence) => writeEvents(sink, [testEvent({ sequence })])));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  await assert.rejects(writeEvents(sink, [testEvent({ sequence: 7 })]), { code: 'test.broken' });
  assert.equal((await read(topic)).length, 1);
});

test('an abort ends a write at once and is no failure', options, async () => {
  const controller = new AbortController();
  await using sink = await openSink({ brokers, topic: uniqueName() });
  const write = writeEvents(
    sink,
    Array.from({ length: 100 }, (_, sequence) => testEvent({ sequence })),
    { signal: controller.signal },
  );
  controller.abort(new Error('stop'));
  await assert.rejects(write, (error) => !(error instanceof SluiceError));
});

test('opening is abandoned with its signal, and says so when nobody answers', options, async () => {
  const controller = new AbortController();
  const opening = openSink({ brokers: ['127.0.0.1:1'] }, { signal: controller.signal });
  controller.abort(new Error('stop'));
  await assert.rejects(opening, (error) => !(error instanceof SluiceError));
  await assert.rejects(openSink({ brokers: ['127.0.0.1:1'] }), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.deepEqual([error.kind, error.code], ['transient', 'kafka.unreachable']);
    assert.match(error.message, /ECONNREFUSED/);
    assert.match(error.hint ?? '', /brokers/);
    return true;
  });
});
