import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Producer } from 'kafkajs';
import { kafkajsClient } from '../../src/testing/kafkajs-client.ts';
import { HttpEndpoint } from '../../src/testing/servers/http-endpoint.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { type RunningPipelines, type WorkerBed, workerBed } from '../worker-bed.ts';

const STALLED_MS = 180_000;
const MESSAGES = 400;
const PARTITIONS = 4;

/** The parts that a worker has, asked for until it answers. */
async function partsOf(worker: RunningPipelines, name: string): Promise<readonly string[]> {
  const { sourceOffsets } = await worker.waitFor(name, () => true);
  return sourceOffsets.map(({ part }) => part).toSorted();
}

test('an endpoint that answers nothing for three minutes costs no worker its place, and nothing comes twice', {
  timeout: 900_000,
}, async () => {
  const brokers = await testKafka();
  await using bed = await workerBed();
  await using endpoint = await HttpEndpoint.start();
  const topic = `stalled.${bed.id}`;
  const kafka = kafkajsClient({ brokers });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  try {
    await stall({ bed, brokers, endpoint, topic, producer });
  } finally {
    await producer.disconnect();
  }
});

interface Ground {
  readonly bed: WorkerBed;
  readonly brokers: readonly string[];
  readonly endpoint: HttpEndpoint;
  readonly topic: string;
  readonly producer: Producer;
}

async function stall({ bed, brokers, endpoint, topic, producer }: Ground): Promise<void> {
  const held: (() => void)[] = [];
  let holding = true;
  endpoint.answering = () => (response) => {
    const answer = () => response.writeHead(204).end();
    if (holding) held.push(answer);
    else answer();
  };
  // Part of the name of the group, which nobody else may join.
  const name = `stalled-${bed.id}`;
  const worker = {
    source: { kafka: { brokers, topics: [topic], format: 'document' } },
    sink: { webhook: { url: `${endpoint.origin}/hook`, allowHttp: true, allowPrivate: true, timeout: '10m' } },
  };
  await using first = await bed.start({ [name]: worker });
  await using second = await bed.start({ [name]: worker });
  const both = async () => [await partsOf(first, name), await partsOf(second, name)];
  const shared = async () => (await both()).every((parts) => parts.length === PARTITIONS / 2);
  await waitFor(shared, { timeoutMs: 120_000, intervalMs: 200, message: 'each has its share' });
  const before = await both();
  await producer.send({
    topic,
    messages: Array.from({ length: MESSAGES }, (_, n) => ({
      key: JSON.stringify({ _id: n }),
      value: JSON.stringify({ _id: n }),
      partition: n % PARTITIONS,
    })),
  });
  await waitFor(() => held.length >= 2, { timeoutMs: 120_000, message: 'requests hang' });
  const end = Date.now() + STALLED_MS;
  while (Date.now() < end) {
    await delay(5_000);
    assert.deepEqual(await both(), before, 'nobody lost a partition');
  }
  const offsets = await committed(brokers, topic, `sluice-${name}`);
  assert.ok(
    offsets.every((offset) => offset <= 0),
    `something was committed before it was taken: ${offsets.join()}`,
  );
  holding = false;
  for (const answer of held) answer();
  await waitFor(() => endpoint.requests.length >= MESSAGES, { timeoutMs: 120_000, message: 'everything is taken' });
  const ids = endpoint.requests.map(({ headers }) => headers['webhook-id']);
  assert.equal(new Set(ids).size, MESSAGES);
  assert.equal(ids.length, MESSAGES, 'nothing came twice');
  for (const { process } of [first, second]) assert.equal((await process.end('SIGTERM')).code, 0);
}

/** Offsets that the group of the workers has committed in the topic. */
async function committed(brokers: readonly string[], topic: string, groupId: string): Promise<readonly number[]> {
  const admin = kafkajsClient({ brokers }).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return (found?.partitions ?? []).map(({ offset }) => Number(offset));
  } finally {
    await admin.disconnect();
  }
}
