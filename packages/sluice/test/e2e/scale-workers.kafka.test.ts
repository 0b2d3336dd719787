import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { readTopic } from '../../src/testing/kafka-reader.ts';
import { startOracle } from '../../src/testing/oracle.ts';
import { type Random, testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { isReady } from '../pipeline-bed.ts';
import { type RunningPipelines, type WorkerBed, workerBed } from '../worker-bed.ts';

/** What a worker may deliver again after `kill -9`: what was acknowledged and not yet committed, and what was in flight. */
const REPEATED_PER_KILL = 500;

interface Ground {
  readonly bed: WorkerBed;
  readonly brokers: readonly string[];
  readonly random: Random;
  startWorker(): Promise<RunningPipelines>;
}

/**
 * Changes go through one topic, workers copy it into another one, and what arrives there is compared with what happened
 * at the source: kafka → kafka, because a log shows what a table hides.
 */
async function throughWorkers(
  t: { diagnostic(message: string): void },
  scale: (ground: Ground) => Promise<readonly RunningPipelines[]>,
): Promise<number> {
  const random = testRandom(t);
  const [mongo, brokers] = await Promise.all([testMongo(), testKafka()]);
  await using bed = await workerBed();
  const [db, first, second] = [`scale_${bed.id}`, `scale-${bed.id}-a`, `scale-${bed.id}-b`];
  const createTopics = { partitions: 6, replicationFactor: 1 };
  const exactly = { topic: first, delivery: 'exactly-once' };
  const source = { mongodb: { uri: mongo, include: [`${db}.*`], maxAwaitTime: '200ms' } };
  await using oracle = await startOracle({ uri: mongo, db });
  await using reader = await bed.start({
    [`reader-${bed.id}`]: { source, sink: { kafka: { brokers, createTopics, ...exactly } } },
  });
  await reader.waitFor(`reader-${bed.id}`, isReady);
  const worker = {
    source: { kafka: { brokers, topics: [first], group: first, topicRefresh: '1s' } },
    sink: { kafka: { brokers, topic: second, createTopics } },
  };
  const stop = new AbortController();
  const load = { uri: mongo, db, writers: 10, keys: 200, seed: random.seed, pauseMs: 15 };
  const writing = runWorkload(load, stop.signal);
  let left: readonly RunningPipelines[] = [];
  try {
    left = await scale({ bed, brokers, random, startWorker: () => bed.start({ worker }) });
    stop.abort();
    await writing;
    const expected = await oracle.settle();
    const arrived = async () => {
      const records = await readTopic({ brokers }, second);
      return records.map(({ headers, partition }) => ({ id: headers['sluice.id'] ?? 'no id', place: partition }));
    };
    const all = async () => new Set((await arrived()).map(({ id }) => id)).size >= expected.length;
    await waitFor(all, { timeoutMs: 240_000, intervalMs: 1_000, message: 'everything arrives', retryErrors: true });
    const duplicates = assertDelivered(expected, await arrived(), 'at-least-once');
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
    assert.ok(expected.length > 1_000, `only ${expected.length} events were written`);
    return duplicates;
  } finally {
    stop.abort();
    await writing;
    for (const process of left) await process[Symbol.asyncDispose]();
  }
}

const delivers = (worker: RunningPipelines) =>
  worker.waitFor('worker', ({ counts, sourceOffsets }) => counts.delivered > 0 && sourceOffsets.length > 0);

test('workers scaled 1, 3, 1 under load lose, repeat and reorder nothing', { timeout: 900_000 }, async (t) => {
  const duplicates = await throughWorkers(t, async ({ startWorker }) => {
    const first = await startWorker();
    await delivers(first);
    const more = await Promise.all([startWorker(), startWorker()]);
    for (const worker of more) await delivers(worker);
    await delay(3_000);
    for (const worker of [first, more[0]]) {
      const exit = await worker?.process.end('SIGTERM');
      assert.equal(exit?.code, 0, worker?.process.stderr.slice(-2_000));
      await delay(1_000);
    }
    await more[1]?.waitFor('worker', ({ sourceOffsets }) => sourceOffsets.length === 6);
    return more.slice(1);
  });
  assert.equal(duplicates, 0);
});

const KILLS = 8;

test(`kill -9 of workers at ${KILLS} random points loses and reorders nothing`, { timeout: 900_000 }, async (t) => {
  const duplicates = await throughWorkers(t, async ({ startWorker, random }) => {
    const workers = await Promise.all([startWorker(), startWorker(), startWorker()]);
    for (let kill = 0; kill < KILLS; kill++) {
      const index = random.int(workers.length);
      const victim = workers[index] as RunningPipelines;
      if (kill % 2 === 0) await delivers(victim);
      await delay(random.next() * 1_500);
      const exit = await victim.process.end('SIGKILL');
      assert.equal(exit.signal, 'SIGKILL', `it ended by itself: ${victim.process.stderr.slice(-2_000)}`);
      workers[index] = await startWorker();
    }
    return workers;
  });
  assert.ok(duplicates <= KILLS * REPEATED_PER_KILL, `${duplicates} duplicates are more than what was in flight`);
});
