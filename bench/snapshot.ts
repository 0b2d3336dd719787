import { randomUUID } from 'node:crypto';
import type { ObjectId } from 'mongodb';
import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { type CompiledBench, compileBench } from './compiled-bench.ts';
import { shown } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { loadOrders, withClient } from './orders.ts';
import { median, round } from './statistics.ts';
import { updateWhile } from './steady-writes.ts';

/** Documents that are copied when nothing else is asked for. */
export const DEFAULT_EVENTS = 1_000_000;

const PARTITIONS = 6;

interface Copied extends Measurement {
  readonly changes: number;
  readonly streamLagMaxMs: number;
}

interface Ground {
  readonly mongo: string;
  readonly brokers: readonly string[];
  readonly directory: string;
  readonly documents: number;
  readonly child: CompiledBench;
  readonly say: BenchOptions['say'];
}

/** What one target is measured against, and how it is copied into. */
interface Target {
  readonly name: 'null' | 'kafka';
  readonly delivery?: 'at-least-once' | 'exactly-once';
  /** How records look; without it the default, which writes every row as JSON. */
  readonly format?: object;
  ceiling(): Promise<Measurement>;
}

/** Copies of a collection into nothing and into Kafka, each alternating with its ceiling; medians and ratios of one run. */
export async function run({ events: documents, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using mongo = await startMongo();
  await using kafka = await startKafka();
  await using directory = await tempDir('bench');
  say(`loading ${documents} orders`);
  await withClient(mongo.uri, (client) =>
    loadOrders(client.db('shop').collection<{ _id: ObjectId }>('orders'), documents),
  );
  const ground = { mongo: mongo.uri, brokers: kafka.brokers, directory: directory.path, documents, child, say };
  const send = () => child<Measurement>('kafka-send', [kafka.brokers.join(','), PARTITIONS, documents]);
  const targets: Target[] = [
    { name: 'null', ceiling: () => child<Measurement>('raw-cursor', [mongo.uri, 'shop', 'orders']) },
    { name: 'kafka', delivery: 'at-least-once', ceiling: send },
    { name: 'kafka', delivery: 'at-least-once', format: { name: 'document', json: 'bson' }, ceiling: send },
    { name: 'kafka', delivery: 'exactly-once', ceiling: send },
  ];
  const results: object[] = [];
  for (const target of targets) results.push(await measureTarget(ground, target, runs));
  return results;
}

async function measureTarget(ground: Ground, target: Target, runs: number): Promise<object> {
  const ceilings: Measurement[] = [];
  const copies: Copied[] = [];
  const { documents, say } = ground;
  for (let run = 1; run <= runs; run++) {
    const ceiling = await target.ceiling();
    const copy = await copyOnce(ground, target);
    ceilings.push(ceiling);
    copies.push(copy);
    say(`${target.name} ${target.delivery ?? ''} ${run}/${runs}: ceiling ${shown(ceiling)}, copy ${shown(copy)}`);
  }
  const busy = await updateWhile(ground.mongo, () => copyOnce(ground, target));
  const of = (from: readonly Measurement[], field: keyof Measurement) => median(from.map((one) => one[field]));
  return {
    bench: 'snapshot',
    sink: target.name,
    ...(target.delivery === undefined ? {} : { delivery: target.delivery }),
    ...(target.format === undefined ? {} : { format: target.format }),
    documents,
    documentsPerSecond: Math.round(of(copies, 'eventsPerSecond')),
    cpuMicrosPerEvent: round(of(copies, 'cpuMicrosPerEvent'), 2),
    peakRssMiB: Math.round(of(copies, 'peakRssMiB')),
    ceilingEventsPerSecond: Math.round(of(ceilings, 'eventsPerSecond')),
    ceilingCpuMicrosPerEvent: round(of(ceilings, 'cpuMicrosPerEvent'), 2),
    ratio: round(of(copies, 'eventsPerSecond') / of(ceilings, 'eventsPerSecond'), 3),
    changesWhileCopying: busy.changes,
    streamLagMaxMs: Math.round(busy.streamLagMaxMs),
  };
}

async function copyOnce({ mongo, brokers, directory, documents, child }: Ground, target: Target): Promise<Copied> {
  const id = `copy-${randomUUID().slice(0, 8)}`;
  const kafka = {
    brokers,
    topic: id,
    ...(target.delivery === undefined ? {} : { delivery: target.delivery }),
    ...(target.format === undefined ? {} : { format: target.format }),
    createTopics: { partitions: PARTITIONS, replicationFactor: 1 },
  };
  // An update carries its document in every format.
  const source = { uri: mongo, include: ['shop.orders'], snapshot: 'initial', fullDocument: 'updateLookup' };
  const pipelines = { [id]: { source: { mongodb: source }, sink: { kafka } } };
  const config = await writeConfig(directory, { version: 1, pipelines });
  return child<Copied>('snapshot-run', [config, target.name === 'null' ? 'null' : 'sink', documents]);
}
