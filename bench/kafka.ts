import { randomUUID } from 'node:crypto';
import type { ObjectId, Timestamp } from 'mongodb';
import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { type CompiledBench, compileBench } from './compiled-bench.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { loadOrders, withClient } from './orders.ts';
import { median, round } from './statistics.ts';
import { writeWhile } from './steady-writes.ts';

/** Orders that are delivered when nothing else is asked for. */
export const DEFAULT_EVENTS = 200_000;

const LATENCY_SECONDS = 10;

interface Latency {
  readonly events: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Ground {
  readonly mongo: string;
  readonly brokers: readonly string[];
  readonly directory: string;
  readonly start: Timestamp;
  readonly events: number;
  readonly child: CompiledBench;
}

/** MongoDB → Kafka: a raw drain and the pipeline alternate in processes of their own; medians and ratios of one run. */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using mongo = await startMongo();
  await using kafka = await startKafka();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const start = await withClient(mongo.uri, async (client) => {
    const { operationTime } = await client.db('admin').command({ ping: 1 });
    await loadOrders(client.db('shop').collection<{ _id: ObjectId }>('orders'), events);
    return operationTime as Timestamp;
  });
  const ground: Ground = { mongo: mongo.uri, brokers: kafka.brokers, directory: directory.path, start, events, child };
  const results: object[] = [];
  for (const delivery of ['at-least-once', 'exactly-once'] as const)
    results.push(await measureDelivery(ground, { delivery, runs, say }));
  return results;
}

type Delivery = 'at-least-once' | 'exactly-once';

async function measureDelivery(
  ground: Ground,
  { delivery, runs, say }: { delivery: Delivery; runs: number; say: BenchOptions['say'] },
): Promise<object> {
  const drains: Measurement[] = [];
  const pipelines: Measurement[] = [];
  for (let run = 1; run <= runs; run++) {
    const { t, i } = { t: ground.start.getHighBits(), i: ground.start.getLowBits() };
    const drain = await ground.child<Measurement>('drain', [ground.mongo, 'shop', 'orders', t, i, ground.events]);
    const config = await configure(ground, { delivery, startAt: { clusterTime: `${t >>> 0},${i >>> 0}` } });
    const pipeline = await ground.child<Measurement>('pipeline', [config, ground.events]);
    drains.push(drain);
    pipelines.push(pipeline);
    say(`${delivery} ${run}/${runs}: ceiling ${shown(drain)}, pipeline ${shown(pipeline)}`);
  }
  const latency = await measureLatency(ground, delivery);
  const of = (from: Measurement[], field: keyof Measurement) => median(from.map((one) => one[field]));
  return {
    bench: 'kafka',
    delivery,
    events: ground.events,
    eventsPerSecond: Math.round(of(pipelines, 'eventsPerSecond')),
    cpuMicrosPerEvent: round(of(pipelines, 'cpuMicrosPerEvent'), 2),
    peakRssMiB: Math.round(of(pipelines, 'peakRssMiB')),
    ceilingEventsPerSecond: Math.round(of(drains, 'eventsPerSecond')),
    ceilingCpuMicrosPerEvent: round(of(drains, 'cpuMicrosPerEvent'), 2),
    ratio: round(of(pipelines, 'eventsPerSecond') / of(drains, 'eventsPerSecond'), 3),
    latencyP50Ms: latency.p50Ms,
    latencyP99Ms: latency.p99Ms,
  };
}

/** Writes at a steady pace while the pipeline follows from now on. */
async function measureLatency(ground: Ground, delivery: Delivery) {
  const config = await configure(ground, { delivery, startAt: 'now' });
  return writeWhile(ground.mongo, () => ground.child<Latency>('pipeline', [config, 'latency', LATENCY_SECONDS]));
}

async function configure(ground: Ground, options: { delivery: Delivery; startAt: unknown }): Promise<string> {
  const id = randomUUID().slice(0, 8);
  const source = { uri: ground.mongo, include: ['shop.orders'], startAt: options.startAt };
  const kafka = {
    brokers: ground.brokers,
    topic: `bench-${id}`,
    delivery: options.delivery,
    createTopics: { partitions: 6, replicationFactor: 1 },
  };
  return writeConfig(ground.directory, {
    version: 1,
    pipelines: { [`bench-${id}`]: { source: { mongodb: source }, sink: { kafka } } },
  });
}

function shown({ eventsPerSecond, cpuMicrosPerEvent, peakRssMiB }: Measurement): string {
  return `${Math.round(eventsPerSecond)}/s ${round(cpuMicrosPerEvent, 2)} µs ${Math.round(peakRssMiB)} MiB`;
}
