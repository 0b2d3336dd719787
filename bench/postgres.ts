import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { startPostgres } from '../packages/sluice/src/testing/servers/postgres.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { measureCopy } from './copy.ts';
import { loadGround, measureLive } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';

export { DEFAULT_EVENTS } from './live.ts';

/**
 * MongoDB → PostgreSQL: changes with both deliveries, and a copy of the collection, against a bare loop of guarded upserts
 * of 1,000 rows over one connection, with the same documents. The sink fills columns for the fields of the documents, too,
 * as it usually does; the loop has none.
 */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using source = await startMongo();
  await using target = await startPostgres();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(source.uri, { directory: directory.path, events, child });
  const ceiling = () => child<Measurement>('postgres-upsert', [source.uri, target.uri, events]);
  const results: object[] = [];
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const sink = (id: string) => ({ postgres: { uri: target.uri, schema: id, delivery } });
    results.push(await measureLive(ground, { bench: 'postgres', delivery, sink, ceiling }, { runs, say }));
  }
  const sink = (id: string) => ({ postgres: { uri: target.uri, schema: id } });
  results.push(await measureCopy(ground, { bench: 'postgres', sink, ceiling }, { runs, say }));
  return results;
}
