import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { comparePositions } from '../../core/position.ts';
import { kafkajsClient } from '../../testing/kafkajs-client.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { uniqueName } from './sink-fixture.ts';
import { createTopics, deleteBefore, numbered, produce, startWorker, type Worker } from './source-fixture.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };
const LIMIT = { timeoutMs: 60_000 };

/** A new topic with messages, and settings of a group of its own for it. */
async function prepare(messages = numbered(0, 0), config: Parameters<typeof createTopics>[2] = {}) {
  const topic = uniqueName('source');
  await createTopics(brokers, [topic], config);
  if (messages.length > 0) await produce(brokers, topic, messages);
  return { topic, settings: { brokers, topics: [topic], group: uniqueName('group') } };
}

function read(worker: Worker, count: number): Promise<unknown> {
  const done = () => worker.error !== undefined || worker.seen.length >= count;
  return waitFor(done, { ...LIMIT, message: `${count} messages are read` });
}

/** Waits until the worker has partitions and all that there is was read; resolves with how much that was. */
async function readAll(worker: Worker): Promise<number> {
  await waitFor(() => worker.error !== undefined || worker.parts.length > 0, {
    ...LIMIT,
    message: 'it has partitions',
  });
  // What came before it had them says nothing about what is in them.
  const before = worker.batches.length;
  const done = () => worker.error !== undefined || (worker.batches.length > before && worker.isCaughtUp);
  await waitFor(done, { ...LIMIT, message: 'everything is read' });
  return worker.seen.length;
}

test('it reads all partitions in one order of positions, each key in its order', options, async () => {
  const { topic, settings } = await prepare(numbered(0, 3000), { partitions: 5 });
  await using worker = await startWorker({ settings });
  await read(worker, 3000);
  assert.equal(worker.error, undefined);
  assert.deepEqual(new Set(worker.values).size, 3000);
  for (const [key, messages] of Map.groupBy(worker.seen, (message) => message.key)) {
    const numbers = messages.map(({ value }) => Number(value));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `order of ${key}`,
    );
  }
  const positions = worker.batches.flatMap(({ events, position }) => [
    ...events.map((each) => each.position),
    position,
  ]);
  assert.ok(positions.every((each, index) => index === 0 || comparePositions(positions[index - 1] ?? each, each) <= 0));
  for (const { events, bytes } of worker.batches) {
    assert.equal(
      bytes,
      events.reduce((sum: number, { size }: ChangeEvent) => sum + size, 0),
    );
  }
  // That partitions came is told with the first batch behind it, which may be a heartbeat.
  const readOn = worker.batches.findIndex(({ events }) => events.length > 0);
  assert.ok(worker.batches.slice(0, readOn + 1).some(({ takenOver }) => takenOver === true));
  await waitFor(() => worker.isCaughtUp, { ...LIMIT, message: 'it has caught up' });
  const ends = (worker.source.offsets?.() ?? []).map(({ part, end = 0 }) => [part.split('/')[0], end] as const);
  assert.equal(ends.length, 5);
  assert.ok(ends.every(([name]) => name === topic));
  assert.equal(
    ends.reduce((sum, [, end]) => sum + end, 0),
    3000,
  );
});

test('keys, tombstones, headers and places come as they are', options, async () => {
  const messages = [
    { key: null, value: 'no key' },
    { key: 'a', value: null },
    { key: 'b', value: '', headers: { one: '1', two: 'zwei' } },
  ];
  const { topic, settings } = await prepare(messages);
  await using worker = await startWorker({ settings });
  await read(worker, 3);
  const [, id = ''] = worker.seen[0]?.place.split('#') ?? [];
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(worker.seen, [
    { topic, place: `${topic}/0@0#${id}`, sequence: 0, key: null, value: 'no key', headers: {} },
    { topic, place: `${topic}/0@1#${id}`, sequence: 1, key: 'a', value: null, headers: {} },
    { topic, place: `${topic}/0@2#${id}`, sequence: 2, key: 'b', value: '', headers: { one: '1', two: 'zwei' } },
  ]);
});

test('what is not acknowledged comes again, what is acknowledged does not', options, async () => {
  const { settings } = await prepare(numbered(0, 10));
  {
    await using worker = await startWorker({ settings, acknowledge: false });
    await read(worker, 10);
    await worker.commit();
  }
  {
    await using worker = await startWorker({ settings, acknowledge: false });
    await read(worker, 10);
    // In the middle of a batch: as a pipeline does whose sink takes less at a time.
    const event = worker.batches.flatMap(({ events }) => events)[5];
    assert.ok(event !== undefined);
    worker.source.acknowledged?.(event.position);
    await worker.commit();
    assert.equal(worker.source.offsets?.()[0]?.offset, 6);
  }
  await using worker = await startWorker({ settings, acknowledge: false });
  await read(worker, 4);
  assert.deepEqual(worker.values, ['6', '7', '8', '9']);
});

test('a disposal commits what is acknowledged by then, and leaves the group', options, async () => {
  const { settings } = await prepare(numbered(0, 10));
  {
    await using worker = await startWorker({ settings, acknowledge: false });
    await read(worker, 10);
    await worker.stop();
    worker.acknowledge();
  }
  await produce(brokers, settings.topics[0] ?? '', numbered(10, 11));
  await using worker = await startWorker({ settings });
  await read(worker, 1);
  assert.deepEqual(worker.values, ['10']);
});

test('messages that are no events are passed over, and their offsets count', options, async () => {
  const { settings } = await prepare([{ value: 'a' }, { value: 'skip' }, { value: 'b' }, { value: 'skip' }]);
  await using worker = await startWorker({ settings });
  assert.equal(await readAll(worker), 2);
  await waitFor(() => worker.source.offsets?.()[0]?.offset === 4, { ...LIMIT, message: 'everything is committed' });
});

test('aborted transactions are not read, several of one producer between committed ones', options, async () => {
  const { topic, settings } = await prepare();
  const producer = kafkajsClient({ brokers }).producer({ transactionalId: uniqueName('tx'), maxInFlightRequests: 1 });
  await producer.connect();
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => producer.disconnect());
  for (let round = 0; round < 8; round++) {
    const transaction = await producer.transaction();
    const outcome = round % 2 === 0 ? 'abort' : 'commit';
    const messages = Array.from({ length: 5 }, (_, index) => ({ key: 'k', value: `${outcome} ${round} ${index}` }));
    await transaction.send({ topic, messages });
    await transaction[outcome]();
    await produce(brokers, topic, [{ value: `plain ${round}` }]);
  }
  await using worker = await startWorker({ settings });
  await read(worker, 28);
  assert.equal(await readAll(worker), 28);
  assert.equal(worker.values.filter((value) => value?.startsWith('abort')).length, 0);
  assert.equal(worker.values.filter((value) => value?.startsWith('commit')).length, 20);
  // What an open transaction holds back comes when it is decided.
  const open = await producer.transaction();
  await open.send({ topic, messages: [{ value: 'open' }] });
  await produce(brokers, topic, [{ value: 'behind' }]);
  const batches = worker.batches.length;
  await waitFor(() => worker.batches.length > batches + 3, { ...LIMIT, message: 'it has looked again' });
  assert.equal(worker.seen.length, 28);
  await open.commit();
  await read(worker, 30);
  assert.deepEqual(worker.values.slice(28), ['open', 'behind']);
});

test('every compression that brokers use is read', options, async () => {
  // The broker compresses again what comes in another form.
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed']) {
    const messages = [...numbered(0, 200), { key: 'large', value: 'x'.repeat(500_000) }];
    const { settings } = await prepare(messages, { config: { 'compression.type': compression } });
    await using worker = await startWorker({ settings });
    await read(worker, 201);
    assert.deepEqual(
      worker.values,
      messages.map(({ value }) => value),
      compression,
    );
  }
});

test('messages of 16 MB pass, beside other partitions with small ones', options, async () => {
  const { topic, settings } = await prepare([], { partitions: 3, config: { 'max.message.bytes': '33554432' } });
  const large = 'y'.repeat(16 * 1024 * 1024);
  for (const partition of [0, 1]) await produce(brokers, topic, [{ partition, value: large }]);
  await produce(
    brokers,
    topic,
    numbered(0, 50).map((each) => ({ ...each, partition: 2 })),
  );
  const limits = { fetchBytes: '64KiB', partitionBytes: '16KiB', readAheadBytes: '64KiB' };
  await using worker = await startWorker({ settings: { ...settings, ...limits } });
  await read(worker, 52);
  assert.equal(worker.values.filter((value) => value === large).length, 2);
});

test('topics are chosen by patterns, and new ones that match are taken up', options, async () => {
  const start = uniqueName('many');
  await createTopics(brokers, [`${start}.a`, `${start}.b`, `other.${start}.c`]);
  await produce(brokers, `${start}.a`, [{ value: 'a' }]);
  await produce(brokers, `other.${start}.c`, [{ value: 'c' }]);
  const settings = { brokers, topics: [`${start}.*`], group: uniqueName('group'), startAt: 'latest' };
  await using worker = await startWorker({ settings });
  await waitFor(() => worker.parts.length === 2, { ...LIMIT, message: 'both topics are read' });
  await produce(brokers, `${start}.b`, [{ value: 'b' }]);
  await createTopics(brokers, [`${start}.d`]);
  // Everything in a topic that is new is read, although the start is at the latest.
  await produce(brokers, `${start}.d`, [{ value: 'd' }]);
  await read(worker, 2);
  assert.deepEqual(new Set(worker.values), new Set(['b', 'd']));
});

test('a topic that does not exist yet is waited for', options, async () => {
  const topic = uniqueName('later');
  await using worker = await startWorker({ settings: { brokers, topics: [topic], group: uniqueName('group') } });
  await waitFor(() => worker.isCaughtUp, { ...LIMIT, message: 'there is nothing to read' });
  await createTopics(brokers, [topic]);
  await produce(brokers, topic, [{ value: 'first' }]);
  await read(worker, 1);
  assert.deepEqual(worker.values, ['first']);
});

test(
  'the start is at the latest message or at a time where that is asked for, and holds from then on',
  options,
  async () => {
    const { topic, settings } = await prepare(numbered(0, 5));
    const latest = { ...settings, startAt: 'latest' };
    {
      await using worker = await startWorker({ settings: latest });
      assert.equal(await readAll(worker), 0);
    }
    const time = new Date().toISOString();
    await produce(brokers, topic, numbered(5, 8));
    {
      await using worker = await startWorker({ settings: latest });
      await read(worker, 3);
      assert.deepEqual(worker.values, ['5', '6', '7']);
    }
    const atTime = { ...settings, group: uniqueName('group'), startAt: { time } };
    await using worker = await startWorker({ settings: atTime });
    await read(worker, 3);
    assert.deepEqual(worker.values, ['5', '6', '7']);
  },
);

test('deleted messages stop the reading, or are skipped where that is asked for', options, async () => {
  const { topic, settings } = await prepare(numbered(0, 10));
  {
    await using worker = await startWorker({ settings, acknowledge: false });
    await read(worker, 10);
  }
  await deleteBefore(brokers, topic, 4);
  {
    await using worker = await startWorker({ settings });
    await waitFor(() => worker.error, { ...LIMIT, message: 'it has failed' });
    assert.deepEqual(worker.seen, []);
    const { kind, code, message } = worker.error as Record<string, string>;
    assert.deepEqual([kind, code], ['position-lost', 'kafka.position-lost']);
    assert.match(message ?? '', /messages 0 to 3/);
  }
  await using worker = await startWorker({ settings, context: { onPositionLost: 'skip' } });
  await read(worker, 6);
  assert.deepEqual(worker.values, ['4', '5', '6', '7', '8', '9']);
  assert.ok(worker.source.gap !== undefined);
});

test('a worker without partitions waits and says that there is nothing to do', options, async () => {
  const { settings } = await prepare(numbered(0, 3));
  await using first = await startWorker({ settings });
  await read(first, 3);
  await using second = await startWorker({ settings });
  await waitFor(() => second.batches.length > 5 && second.isCaughtUp, { ...LIMIT, message: 'there are heartbeats' });
  assert.deepEqual([second.parts, second.seen], [[], []]);
});

test('a snapshot instead of lost messages is refused with what to do', options, async () => {
  const { settings } = await prepare();
  await assert.rejects(startWorker({ settings, context: { onPositionLost: 'resnapshot' } }), {
    kind: 'config',
    code: 'kafka.no-snapshots',
  });
});
