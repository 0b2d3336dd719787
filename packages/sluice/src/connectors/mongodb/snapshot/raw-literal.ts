import { ObjectId } from 'bson';
import { BsonType } from '../../../bson/elements.ts';
import type { BsonValue } from '../../../core/change-event.ts';

/** An aggregation expression whose value is exactly `value`, whatever its type. */
export interface Literal {
  readonly $literal: RawValue;
}

/** `{$literal: value}` without a loss: the command that it becomes part of carries the very bytes. */
export function literal(value: BsonValue): Literal {
  return { $literal: new RawValue(value, '$literal') };
}

/** `{$literal: [values]}` without a loss. */
export function literalList(values: readonly BsonValue[]): Literal {
  return literal({ type: BsonType.array, bytes: arrayOf(values) });
}

/** `{_id: value}` without a loss. */
export function idDocument(value: BsonValue): { readonly _id: RawValue } {
  return { _id: new RawValue(value, '_id') };
}

/**
 * Bytes that become the value of the field `name` when the driver serializes a command. Decoding a key and encoding
 * it again would change some: undefined, DBPointer, dates that JavaScript does not have, text that is not UTF-8, and
 * objects with numeric, duplicate or reserved names. An object id is the one value whose bytes the serializer lets
 * the value write itself; this one writes other bytes, and the type in front of the name.
 */
export class RawValue extends ObjectId {
  readonly #value: BsonValue;
  readonly #name: string;

  constructor(value: BsonValue, name: string) {
    super('000000000000000000000000');
    this.#value = value;
    this.#name = name;
  }

  /** Called by the serializer with the place behind the field's name; returns how many bytes were written. */
  serializeInto(target: Uint8Array, at: number): number {
    const typeAt = at - this.#name.length - 2;
    if (target[typeAt] !== BsonType.objectId) throw new Error(`a raw value is not in the field ${this.#name}`);
    target[typeAt] = this.#value.type;
    target.set(this.#value.bytes, at);
    return this.#value.bytes.length;
  }
}

function arrayOf(values: readonly BsonValue[]): Uint8Array {
  const parts = values.flatMap(({ type, bytes }, index) => [
    Uint8Array.of(type),
    Buffer.from(`${index}\0`, 'latin1'),
    bytes,
  ]);
  const length = Buffer.alloc(4);
  const body = Buffer.concat([length, ...parts, Uint8Array.of(0)]);
  body.writeInt32LE(body.length);
  return body;
}
