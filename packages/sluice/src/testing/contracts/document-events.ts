import { NamespaceCache } from '../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../bson/raw-change-event.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent, DataOperation, Namespace } from '../../core/change-event.ts';

/** A change of one document, as the tests of sinks that keep documents want it. */
export interface DocumentEventInit {
  readonly op: DataOperation;
  readonly coll: string;
  readonly id: b.Value;
  /** What tells the states of a document apart: its field `n`. */
  readonly n?: number;
  /** Further fields behind `_id` and `n`. */
  readonly fields?: readonly b.Field[];
  /** When it happened, as a number of the stream. */
  readonly sequence: number;
  /** True: it says neither what the document is now nor what has changed. */
  readonly withoutDocument?: boolean;
}

const DB = 'contract';
const STREAM_SECOND = 1_800_000_000;
const namespaces = new NamespaceCache();

/** The cluster time of the n-th event. */
export function streamTime(sequence: number) {
  return { t: STREAM_SECOND + Math.floor(sequence / 1_000), i: (sequence % 1_000) + 1 };
}

/** A change event in the form that a server sends. */
export function documentEvent(init: DocumentEventInit): ChangeEvent {
  const { op, coll, id, n = init.sequence, fields = [], sequence, withoutDocument = false } = init;
  const document = b.embedded(['_id', id], ['n', b.int32(n)], ...fields);
  const carries = op !== 'delete' && !withoutDocument;
  return eventOf(op, { db: DB, coll }, sequence, [
    ['documentKey', b.embedded(['_id', id])],
    ...(carries ? [['fullDocument', document] as const] : []),
    ...(op === 'update' && carries ? [['updateDescription', changeOf(n)] as const] : []),
  ]);
}

function changeOf(n: number): b.Value {
  const updated = b.embedded(['n', b.int32(n)]);
  return b.embedded(['updatedFields', updated], ['removedFields', b.array()], ['truncatedArrays', b.array()]);
}

/** A copy of the collection is complete: what was not given again since then is gone. */
export function endOfCopy(coll: string, { since, sequence }: { since: number; sequence: number }): ChangeEvent {
  const { t, i } = streamTime(since);
  return eventOf('snapshotEnd', { db: DB, coll }, sequence, [['since', b.timestamp(t, i)]]);
}

/** The collection is dropped. */
export function dropOf(coll: string, sequence: number): ChangeEvent {
  return eventOf('drop', { db: DB, coll }, sequence, []);
}

/** The collection gets another name; `dropTarget`: one of that name is replaced. */
export function renameOf(
  coll: string,
  { to, dropTarget = false, sequence }: { to: string; dropTarget?: boolean; sequence: number },
): ChangeEvent {
  const name = b.embedded(['db', b.string(DB)], ['coll', b.string(to)]);
  const dropped = dropTarget ? [['dropTarget', b.binary(4, Buffer.alloc(16, 7))] as const] : [];
  return eventOf('rename', { db: DB, coll }, sequence, [
    ['to', name],
    ['operationDescription', b.embedded(['to', name], ...dropped)],
  ]);
}

function eventOf(op: string, { db, coll }: Namespace, sequence: number, fields: readonly b.Field[]): ChangeEvent {
  const { t, i } = streamTime(sequence);
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const token = `82${hex(t)}${hex(i)}2B022C0100296E5A1004A2FC3AF689654F58A0D94698B5D3DB0546645F6964002B0E0004`;
  const raw = b.document(
    ['_id', b.embedded(['_data', b.string(token)])],
    ['operationType', b.string(op)],
    ['clusterTime', b.timestamp(t, i)],
    ['wallTime', b.date(BigInt(t) * 1_000n)],
    ['ns', b.embedded(['db', b.string(db)], ['coll', b.string(coll)])],
    ...fields,
  );
  return parseChangeEvent(raw, namespaces);
}
