import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { measureCopy } from './copy.ts';
import { loadGround, measureLive } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';

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
  const copy = {
    bench: 'mongodb',
    sink: (id: string) => ({ mongodb: { uri: target.uri, database: id } }),
    ceiling: () => alone('insert'),
  };
  results.push(await measureCopy(ground, copy, { runs, say }));
  return results;
}
