import { randomUUID } from 'node:crypto';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { type Ground, loadGround, measureLive, shown } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { median, round } from './statistics.ts';

export { DEFAULT_EVENTS } from './live.ts';

/**
 * MongoDB → MongoDB without a broker: changes against a bulk-write loop of the driver with the same documents, and a
 * copy of the collection against `insertMany` with four in flight.
 */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using source = await startMongo();
  await using target = await startMongo();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(source.uri, { directory: directory.path, events, child });
  const alone = (mode: 'upsert' | 'insert') =>
    child<Measurement>('mongo-apply', [source.uri, target.uri, mode, events]);
  const results: object[] = [];
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const sink = (id: string) => ({ mongodb: { uri: target.uri, database: id, delivery } });
    const live = { bench: 'mongodb', delivery, sink, ceiling: () => alone('upsert') };
    results.push(await measureLive(ground, live, { runs, say }));
  }
  results.push(await measureCopy(ground, { target: target.uri, ceiling: () => alone('insert') }, { runs, say }));
  return results;
}

interface CopyTarget {
  readonly target: string;
  ceiling(): Promise<Measurement>;
}

async function measureCopy(
  ground: Ground,
  { target, ceiling }: CopyTarget,
  { runs, say }: Pick<BenchOptions, 'runs' | 'say'>,
): Promise<object> {
  const ceilings: Measurement[] = [];
  const copies: Measurement[] = [];
  for (let run = 1; run <= runs; run++) {
    const alone = await ceiling();
    const copy = await copyOnce(ground, target);
    ceilings.push(alone);
    copies.push(copy);
    say(`copy ${run}/${runs}: ceiling ${shown(alone)}, copy ${shown(copy)}`);
  }
  const of = (from: readonly Measurement[], field: keyof Measurement) => median(from.map((one) => one[field]));
  return {
    bench: 'mongodb',
    delivery: 'at-least-once',
    mode: 'snapshot',
    events: ground.events,
    eventsPerSecond: Math.round(of(copies, 'eventsPerSecond')),
    cpuMicrosPerEvent: round(of(copies, 'cpuMicrosPerEvent'), 2),
    peakRssMiB: Math.round(of(copies, 'peakRssMiB')),
    ceilingEventsPerSecond: Math.round(of(ceilings, 'eventsPerSecond')),
    ceilingCpuMicrosPerEvent: round(of(ceilings, 'cpuMicrosPerEvent'), 2),
    ratio: round(of(copies, 'eventsPerSecond') / of(ceilings, 'eventsPerSecond'), 3),
  };
}

async function copyOnce({ mongo, directory, events, child }: Ground, target: string): Promise<Measurement> {
  const id = `copy-${randomUUID().slice(0, 8)}`;
  const mongodb = { uri: mongo, include: ['shop.orders'], snapshot: 'initial' };
  const pipelines = { [id]: { source: { mongodb }, sink: { mongodb: { uri: target, database: id } } } };
  const config = await writeConfig(directory, { version: 1, pipelines });
  return child<Measurement>('snapshot-run', [config, 'sink', events]);
}
