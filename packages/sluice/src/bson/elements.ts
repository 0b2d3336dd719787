import type { BsonValue } from '../core/change-event.ts';
import { malformedBson } from './malformed.ts';

/** Type bytes of BSON elements (bsonspec.org, version 1.1). */
export const BsonType = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  maxKey: 0x7f,
  minKey: 0xff,
} as const;

/** The smallest document: its length and the closing zero byte. */
const EMPTY_DOCUMENT_BYTES = 5;
const MAX_KNOWN_NAMES = 256;

/** The little-endian int32 at `at`; the caller has made sure that four bytes are there. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** The little-endian unsigned int32 at `at`; the caller has made sure that four bytes are there. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0;
}

/**
 * The end of the document that starts at `at`, after checking that its length fits before `limit` and that it closes
 * with a zero byte. Throws `bson.malformed`.
 */
export function documentEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at + EMPTY_DOCUMENT_BYTES > limit) throw malformedBson('a document is cut off');
  const length = readInt32(bytes, at);
  const end = at + length;
  if (length < EMPTY_DOCUMENT_BYTES || end > limit) throw malformedBson('a document has an impossible length');
  if (bytes[end - 1] !== 0) throw malformedBson('a document does not end where its length says');
  return end;
}

/** The offset of the zero byte that ends the name or text at `at`. Throws `bson.malformed` when there is none. */
export function cstringEnd(bytes: Uint8Array, at: number, limit: number): number {
  let end = at;
  while (end < limit && bytes[end] !== 0) end++;
  if (end >= limit) throw malformedBson('a name has no end');
  return end;
}

/** The end of the length-prefixed string at `at`. Throws `bson.malformed`. */
export function stringEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at + EMPTY_DOCUMENT_BYTES > limit) throw malformedBson('a string is cut off');
  const length = readInt32(bytes, at);
  const end = at + 4 + length;
  if (length < 1 || end > limit) throw malformedBson('a string has an impossible length');
  if (bytes[end - 1] !== 0) throw malformedBson('a string does not end where its length says');
  return end;
}

/** The end of the value of `type` at `at`; everything below `limit` may be read. Throws `bson.malformed`. */
export function valueEnd(bytes: Uint8Array, type: number, at: number, limit: number): number {
  switch (type) {
    case BsonType.string:
    case BsonType.code:
    case BsonType.symbol:
      return stringEnd(bytes, at, limit);
    case BsonType.document:
    case BsonType.array:
    case BsonType.codeWithScope:
      return documentEnd(bytes, at, limit);
    case BsonType.binary:
      return binaryEnd(bytes, at, limit);
    case BsonType.regex:
      return cstringEnd(bytes, cstringEnd(bytes, at, limit) + 1, limit) + 1;
    case BsonType.dbPointer:
      return fixedEnd(stringEnd(bytes, at, limit), 12, limit);
    default:
      return fixedEnd(at, fixedSize(type), limit);
  }
}

/** One field of a document; its value is a slice. */
export interface BsonField extends BsonValue {
  /** Decoded as UTF-8; bytes that are not become replacement characters. */
  readonly name: string;
}

/** The fields of the document in their order. Throws `bson.malformed` where it breaks, after what comes before. */
export function* fieldsOf(document: Uint8Array): Generator<BsonField> {
  const source = asBuffer(document);
  const limit = documentEnd(source, 0, source.length) - 1;
  let at = 4;
  while (at < limit) {
    const type = source[at]!;
    const nameEnd = cstringEnd(source, at + 1, limit);
    const end = valueEnd(source, type, nameEnd + 1, limit);
    yield { type, name: source.toString('utf8', at + 1, nameEnd), bytes: source.subarray(nameEnd + 1, end) };
    at = end;
  }
}

/** The top-level field `name` of the document, or undefined. With duplicate names the first one. */
export function findField(document: Uint8Array, name: string): BsonValue | undefined {
  const limit = documentEnd(document, 0, document.length) - 1;
  const wanted = nameBytes(name);
  let at = 4;
  while (at < limit) {
    const type = document[at]!;
    const nameEnd = cstringEnd(document, at + 1, limit);
    const end = valueEnd(document, type, nameEnd + 1, limit);
    if (nameEnd - at - 1 === wanted.length && bytesMatch(document, at + 1, wanted)) {
      return { type, bytes: document.subarray(nameEnd + 1, end) };
    }
    at = end;
  }
  return undefined;
}

/** Names that were looked for, as bytes: few, and the same for every event. */
const knownNames = new Map<string, Buffer>();

function nameBytes(name: string): Buffer {
  let bytes = knownNames.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(name, 'utf8');
    if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, bytes);
  }
  return bytes;
}

/** True when the bytes at `at` are those of `expected`; the caller has compared the lengths. */
export function bytesMatch(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

/** The same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function binaryEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at + 5 > limit) throw malformedBson('a binary value is cut off');
  const length = readInt32(bytes, at);
  const end = at + 5 + length;
  if (length < 0 || end > limit) throw malformedBson('a binary value has an impossible length');
  return end;
}

function fixedEnd(at: number, size: number, limit: number): number {
  if (at + size > limit) throw malformedBson('a value is cut off');
  return at + size;
}

function fixedSize(type: number): number {
  switch (type) {
    case BsonType.double:
    case BsonType.date:
    case BsonType.timestamp:
    case BsonType.int64:
      return 8;
    case BsonType.objectId:
      return 12;
    case BsonType.boolean:
      return 1;
    case BsonType.int32:
      return 4;
    case BsonType.decimal128:
      return 16;
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.minKey:
    case BsonType.maxKey:
      return 0;
    default:
      throw malformedBson(`there is no type 0x${type.toString(16).padStart(2, '0')}`);
  }
}
