import type { Document } from 'mongodb';
import type { BsonValue } from '../../../core/change-event.ts';
import { serverCode } from '../classify.ts';
import { runCommand } from '../client.ts';
import { idOf, readRaw, type SnapshotContext } from './raw-read.ts';

/** Collections with fewer documents than this are not split. */
const MIN_DOCUMENTS = 10_000;
/** Keys that are sampled for each piece, so that the pieces become about equal (±20 %). */
const SAMPLES_PER_PIECE = 32;
/** The server picks a few documents at random, without looking at the others, only below one in twenty. */
const MAX_SAMPLED_SHARE = 0.04;
const SAMPLE_LIMIT_MS = 10_000;
/** MaxTimeMSExpired. */
const TOOK_TOO_LONG = 50;

/** What to split. */
export interface SplitRequest {
  readonly db: string;
  readonly coll: string;
  /** A clustered collection is never split: the server cannot end the scan of a part of it at an upper bound. */
  readonly clustered?: boolean;
  readonly pieces: number;
}

/**
 * Keys that cut a collection into about equal pieces: at most `pieces - 1`, distinct, in the collection's own order.
 * None when it is small or cannot be sampled. Needs `find` on the collection.
 */
export async function splitRanges(context: SnapshotContext, request: SplitRequest): Promise<readonly BsonValue[]> {
  const { pieces, clustered } = request;
  if (pieces < 2 || clustered === true) return [];
  const documents = await estimatedCount(context, request);
  if (documents < MIN_DOCUMENTS) return [];
  const wanted = Math.min(pieces * SAMPLES_PER_PIECE, Math.floor(documents * MAX_SAMPLED_SHARE));
  return quantiles(await sample(context, request, wanted), pieces);
}

/** How many documents there are, by the collection's metadata: may be off after a crash of the server. */
export async function estimatedCount(
  { client, readPreference, signal }: SnapshotContext,
  { db, coll }: Pick<SplitRequest, 'db' | 'coll'>,
): Promise<number> {
  const context = { client, signal, phase: 'snapshot', doing: `count the documents of ${db}.${coll}` } as const;
  const reply = await runCommand(context, db, { count: coll }, readPreference);
  return Number(reply['n']);
}

/** Distinct and sorted by the server: what is equal, and the order, are those of the collection's collation. */
async function sample(context: SnapshotContext, { db, coll }: SplitRequest, size: number): Promise<BsonValue[]> {
  const command: Document = {
    aggregate: coll,
    pipeline: [{ $sample: { size } }, { $group: { _id: '$_id' } }, { $sort: { _id: 1 } }],
    cursor: { batchSize: size + 1 },
  };
  try {
    const limited = { ...context, limitMs: SAMPLE_LIMIT_MS };
    const reply = await readRaw(limited, { db, command, doing: `sample the keys of ${db}.${coll}` });
    return reply.events.map(idOf);
  } catch (error) {
    if (serverCode(error) === TOOK_TOO_LONG) return [];
    throw error;
  }
}

function quantiles(sorted: readonly BsonValue[], pieces: number): BsonValue[] {
  const count = Math.min(pieces, sorted.length + 1);
  // Copies: a slice would keep the whole answer alive for as long as the range lives.
  return Array.from({ length: count - 1 }, (_, index) => {
    const { type, bytes } = sorted[Math.floor(((index + 1) * sorted.length) / count)]!;
    return { type, bytes: Uint8Array.from(bytes) };
  });
}
