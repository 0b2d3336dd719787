import { randomUUID } from 'node:crypto';
import type { ObjectId, Timestamp } from 'mongodb';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import type { CompiledBench } from './compiled-bench.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { loadOrders, withClient } from './orders.ts';
import { median, round } from './statistics.ts';
import { insertWhile } from './steady-writes.ts';

const LATENCY_SECONDS = 10;

/** Orders that are delivered when nothing else is asked for. */
export const DEFAULT_EVENTS = 200_000;

/** What a stream is delivered from, and with what. */
export interface Ground {
  readonly mongo: string;
  readonly directory: string;
  /** Where the stream of all orders begins. */
  readonly start: Timestamp;
  readonly events: number;
  readonly child: CompiledBench;
}

/** A sink to be measured. */
export interface LiveTarget {
  readonly bench: string;
  readonly delivery: 'at-least-once' | 'exactly-once';
  /** The `sink` section of a pipeline with this id. */
  readonly sink: (id: string) => object;
  /** The `source` section; without it the change stream of the orders. With it no latency is measured. */
  readonly source?: (id: string) => object;
  /** What it is measured against; without it the change stream, drained into nothing. */
  readonly ceiling?: () => Promise<Measurement>;
}

/** Loads the orders whose changes are delivered. */
export async function loadGround(
  mongo: string,
  parts: Pick<Ground, 'directory' | 'events' | 'child'>,
): Promise<Ground> {
  const start = await withClient(mongo, async (client) => {
    const { operationTime } = await client.db('admin').command({ ping: 1 });
    await loadOrders(client.db('shop').collection<{ _id: ObjectId }>('orders'), parts.events);
    return operationTime as Timestamp;
  });
  return { mongo, start, ...parts };
}

/** Ceiling and pipeline alternate, each in a process of its own; then the latency at a steady pace. */
export async function measureLive(
  ground: Ground,
  target: LiveTarget,
  { runs, say }: Pick<BenchOptions, 'runs' | 'say'>,
): Promise<{ readonly eventsPerSecond: number }> {
  const drains: Measurement[] = [];
  const pipelines: Measurement[] = [];
  const { t, i } = { t: ground.start.getHighBits() >>> 0, i: ground.start.getLowBits() >>> 0 };
  const drainOnce = () => ground.child<Measurement>('drain', [ground.mongo, 'shop', 'orders', t, i, ground.events]);
  for (let run = 1; run <= runs; run++) {
    const drain = await (target.ceiling ?? drainOnce)();
    const config = await configure(ground, target, { clusterTime: `${t},${i}` });
    const pipeline = await ground.child<Measurement>('pipeline', [config, ground.events]);
    drains.push(drain);
    pipelines.push(pipeline);
    say(`${target.delivery} ${run}/${runs}: ceiling ${shown(drain)}, pipeline ${shown(pipeline)}`);
  }
  const latency = target.source === undefined ? await measureLatency(ground, target) : undefined;
  const of = (from: Measurement[], field: keyof Measurement) => median(from.map((one) => one[field]));
  return {
    bench: target.bench,
    delivery: target.delivery,
    events: ground.events,
    eventsPerSecond: Math.round(of(pipelines, 'eventsPerSecond')),
    cpuMicrosPerEvent: round(of(pipelines, 'cpuMicrosPerEvent'), 2),
    peakRssMiB: Math.round(of(pipelines, 'peakRssMiB')),
    ceilingEventsPerSecond: Math.round(of(drains, 'eventsPerSecond')),
    ceilingCpuMicrosPerEvent: round(of(drains, 'cpuMicrosPerEvent'), 2),
    ratio: round(of(pipelines, 'eventsPerSecond') / of(drains, 'eventsPerSecond'), 3),
    ...(latency === undefined ? {} : { latencyP50Ms: latency.p50Ms, latencyP99Ms: latency.p99Ms }),
  } as { readonly eventsPerSecond: number };
}

interface Latency {
  readonly events: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Writes at a steady pace while the pipeline follows from now on. */
async function measureLatency(ground: Ground, target: LiveTarget): Promise<Latency> {
  const config = await configure(ground, target, 'now');
  return insertWhile(ground.mongo, () => ground.child<Latency>('pipeline', [config, 'latency', LATENCY_SECONDS]));
}

async function configure(ground: Ground, target: LiveTarget, startAt: unknown): Promise<string> {
  const id = `bench-${randomUUID().slice(0, 8)}`;
  const mongodb = { uri: ground.mongo, include: ['shop.orders'], startAt };
  const source = target.source?.(id) ?? { mongodb };
  const pipelines = { [id]: { source, sink: target.sink(id) } };
  return writeConfig(ground.directory, { version: 1, pipelines });
}

/** A measurement in one line. */
export function shown({ eventsPerSecond, cpuMicrosPerEvent, peakRssMiB }: Measurement): string {
  return `${Math.round(eventsPerSecond)}/s ${round(cpuMicrosPerEvent, 2)} µs ${Math.round(peakRssMiB)} MiB`;
}
