import { EJSON } from 'bson';
import type { Document } from 'mongodb';
import { type BsonValue, formatNamespace, type Namespace } from '../../../core/change-event.ts';
import { asSluiceError, isAbort } from '../../../core/failure.ts';
import { BatchSize } from '../batch-size.ts';
import { runCommand } from '../client.ts';
import type { Scope } from '../scope.ts';
import type { ChunkRead } from './aligner.ts';
import { type Catalog, listCollections } from './catalog.ts';
import { readChunk } from './chunk-reader.ts';
import { compareOnServer } from './collated-order.ts';
import type { Listed } from './plan.ts';
import type { SnapshotContext } from './raw-read.ts';
import { replicationLagSeconds } from './replication-lag.ts';
import type { ChunkResult } from './rows.ts';
import type { CollectionCopy, Interval } from './snapshot-state.ts';
import { estimatedCount, splitRanges } from './split-ranges.ts';

const MAX_ROWS_PER_READ = 20_000;
/** A range should be worth the question where it ends. */
const ROWS_PER_RANGE = 20_000;
const RANGES_PER_READER = 4;
const COUNTS_AT_ONCE = 8;
const LISTED_FROM = 'primaryPreferred';

/** What a snapshot asks of the server. */
export interface SnapshotServer {
  /** The collections of a scope that can be copied, with their sizes; and what cannot be. */
  list(scope: Scope): Promise<{ readonly collections: readonly Listed[]; readonly left: LeftOut }>;
  /** Rejects with what the server has against a query (canonical Extended JSON), as far as it tells without running it. */
  tryQuery(namespace: Namespace, match: string): Promise<void>;
  /** The ranges to copy a collection in. */
  split(copy: CollectionCopy): Promise<readonly Interval[]>;
  /** Reads the next chunk of an interval, of at most so many rows and about so many bytes. */
  read(read: ChunkRead, maxRows: number, maxBytes: number): Promise<ChunkResult>;
  /** Signs of the comparisons of keys with bounds, in the order of the collection's index. */
  compare(copy: CollectionCopy, keys: readonly BsonValue[], bounds: readonly BsonValue[]): Promise<number[][]>;
  /** Seconds that the majority is behind; undefined when unknown. */
  replicationLag(): Promise<number | undefined>;
}

/** `db.coll` of collections in the scope that cannot be copied. */
export interface LeftOut {
  /** Can be neither streamed nor copied. */
  readonly timeSeries: readonly string[];
  /** Can be streamed, but the server does not read them at a time. */
  readonly capped: readonly string[];
}

/** How collections are cut up. */
export interface CutSettings {
  readonly parallelism: number;
  readonly chunkBytes: number;
}

/** The real server. */
export function snapshotServer(context: SnapshotContext, settings: CutSettings): SnapshotServer {
  const sizes = new Map<string, BatchSize>();
  const sizeOf = (copy: CollectionCopy) => {
    const name = formatNamespace(copy.namespace);
    const size = sizes.get(name) ?? new BatchSize({ events: MAX_ROWS_PER_READ, bytes: settings.chunkBytes });
    sizes.set(name, size);
    return size;
  };
  return {
    async list(scope) {
      // Not by the read preference: a secondary that lags behind does not know of a collection that is new.
      const { collections, timeSeries } = await listCollections({ ...context, readPreference: LISTED_FROM }, scope);
      const capped = collections.filter(({ kind }) => kind === 'capped').map(({ db, coll }) => `${db}.${coll}`);
      const rest = collections.filter(({ kind }) => kind !== 'capped');
      return { collections: await withCounts(context, rest), left: { timeSeries, capped } };
    },
    async tryQuery(namespace, match) {
      const { client, readPreference, signal } = context;
      const filter = EJSON.parse(match, { relaxed: false }) as Document;
      const command = { explain: { find: namespace.coll, filter }, verbosity: 'queryPlanner' };
      const trying = { client, signal, phase: 'snapshot', doing: 'try the filter' } as const;
      await runCommand(trying, namespace.db, command, readPreference);
    },
    async split({ namespace, collation, clustered, estimatedRows }) {
      const wanted = Math.ceil((estimatedRows ?? 0) / ROWS_PER_RANGE);
      const pieces = Math.min(wanted, settings.parallelism * RANGES_PER_READER);
      // Each bound of a collection with a collation costs comparisons by the server.
      if (collation !== undefined || pieces < 2) return intervalsBetween([]);
      return intervalsBetween(await splitRanges(context, { ...namespace, clustered, pieces }));
    },
    async read({ copy, interval, at }, maxRows, maxBytes) {
      const size = sizeOf(copy);
      const { namespace, uuid, clustered } = copy;
      const match = copy.match === undefined ? undefined : (EJSON.parse(copy.match, { relaxed: false }) as Document);
      const rows = Math.max(1, Math.min(size.size, maxRows, Math.floor((size.size * maxBytes) / settings.chunkBytes)));
      const readAtMs = Date.now();
      const chunk = await readChunk(context, { ...namespace, uuid, clustered, ...interval, at, rows, match });
      size.observe(chunk.rows.length, chunk.bytes);
      const keys = match === undefined || chunk.next === undefined ? chunk.rows.length : rows;
      return { rows: chunk.rows, bytes: chunk.bytes, next: chunk.next && copied(chunk.next), readAtMs, keys };
    },
    compare: ({ namespace, collation }, keys, bounds) =>
      compareOnServer(context, { ...namespace, collation: EJSON.parse(collation ?? '{}') as Document, keys, bounds }),
    async replicationLag() {
      try {
        return await replicationLagSeconds(context);
      } catch (error) {
        // Only a look: what matters fails where documents are read.
        if (isAbort(error, context.signal)) throw error;
        return undefined;
      }
    },
  };
}

/** A bound outlives the answer that it was found in, and a slice would keep all of that alive. */
function copied({ type, bytes }: BsonValue): BsonValue {
  return { type, bytes: Uint8Array.from(bytes) };
}

function intervalsBetween(bounds: readonly BsonValue[]): Interval[] {
  return [...bounds, undefined].map((through, index) => ({ after: bounds[index - 1], through }));
}

async function withCounts(context: SnapshotContext, entries: Catalog['collections']): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (let at = 0; at < entries.length; at += COUNTS_AT_ONCE) {
    const some = entries.slice(at, at + COUNTS_AT_ONCE);
    const counts = await Promise.all(some.map((entry) => countOf(context, entry)));
    for (const [index, entry] of some.entries()) listed.push({ ...entry, estimatedRows: counts[index] });
  }
  return listed;
}

/** An estimate is a comfort: where it is refused, the copy goes on without. */
async function countOf(context: SnapshotContext, entry: { db: string; coll: string }): Promise<number | undefined> {
  try {
    return await estimatedCount(context, entry);
  } catch (error) {
    if (isAbort(error, context.signal) || asSluiceError(error).code === 'mongodb.unreachable') throw error;
    return undefined;
  }
}
