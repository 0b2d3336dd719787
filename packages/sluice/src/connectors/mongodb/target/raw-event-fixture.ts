import { findField } from '../../../bson/elements.ts';
import { NamespaceCache } from '../../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../../bson/raw-change-event.ts';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent, DataOperation } from '../../../core/change-event.ts';

/** What a made-up event is made of, in bytes. */
export interface RawEventInit {
  readonly op: DataOperation;
  readonly coll?: string;
  readonly after?: Buffer;
  /** Left out: the `_id` of `after`. */
  readonly key?: Buffer;
  readonly update?: Buffer;
  readonly sequence: number;
  /** When it happened; now when left out. */
  readonly wallTimeMs?: number;
}

const namespaces = new NamespaceCache();

/** The time of the n-th event. */
export function timeOf(sequence: number) {
  return { t: 1_800_000_000, i: sequence + 1 };
}

/** A change event in the form that a server sends. */
export function rawEvent({ op, coll = 'items', after, key, update, sequence, wallTimeMs }: RawEventInit): ChangeEvent {
  const { t, i } = timeOf(sequence);
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const token = `82${hex(t)}${hex(i)}2B022C0100296E5A1004A2FC3AF689654F58A0D94698B5D3DB0546645F6964002B0E0004`;
  const raw = b.document(
    ['_id', b.embedded(['_data', b.string(token)])],
    ['operationType', b.string(op)],
    ['clusterTime', b.timestamp(t, i)],
    ['wallTime', b.date(BigInt(wallTimeMs ?? Date.now()))],
    ...(after === undefined ? [] : [['fullDocument', { type: 0x03, payload: after }] as const]),
    ['ns', b.embedded(['db', b.string('shop')], ['coll', b.string(coll)])],
    ['documentKey', { type: 0x03, payload: key ?? keyOf(after) }],
    ...(update === undefined ? [] : [['updateDescription', { type: 0x03, payload: update }] as const]),
  );
  return parseChangeEvent(raw, namespaces);
}

function keyOf(after: Buffer | undefined): Buffer {
  const id = after && findField(after, '_id');
  if (id === undefined) throw new Error('an event needs a key');
  return b.document(['_id', { type: id.type, payload: Buffer.from(id.bytes) }]);
}
