import { BsonType } from '../../../bson/elements.ts';
import type { BsonValue } from '../../../core/change-event.ts';

/** A named value of a document that is being put together. */
export interface RawField extends BsonValue {
  readonly name: string;
}

const FRAME_BYTES = 5;

/** The BSON document of these fields; the bytes of the values are taken as they are. */
export function rawDocument(fields: readonly RawField[]): Buffer {
  let size = FRAME_BYTES;
  const names = fields.map(({ name }) => Buffer.from(name));
  for (const [index, { bytes }] of fields.entries()) size += (names[index]?.length ?? 0) + bytes.length + 2;
  const target = Buffer.allocUnsafe(size);
  let at = target.writeInt32LE(size, 0);
  for (const [index, { type, bytes }] of fields.entries()) {
    const name = names[index] as Buffer;
    target[at++] = type;
    target.set(name, at);
    at += name.length;
    target[at++] = 0;
    target.set(bytes, at);
    at += bytes.length;
  }
  target[at] = 0;
  return target;
}

/** A document as the value of a field. */
export function documentField(name: string, fields: readonly RawField[]): RawField {
  return { name, type: BsonType.document, bytes: rawDocument(fields) };
}

/** An int32 as the value of a field. */
export function int32Field(name: string, value: number): RawField {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32LE(value);
  return { name, type: BsonType.int32, bytes };
}

/** A whole number as an int64, as the value of a field. */
export function int64Field(name: string, value: number): RawField {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return { name, type: BsonType.int64, bytes };
}

const TRUE_BYTE = Buffer.from([1]);

/** `true` as the value of a field. */
export function trueField(name: string): RawField {
  return { name, type: BsonType.boolean, bytes: TRUE_BYTE };
}
