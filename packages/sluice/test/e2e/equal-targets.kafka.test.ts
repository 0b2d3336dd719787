import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { mixedId } from '../../src/testing/mixed-ids.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { type MongoServer, startMongo } from '../../src/testing/servers/mongo.ts';
import { primaryOf, stepDown } from '../../src/testing/servers/mongo-admin.ts';
import { testNats } from '../../src/testing/servers/nats.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { isReady } from '../pipeline-bed.ts';
import { type RunningPipelines, stateText, waitUntilSame, workerBed } from '../worker-bed.ts';

const WRITING_MS = 180_000;
const CALM_MS = 240_000;
const WORKERS = 3;
const COLLECTIONS = ['items', 'orders'];

test('three minutes of mixed writes: directly, through Kafka and through NATS the target is equal', {
  timeout: 1_500_000,
}, async (t) => {
  const random = testRandom(t);
  const [brokers, servers] = await Promise.all([testKafka(), testNats()]);
  await using source = await startMongo();
  await using target = await startMongo({ members: 3 });
  await using bed = await workerBed();
  const db = `mixed_${bed.id}`;
  const topic = `mixed-${bed.id}`;
  const changes = { mongodb: { uri: source.uri, include: [`${db}.*`], snapshot: 'initial', maxAwaitTime: '200ms' } };
  const into = (name: string) => ({ mongodb: { uri: target.uri, database: `${name}_${bed.id}` } });
  const createTopics = { partitions: 6, replicationFactor: 1 };
  const format = { name: 'change', json: 'canonical' };
  await using readers = await bed.start({
    direct: { source: changes, sink: into('direct') },
    'to-kafka': { source: changes, sink: { kafka: { brokers, topic, format, createTopics } } },
    'to-nats': { source: changes, sink: { nats: { servers, stream: topic, subject: `${topic}.{coll}`, format } } },
  });
  for (const name of ['direct', 'to-kafka', 'to-nats']) await readers.waitFor(name, isReady);
  const kafka = { brokers, topics: [topic], group: topic, topicRefresh: '1s' };
  const startWorker = () => bed.start({ 'from-kafka': { source: { kafka }, sink: into('kafka') } });
  const workers: RunningPipelines[] = [];
  await using _disposal = { [Symbol.asyncDispose]: () => endAll(workers) };
  for (let worker = 0; worker < WORKERS; worker++) workers.push(await startWorker());
  await using nats = await bed.start({
    'from-nats': { source: { nats: { servers, stream: topic, durable: topic } }, sink: into('nats') },
  });
  await nats.waitFor('from-nats', ({ state }) => state === 'running');
  const stop = new AbortController();
  const load = { uri: source.uri, db, collections: COLLECTIONS, writers: 4, keys: 400, pauseMs: 20, idOf: mixedId };
  const writing = runWorkload({ ...load, seed: random.seed }, stop.signal);
  try {
    const end = Date.now() + WRITING_MS;
    for (let round = 0; Date.now() < end; round++) {
      await delay(8_000 + random.next() * 8_000);
      const victim = workers.splice(random.int(workers.length), 1)[0];
      await victim?.process.end(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      if (round % 4 === 1) await stepDown(target);
      if (round % 4 === 3) await killPrimary(target);
      workers.push(await startWorker());
    }
  } finally {
    stop.abort();
    await writing;
  }
  const { ok } = await writing;
  assert.ok(ok > 1_000, `only ${ok} writes`);
  const documents = await countOf(source.uri, db);
  t.diagnostic(`${ok} writes, ${documents} documents left`);
  try {
    for (const name of ['direct', 'kafka', 'nats']) {
      await waitUntilSame({
        source: { uri: source.uri, db },
        target: { uri: target.uri, db: `${name}_${bed.id}` },
        collections: COLLECTIONS,
        timeoutMs: CALM_MS,
      });
    }
  } catch (cause) {
    const texts = [
      await stateText(readers, ['direct', 'to-kafka', 'to-nats']),
      ...(await Promise.all(workers.map((worker) => stateText(worker, ['from-kafka'])))),
      await stateText(nats, ['from-nats']),
    ];
    throw new Error(`${(cause as Error).message}\n${texts.join('\n')}`, { cause });
  }
});

async function killPrimary(target: MongoServer): Promise<void> {
  const primary = await primaryOf(target);
  await primary.kill();
  await primaryOf(target);
  await primary.start();
}

async function endAll(workers: readonly RunningPipelines[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
}

async function countOf(uri: string, db: string): Promise<number> {
  const client = await MongoClient.connect(uri);
  try {
    const counts = COLLECTIONS.map((coll) => client.db(db).collection(coll).countDocuments());
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  } finally {
    await client.close();
  }
}
