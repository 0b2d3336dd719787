import { deserialize } from 'bson';
import type { Document } from 'mongodb';
import type { BsonValue } from '../../../core/change-event.ts';
import { SluiceError } from '../../../core/failure.ts';
import { literalList } from './raw-literal.ts';
import { readRaw, type SnapshotContext } from './raw-read.ts';

/** Below the server's limit for one command, with the answer and everything else in it. */
const MAX_KEY_BYTES = 4 * 1024 * 1024;
/** Bounds the answer: 16 bytes for each comparison are a few megabytes. */
const MAX_COMPARISONS = 200_000;

/** What to compare with what. */
export interface CompareRequest {
  readonly db: string;
  readonly coll: string;
  /** The default collation of the collection, as the catalog gives it. */
  readonly collation: Document;
  readonly keys: readonly BsonValue[];
  readonly bounds: readonly BsonValue[];
}

/**
 * Compares keys with bounds in the order of a collation, which only the server knows exactly: for each key the sign
 * (-1, 0, 1) of its comparison with each bound. One round trip for up to a few thousand keys; needs `find` on the
 * collection, no document of which is looked at. Known fault of the server's expressions: two DBPointers that differ
 * in their namespace only are equal to them.
 */
export async function compareOnServer(context: SnapshotContext, request: CompareRequest): Promise<number[][]> {
  if (request.bounds.length === 0) return request.keys.map(() => []);
  const signs: number[][] = [];
  for (const keys of groups(request.keys, request.bounds.length)) {
    signs.push(...(await compareGroup(context, { ...request, keys })));
  }
  return signs;
}

async function compareGroup(context: SnapshotContext, request: CompareRequest): Promise<number[][]> {
  const { db, coll, collation, keys, bounds } = request;
  const compareWithBounds = { $map: { input: literalList(bounds), as: 'bound', in: { $cmp: ['$$key', '$$bound'] } } };
  const command = {
    aggregate: coll,
    pipeline: [
      // $facet gives one document also when there is none to begin with. $documents would need a privilege on the
      // whole database.
      { $limit: 1 },
      { $project: { _id: 1 } },
      { $facet: { none: [{ $limit: 1 }] } },
      { $project: { signs: { $map: { input: literalList(keys), as: 'key', in: compareWithBounds } } } },
    ],
    collation,
    cursor: {},
  };
  const { events } = await readRaw(context, { db, command, doing: `compare keys of ${db}.${coll}` });
  const [answer] = events;
  if (answer === undefined) throw collectionGone(db, coll);
  return deserialize(answer)['signs'] as number[][];
}

/** Cut so that neither the command nor the answer becomes too large. */
function* groups(keys: readonly BsonValue[], bounds: number): Generator<BsonValue[]> {
  let group: BsonValue[] = [];
  let bytes = 0;
  for (const key of keys) {
    const full = bytes + key.bytes.length > MAX_KEY_BYTES || (group.length + 1) * bounds > MAX_COMPARISONS;
    if (full && group.length > 0) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(key);
    bytes += key.bytes.length;
  }
  if (group.length > 0) yield group;
}

/** A router answers nothing at all for a database that is gone. */
function collectionGone(db: string, coll: string): SluiceError {
  return new SluiceError(`cannot compare keys of ${db}.${coll}: the collection is gone`, {
    kind: 'transient',
    code: 'mongodb.collection-changed',
  });
}
