import { asBuffer, BsonType, findField } from '../../../bson/elements.ts';
import { JsonBuffer } from '../../../bson/json-buffer.ts';
import { KeyWriter } from '../../../bson/json-key.ts';
import { incompleteEvent } from '../../../bson/malformed.ts';
import type { BsonValue, ChangeEvent } from '../../../core/change-event.ts';

const CHUNK_BYTES = 32 * 1024;
/** Length, type byte, `_id` with its end, and the closing zero: what `{_id: value}` has besides the value. */
const KEY_FRAME_BYTES = 10;
const ID_NAME = Buffer.from('_id\0');

/** Which document an event is about. */
export interface DocumentKey {
  /** `{_id: value}`; for a sharded target all of the document key. */
  readonly query: Uint8Array;
  readonly id: BsonValue;
  /** Equal exactly for the ids that MongoDB takes for the same. */
  readonly text: string;
}

/** Reads the keys of events. */
export class DocumentKeys {
  readonly #buffer = new JsonBuffer(CHUNK_BYTES);
  readonly #writer = new KeyWriter(this.#buffer, { style: 'canonical' });
  readonly #whole: boolean;

  /** `whole`: queries have the fields of the shard key too, which a mongos needs. */
  constructor({ whole }: { readonly whole: boolean }) {
    this.#whole = whole;
  }

  /** Throws `rejected` when the event has no key, or none that can be read. */
  of(event: ChangeEvent): DocumentKey {
    const key = event.key();
    if (key === undefined) throw incompleteEvent('it has no document key');
    const id = findField(key, '_id');
    if (id === undefined) throw incompleteEvent('its document key has no _id');
    const query = this.#whole || key.length === id.bytes.length + KEY_FRAME_BYTES ? key : idQuery(id);
    return { query, id, text: this.#textOf(id) };
  }

  #textOf({ type, bytes }: BsonValue): string {
    const source = asBuffer(bytes);
    // The usual kind of id needs no other form; no JSON begins like this.
    if (type === BsonType.objectId) return `#${source.toString('latin1')}`;
    this.#buffer.rewind();
    this.#buffer.begin(source.length);
    this.#writer.value(type, source);
    return this.#buffer.end().toString();
  }
}

/** The document `{_id: value}`. */
export function idQuery({ type, bytes }: BsonValue): Uint8Array {
  const query = Buffer.allocUnsafe(bytes.length + KEY_FRAME_BYTES);
  query.writeInt32LE(query.length, 0);
  query[4] = type;
  query.set(ID_NAME, 5);
  query.set(bytes, 9);
  query[query.length - 1] = 0;
  return query;
}

/** Whether two ids that are the same to MongoDB have the same type and bytes too. */
export function isSameValue(a: BsonValue, b: BsonValue): boolean {
  return a.type === b.type && Buffer.compare(a.bytes, b.bytes) === 0;
}
