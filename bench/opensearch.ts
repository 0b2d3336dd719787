import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { startSearch } from '../packages/sluice/src/testing/servers/search.ts';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { measureCopy } from './copy.ts';
import { type Ground, loadGround, measureLive } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';

/** Orders that are delivered when nothing else is asked for. */
export const DEFAULT_EVENTS = 150_000;

/** What an index is given when it is made, and another one cannot be made with. */
const OF_ONE_INDEX: ReadonlySet<string> = new Set(['creation_date', 'uuid', 'version', 'provided_name']);

/**
 * MongoDB → OpenSearch: changes, and a copy of the collection, against bare bulk requests with the same documents, three in
 * flight, into an index with the settings and mapping that the sink makes.
 */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using source = await startMongo();
  await using search = await startSearch({ heap: '1g' });
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(source.uri, { directory: directory.path, events, child });
  const sink = (id: string) => ({ search: { nodes: [search.url], index: `${id}-{coll}` } });
  const definition = await definitionOf(ground, search.url, sink);
  const ceiling = () => child<Measurement>('search-bulk', [source.uri, search.url, definition, events]);
  const live = { bench: 'opensearch', delivery: 'at-least-once', sink, ceiling } as const;
  say('warming up');
  for (let warming = 0; warming < 2; warming++) await ceiling();
  const results: object[] = [await measureLive(ground, live, { runs, say })];
  results.push(await measureCopy(ground, { bench: 'opensearch', sink, ceiling }, { runs, say }));
  return results;
}

/** Settings and mappings of an index that the sink has made, in a file. */
async function definitionOf(ground: Ground, url: string, sink: (id: string) => object): Promise<string> {
  const id = `first-${randomUUID().slice(0, 8)}`;
  const mongodb = { uri: ground.mongo, include: ['shop.orders'], snapshot: 'initial' };
  const pipelines = { [id]: { source: { mongodb }, sink: sink(id) } };
  const config = await writeConfig(ground.directory, { version: 1, pipelines });
  await ground.child<Measurement>('snapshot-run', [config, 'sink', Math.min(ground.events, 1_000)]);
  const response = await fetch(`${url}/${id}-orders`);
  if (!response.ok) throw new Error(`the sink has made no index: ${response.status}`);
  const [made] = Object.values((await response.json()) as Record<string, MadeIndex>);
  if (made === undefined) throw new Error('the sink has made no index');
  const index = Object.fromEntries(Object.entries(made.settings.index).filter(([name]) => !OF_ONE_INDEX.has(name)));
  const path = join(ground.directory, 'index.json');
  await writeFile(path, JSON.stringify({ settings: { index }, mappings: made.mappings }));
  await fetch(`${url}/${id}-orders`, { method: 'DELETE' });
  return path;
}

interface MadeIndex {
  readonly mappings: object;
  readonly settings: { readonly index: Readonly<Record<string, unknown>> };
}
