import { Timestamp, UUID } from 'bson';
import type { Document } from 'mongodb';
import type { CursorReply } from '../../../bson/reply.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import { behind, upTo } from './key-range.ts';
import { idDocument } from './raw-literal.ts';
import { idOf, readRaw, type SnapshotContext } from './raw-read.ts';

/** Which documents to read, as they were when. */
export interface ChunkRequest {
  readonly db: string;
  readonly coll: string;
  /** Base64 of the collection's UUID; undefined when it is not known, and then nothing notices a new collection. */
  readonly uuid: string | undefined;
  /** A collection without an index on `_id`, because its documents are stored in this order. */
  readonly clustered?: boolean;
  /** Only keys behind this one; undefined: from the first. */
  readonly after: BsonValue | undefined;
  /** Only keys up to and including this one; undefined: to the last. */
  readonly through: BsonValue | undefined;
  readonly at: ClusterTime;
  /** How many keys to go through, at least 1: rows that do not match count too. */
  readonly rows: number;
  /** Only documents that this query matches. */
  readonly match?: Document | undefined;
}

/** Documents of a key range, in the order of `_id`. */
export interface Chunk {
  /** Slices of the server's answer; nothing is copied, so they keep the whole of it alive. */
  readonly rows: readonly Uint8Array[];
  /** Size of all rows. */
  readonly bytes: number;
  /** The key to continue behind; undefined: the range is finished. Everything up to it is in the chunk. */
  readonly next: BsonValue | undefined;
}

/**
 * Reads the documents of a key range as they were at a cluster time, up to a number of them or to 16 MB; needs `find`
 * on the collection. Errors, besides those of any read: `mongodb.snapshot-too-old` (the time is behind the server's
 * snapshot window), `mongodb.snapshot-unavailable` (the collection was created or changed after that time),
 * `mongodb.collection-changed` (dropped, renamed or created again), `mongodb.capped-collection`,
 * `mongodb.match-refused`.
 */
export function readChunk(context: SnapshotContext, request: ChunkRequest): Promise<Chunk> {
  return request.match === undefined ? readAll(context, request) : readMatching(context, request, request.match);
}

async function readAll(context: SnapshotContext, request: ChunkRequest): Promise<Chunk> {
  const reply = await find(context, request, rangeFind(request, request.rows));
  return chunkOf(reply, reply.events.length < request.rows ? undefined : lastId(reply));
}

/**
 * A filter that matches little would make one read scan the whole range, so the end of what to scan is looked up
 * first. It is `rows` keys behind `after`, or one more if that key itself is gone by now.
 */
async function readMatching(context: SnapshotContext, request: ChunkRequest, match: Document): Promise<Chunk> {
  const [boundary, beyond] = (await find(context, request, boundaryFind(request))).events.map(idOf);
  const interval = { ...request, through: boundary ?? request.through, before: beyond };
  const reply = await find(context, request, rangeFind(interval, request.rows + 1, match));
  return chunkOf(reply, boundary);
}

/** An answer that the server cut off at 16 MB ends at its last row, every other one at `end`. */
function chunkOf(reply: CursorReply, end: BsonValue | undefined): Chunk {
  return { rows: reply.events, bytes: reply.bytes, next: reply.id === 0n ? end : lastId(reply) };
}

function lastId(reply: CursorReply): BsonValue | undefined {
  const last = reply.events.at(-1);
  return last === undefined ? undefined : idOf(last);
}

/** A range as a query asks for it. */
interface Range {
  readonly after: BsonValue | undefined;
  readonly through: BsonValue | undefined;
  /** The key that comes next behind `through`, where it is known. */
  readonly before?: BsonValue | undefined;
  readonly clustered?: boolean;
}

/**
 * The documents of a range, which with the hint is exactly the part of the index that is read. For a clustered
 * collection it is not: there `min` and `max` (exclusive) say where the scan begins and ends.
 */
export function rangeFind(range: Range, limit: number, match?: Document): Document {
  const { after, through } = range;
  const conditions: Document[] = [];
  if (after !== undefined) conditions.push(behind(after));
  if (through !== undefined) conditions.push(upTo(through));
  if (match !== undefined) conditions.push(match);
  return {
    ...(conditions.length === 0 ? {} : { filter: { $and: conditions } }),
    ...(range.clustered === true ? scanBounds(after, range.before) : {}),
    limit,
    batchSize: limit,
  };
}

/**
 * The key that is `rows` keys ahead and the one behind it, from the index alone. `min` is inclusive, so skipping
 * `rows` passes the key that it begins with; `max` is exclusive: the end of the range needs no boundary.
 */
export function boundaryFind({ after, through, rows }: Pick<ChunkRequest, 'after' | 'through' | 'rows'>): Document {
  return { ...scanBounds(after, through), projection: { _id: 1 }, skip: rows, limit: 2, batchSize: 2 };
}

function scanBounds(min: BsonValue | undefined, max: BsonValue | undefined): Document {
  return {
    ...(min === undefined ? {} : { min: idDocument(min) }),
    ...(max === undefined ? {} : { max: idDocument(max) }),
  };
}

/**
 * One `find` in the order of `_id`. With `collectionUUID` (6.0 and later, no privilege of its own) a collection that
 * only has the same name fails instead of being read as if it were the one that was meant.
 */
function find(context: SnapshotContext, request: ChunkRequest, query: Document): Promise<CursorReply> {
  const { db, coll, uuid, at } = request;
  const command = {
    find: coll,
    ...query,
    hint: { _id: 1 },
    sort: { _id: 1 },
    ...(uuid === undefined ? {} : { collectionUUID: new UUID(Buffer.from(uuid, 'base64')) }),
    readConcern: { level: 'snapshot', atClusterTime: new Timestamp(at) },
  };
  return readRaw(context, { db, command, doing: `read documents of ${db}.${coll}` });
}
