import { BsonType, bytesMatch, readInt32 } from './elements.ts';

const BINARY_HEAD = 5;

/** A field of the document that may be a wrapper: offsets in the output. */
export interface Field {
  readonly nameAt: number;
  readonly nameEnd: number;
  readonly type: number;
  readonly valueAt: number;
  readonly end: number;
}

/** Puts the value in the place of the document at `start` and returns its end, or -1 when this is no wrapper. */
export type Unwrap = (out: Buffer, typeAt: number, start: number, first: Field, second: Field | undefined) => number;

/** What an `Unwrap` returns for a document that only looks like its wrapper. */
export const NO_WRAPPER = -1;

/** The field at `at`; the document was written by the transcoder, so it is whole. */
export function fieldAt(out: Buffer, at: number): Field {
  let nameEnd = at + 1;
  while (out[nameEnd] !== 0) nameEnd++;
  const valueAt = nameEnd + 1;
  return { nameAt: at + 1, nameEnd, type: out[at]!, valueAt, end: valueAt + sizeOf(out, out[at]!, valueAt) };
}

/** Size of a value of the types that the transcoder writes. */
export function sizeOf(out: Buffer, type: number, at: number): number {
  switch (type) {
    case BsonType.string:
    case BsonType.symbol:
    case BsonType.code:
      return 4 + readInt32(out, at);
    case BsonType.document:
    case BsonType.array:
    case BsonType.codeWithScope:
      return readInt32(out, at);
    case BsonType.binary:
      return BINARY_HEAD + readInt32(out, at);
    case BsonType.objectId:
      return 12;
    case BsonType.int32:
      return 4;
    case BsonType.boolean:
      return 1;
    case BsonType.decimal128:
      return 16;
    case BsonType.regex:
      return out.indexOf(0, out.indexOf(0, at) + 1) + 1 - at;
    case BsonType.dbPointer:
      return 4 + readInt32(out, at) + 12;
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.minKey:
    case BsonType.maxKey:
      return 0;
    default:
      return 8;
  }
}

export function named(out: Buffer, { nameAt, nameEnd }: Field, name: Buffer): boolean {
  return nameEnd - nameAt === name.length && bytesMatch(out, nameAt, name);
}

/** The text of a string field whose characters are all ASCII where it matters. */
export function textOf(out: Buffer, { type, valueAt, end }: Field): string | undefined {
  return type === BsonType.string ? out.toString('latin1', valueAt + 4, end - 1) : undefined;
}

/** The two fields of a document, if it has just two. */
export function pairOf(out: Buffer, { type, valueAt, end }: Field): readonly [Field, Field] | undefined {
  if (type !== BsonType.document || end - valueAt === 5) return undefined;
  const first = fieldAt(out, valueAt + 4);
  if (first.end >= end - 1) return undefined;
  const second = fieldAt(out, first.end);
  return second.end === end - 1 ? [first, second] : undefined;
}

export function pick(out: Buffer, [first, second]: readonly [Field, Field], name: Buffer): Field | undefined {
  if (named(out, first, name)) return first;
  return named(out, second, name) ? second : undefined;
}

/** The value of a hex digit, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
