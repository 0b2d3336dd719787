import type { BsonValue } from '../core/change-event.ts';
import { asBuffer, BsonType, readInt32 } from './elements.ts';

const NO_BYTES = Buffer.alloc(0);

/** The value null. */
export const NULL_VALUE: BsonValue = Object.freeze({ type: BsonType.null, bytes: NO_BYTES });
/** The booleans. */
export const TRUE_VALUE: BsonValue = Object.freeze({ type: BsonType.boolean, bytes: Buffer.from([1]) });
export const FALSE_VALUE: BsonValue = Object.freeze({ type: BsonType.boolean, bytes: Buffer.from([0]) });

export function booleanValue(value: boolean): BsonValue {
  return value ? TRUE_VALUE : FALSE_VALUE;
}

/** `value` must be a whole number of 32 bits. */
export function int32Value(value: number): BsonValue {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32LE(value);
  return { type: BsonType.int32, bytes };
}

/** `value` must fit into 64 bits. */
export function int64Value(value: bigint): BsonValue {
  return { type: BsonType.int64, bytes: eightBytes(value) };
}

export function doubleValue(value: number): BsonValue {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value);
  return { type: BsonType.double, bytes };
}

/** A date; `ms` since the epoch must fit into 64 bits. */
export function dateValue(ms: bigint): BsonValue {
  return { type: BsonType.date, bytes: eightBytes(ms) };
}

export function timestampValue(t: number, i: number): BsonValue {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32LE(i, 0);
  bytes.writeUInt32LE(t, 4);
  return { type: BsonType.timestamp, bytes };
}

export function stringValue(text: string): BsonValue {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(length + 5);
  bytes.writeInt32LE(length + 1, 0);
  bytes.write(text, 4);
  bytes[length + 4] = 0;
  return { type: BsonType.string, bytes };
}

/** The text of a string or symbol; bytes that are not UTF-8 become replacement characters. */
export function textOfValue({ bytes }: BsonValue): string {
  return asBuffer(bytes).toString('utf8', 4, bytes.length - 1);
}

/** The whole number in an int32, int64 or date. */
export function wholeNumberOf({ type, bytes }: BsonValue): bigint {
  return type === BsonType.int32 ? BigInt(readInt32(bytes, 0)) : asBuffer(bytes).readBigInt64LE(0);
}

function eightBytes(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
