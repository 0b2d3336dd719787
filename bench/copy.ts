import { randomUUID } from 'node:crypto';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { type Ground, shown } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { median, round } from './statistics.ts';

/** A sink that a collection is copied into. */
export interface CopyTarget {
  readonly bench: string;
  /** The `sink` section of a pipeline with this id. */
  readonly sink: (id: string) => object;
  readonly ceiling: () => Promise<Measurement>;
}

/** Ceiling and snapshot alternate, each in a process of its own. */
export async function measureCopy(
  ground: Ground,
  { bench, sink, ceiling }: CopyTarget,
  { runs, say }: Pick<BenchOptions, 'runs' | 'say'>,
): Promise<object> {
  const ceilings: Measurement[] = [];
  const copies: Measurement[] = [];
  for (let run = 1; run <= runs; run++) {
    const alone = await ceiling();
    const copy = await copyOnce(ground, sink);
    ceilings.push(alone);
    copies.push(copy);
    say(`copy ${run}/${runs}: ceiling ${shown(alone)}, copy ${shown(copy)}`);
  }
  const of = (from: readonly Measurement[], field: keyof Measurement) => median(from.map((one) => one[field]));
  return {
    bench,
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

async function copyOnce({ mongo, directory, events, child }: Ground, sink: CopyTarget['sink']): Promise<Measurement> {
  const id = `copy-${randomUUID().slice(0, 8)}`;
  const mongodb = { uri: mongo, include: ['shop.orders'], snapshot: 'initial' };
  const config = await writeConfig(directory, {
    version: 1,
    pipelines: { [id]: { source: { mongodb }, sink: sink(id) } },
  });
  return child<Measurement>('snapshot-run', [config, 'sink', events]);
}
