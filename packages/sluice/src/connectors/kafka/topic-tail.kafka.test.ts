import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { isAbort, type SluiceError } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import { kafkajsClient } from '../../testing/kafkajs-client.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { addPartitions, createTopics, deleteBefore, deleteTopics, produce, sourceConfig } from './source-fixture.ts';
import { type TailedMessage, type TopicNews, tailTopic } from './topic-tail.ts';

const LIMIT = { timeout: 300_000 };
const made: string[] = [];

after(async () => {
  if (made.length > 0) await deleteTopics(await testKafka(), made);
});

async function newTopic(partitions = 1): Promise<{ brokers: readonly string[]; topic: string }> {
  const brokers = await testKafka();
  const topic = `tail-${randomUUID()}`;
  await createTopics(brokers, [topic], { partitions });
  made.push(topic);
  return { brokers, topic };
}

interface Following extends AsyncDisposable {
  readonly news: readonly TopicNews[];
  readonly messages: readonly TailedMessage[];
  /** Offsets by partition, each time the end was reached. */
  readonly ends: readonly (readonly number[])[];
  readonly error: unknown;
  until(condition: () => boolean): Promise<unknown>;
}

/** Follows a topic until it is disposed. */
function follow(settings: Record<string, unknown>): Following {
  const news: TopicNews[] = [];
  const stop = new AbortController();
  let error: unknown;
  const reading = (async () => {
    try {
      const config = sourceConfig(settings);
      for await (const one of tailTopic({ config, logger: silentLogger }, stop.signal)) news.push(one);
    } catch (cause) {
      if (!isAbort(cause, stop.signal)) error = cause;
    }
  })();
  return {
    news,
    get messages() {
      return news.flatMap((one) => (one.kind === 'messages' ? one.messages : []));
    },
    get ends() {
      return news.flatMap((one) => (one.kind === 'end' ? [one.partitions.map(({ offset }) => offset)] : []));
    },
    get error() {
      return error;
    },
    until: (condition) =>
      waitFor(() => error !== undefined || condition(), { timeoutMs: 60_000, message: 'the news came' }),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}

const valuesOf = (messages: readonly TailedMessage[]) =>
  messages.map(({ partition, sequence, value }) => `${partition}@${sequence} ${value === null ? null : String(value)}`);

test('all partitions are read in their order, and each time the end is reached that is said once', LIMIT, async () => {
  const { brokers, topic } = await newTopic(2);
  const sent = [0, 1, 2].map((value) => ({ key: 'k', value: `${value}`, partition: 0 }));
  await produce(brokers, topic, [...sent, { value: null, key: 'gone', partition: 1, headers: { a: 'b' } }]);
  await using tail = follow({ brokers, topics: [topic] });
  await tail.until(() => tail.ends.length === 1);
  assert.equal(tail.error, undefined);
  assert.deepEqual(valuesOf(tail.messages).sort(), ['0@0 0', '0@1 1', '0@2 2', '1@0 null']);
  assert.deepEqual(tail.ends, [[3, 1]]);
  const [tombstone] = tail.messages.filter(({ value }) => value === null);
  assert.ok(tombstone !== undefined);
  assert.ok(tombstone.place.startsWith(`${topic}/1@0#`));
  assert.equal(String(tombstone.headers.get('a')), 'b');
  await produce(brokers, topic, [{ value: 'more', partition: 1 }]);
  await tail.until(() => tail.ends.length === 2);
  assert.deepEqual(tail.ends, [
    [3, 1],
    [3, 2],
  ]);
  assert.equal(tail.news.at(-1)?.kind, 'end');
});

test('it joins no group and commits nothing', LIMIT, async () => {
  const { brokers, topic } = await newTopic();
  await produce(brokers, topic, [{ value: 'x' }]);
  const group = `tail-${randomUUID()}`;
  await using tail = follow({ brokers, topics: [topic], group });
  await tail.until(() => tail.ends.length === 1);
  const admin = kafkajsClient({ brokers }).admin();
  await admin.connect();
  try {
    const { groups } = await admin.listGroups();
    const names = groups.map(({ groupId }) => groupId);
    assert.ok(!names.includes(group) && !names.includes(`sluice-${topic}`), names.join());
  } finally {
    await admin.disconnect();
  }
});

test('from latest it shows only what comes; an empty topic has an end too', LIMIT, async () => {
  const { brokers, topic } = await newTopic();
  await produce(brokers, topic, [{ value: 'old' }]);
  await using tail = follow({ brokers, topics: [topic], startAt: 'latest' });
  await tail.until(() => tail.ends.length === 1);
  await produce(brokers, topic, [{ value: 'new' }]);
  await tail.until(() => tail.ends.length === 2);
  assert.deepEqual(valuesOf(tail.messages), ['0@1 new']);
  const empty = await newTopic(3);
  await using nothing = follow({ brokers, topics: [empty.topic] });
  await nothing.until(() => nothing.ends.length === 1);
  assert.deepEqual(nothing.ends, [[0, 0, 0]]);
});

test('it begins behind messages that were deleted, and takes up partitions that come later', LIMIT, async () => {
  const { brokers, topic } = await newTopic();
  await produce(
    brokers,
    topic,
    ['a', 'b', 'c'].map((value) => ({ value })),
  );
  await deleteBefore(brokers, topic, 2);
  await using tail = follow({ brokers, topics: [topic] });
  await tail.until(() => tail.ends.length === 1);
  assert.deepEqual(valuesOf(tail.messages), ['0@2 c']);
  await addPartitions(brokers, topic, 2);
  await produce(brokers, topic, [{ value: 'd', partition: 1 }]);
  await tail.until(() => tail.messages.some(({ partition }) => partition === 1));
  await tail.until(() => tail.ends.at(-1)?.length === 2);
  assert.equal(tail.error, undefined);
});

test('a topic that does not exist is an error that says what to do', LIMIT, async () => {
  const brokers = await testKafka();
  await using tail = follow({ brokers, topics: [`no-${randomUUID()}`] });
  await tail.until(() => false);
  const { kind, code, hint } = tail.error as SluiceError;
  assert.deepEqual([kind, code], ['config', 'kafka.topic-missing']);
  assert.match(hint ?? '', /pipeline that writes it/);
});
