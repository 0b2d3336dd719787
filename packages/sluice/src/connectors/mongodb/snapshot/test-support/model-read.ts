import { findField } from '../../../../bson/elements.ts';
import type { BsonValue } from '../../../../core/change-event.ts';
import type { ChunkRead } from '../aligner.ts';
import type { ChunkResult } from '../rows.ts';
import { KEY_COUNT, keyIndexOf } from './model-keys.ts';
import type { ModelServer } from './model-server.ts';

/** Answers a read with at most so many rows. */
export type ReadModelChunk = (server: ModelServer, read: ChunkRead, maxRows: number) => ChunkResult;

/** The documents of the interval as they were at the time of the read, in the order of the index. */
export const readModelChunk: ReadModelChunk = (server, { copy, interval, at }, maxRows) => {
  const { coll } = copy.namespace;
  const after = placeOf(interval.after, -1);
  const through = placeOf(interval.through, KEY_COUNT);
  const keys = server.keysAt(coll, at).filter((key) => key > after && key <= through);
  return chunkOf(
    keys.map((key) => server.documentAt(coll, key, at) as Buffer),
    maxRows,
  );
};

/** The first of the documents; those that are left are behind `next`. */
export function chunkOf(documents: readonly Buffer[], maxRows: number): ChunkResult {
  const rows = documents.slice(0, maxRows);
  const last = rows.length < documents.length || rows.length === maxRows ? rows.at(-1) : undefined;
  const bytes = rows.reduce((sum, row) => sum + row.length, 0);
  return { rows, bytes, next: last && findField(last, '_id'), readAtMs: 0, keys: rows.length };
}

/** Where a bound stands in the index. */
export function placeOf(bound: BsonValue | undefined, open: number): number {
  return bound === undefined ? open : keyIndexOf(bound);
}
