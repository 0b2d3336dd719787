import type { BsonValue } from '../core/change-event.ts';
import { compareInt64, compareNumbers } from './compare-numbers.ts';
import { BsonType, cstringEnd, documentEnd, readInt32, readUint32, stringEnd, valueEnd } from './elements.ts';
import { malformedBson } from './malformed.ts';

/** The server stores nothing that is nested deeper. */
const MAX_DEPTH = 200;

/** Types in the order in which their values sort; those that sort together, by value, share a line. */
const TYPE_ORDER: readonly (readonly number[])[] = [
  [BsonType.minKey],
  [BsonType.undefined],
  [BsonType.null],
  [BsonType.int32, BsonType.int64, BsonType.double, BsonType.decimal128],
  [BsonType.string, BsonType.symbol],
  [BsonType.document],
  [BsonType.array],
  [BsonType.binary],
  [BsonType.objectId],
  [BsonType.boolean],
  [BsonType.date],
  [BsonType.timestamp],
  [BsonType.regex],
  [BsonType.dbPointer],
  [BsonType.code],
  [BsonType.codeWithScope],
  [BsonType.maxKey],
];

/** The place of each type byte in that order. */
const RANKS = new Uint8Array(256);
for (const [rank, types] of TYPE_ORDER.entries()) for (const type of types) RANKS[type] = rank;

/**
 * Compares two values as an index of MongoDB with the simple collation orders them: negative when `a` comes first,
 * positive when `b` does, zero when the server takes them for one value (1, 1.0 and NumberLong(1); a string and an
 * equal symbol). Throws `bson.malformed` for bytes that are not such a value; they are looked at up to the first
 * difference, and to the end when the two are equal.
 */
export function compareBson(a: BsonValue, b: BsonValue): number {
  const left = a.bytes;
  const right = b.bytes;
  const leftEnd = valueEnd(left, a.type, 0, left.length);
  const rightEnd = valueEnd(right, b.type, 0, right.length);
  if (leftEnd !== left.length || rightEnd !== right.length) throw malformedBson('bytes follow the value');
  const order = RANKS[a.type]! - RANKS[b.type]!;
  if (order !== 0) return order;
  return compareAlike(a.type, left, 0, leftEnd, b.type, right, 0, rightEnd, 0);
}

/** Compares two values that sort together; each is all of what is between its start and its end. */
function compareAlike(
  leftType: number,
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  rightType: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
  depth: number,
): number {
  switch (leftType) {
    case BsonType.objectId:
      return compareBytes(left, leftAt, leftEnd, right, rightAt, rightEnd);
    case BsonType.int32:
    case BsonType.int64:
    case BsonType.double:
    case BsonType.decimal128:
      return compareNumbers(leftType, left, leftAt, rightType, right, rightAt);
    case BsonType.string:
    case BsonType.symbol:
    case BsonType.code:
      return compareBytes(left, leftAt + 4, leftEnd - 1, right, rightAt + 4, rightEnd - 1);
    case BsonType.document:
      return compareFields(left, leftAt, leftEnd, right, rightAt, rightEnd, true, depth + 1);
    case BsonType.array:
      return compareFields(left, leftAt, leftEnd, right, rightAt, rightEnd, false, depth + 1);
    case BsonType.boolean:
      return left[leftAt]! - right[rightAt]!;
    case BsonType.date:
      return compareInt64(left, leftAt, right, rightAt);
    case BsonType.timestamp:
      return compareTimestamps(left, leftAt, right, rightAt);
    case BsonType.regex:
      return compareRegexes(left, leftAt, leftEnd, right, rightAt, rightEnd);
    case BsonType.binary:
    case BsonType.dbPointer:
      return compareSized(left, leftAt, leftEnd, right, rightAt, rightEnd);
    case BsonType.codeWithScope:
      return compareScoped(left, leftAt, leftEnd, right, rightAt, rightEnd, depth + 1);
    default:
      return 0;
  }
}

/** Bytewise; of two that begin alike the shorter comes first. */
function compareBytes(
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
): number {
  const length = Math.min(leftEnd - leftAt, rightEnd - rightAt);
  for (let i = 0; i < length; i++) {
    const order = left[leftAt + i]! - right[rightAt + i]!;
    if (order !== 0) return order;
  }
  return leftEnd - leftAt - (rightEnd - rightAt);
}

/** Field by field: first the types, then the names (those of an array mean nothing), then the values. */
function compareFields(
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
  named: boolean,
  depth: number,
): number {
  if (depth > MAX_DEPTH) throw malformedBson(`it is nested deeper than the ${MAX_DEPTH} levels that can be stored`);
  const leftLimit = leftEnd - 1;
  const rightLimit = rightEnd - 1;
  let l = leftAt + 4;
  let r = rightAt + 4;
  while (l < leftLimit && r < rightLimit) {
    const leftType = left[l]!;
    const rightType = right[r]!;
    const leftValue = cstringEnd(left, l + 1, leftLimit) + 1;
    const rightValue = cstringEnd(right, r + 1, rightLimit) + 1;
    const leftNext = valueEnd(left, leftType, leftValue, leftLimit);
    const rightNext = valueEnd(right, rightType, rightValue, rightLimit);
    const order =
      RANKS[leftType]! - RANKS[rightType]! ||
      (named ? compareBytes(left, l + 1, leftValue, right, r + 1, rightValue) : 0) ||
      compareAlike(leftType, left, leftValue, leftNext, rightType, right, rightValue, rightNext, depth);
    if (order !== 0) return order;
    l = leftNext;
    r = rightNext;
  }
  return Number(l < leftLimit) - Number(r < rightLimit);
}

function compareTimestamps(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): number {
  return (
    readUint32(left, leftAt + 4) - readUint32(right, rightAt + 4) ||
    readUint32(left, leftAt) - readUint32(right, rightAt)
  );
}

/** The pattern, then the options. */
function compareRegexes(
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
): number {
  const leftOptions = cstringEnd(left, leftAt, leftEnd) + 1;
  const rightOptions = cstringEnd(right, rightAt, rightEnd) + 1;
  return (
    compareBytes(left, leftAt, leftOptions, right, rightAt, rightOptions) ||
    compareBytes(left, leftOptions, leftEnd, right, rightOptions, rightEnd)
  );
}

/** Values that begin with a length: by the length, then bytewise (of binary data the subtype is the first byte). */
function compareSized(
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
): number {
  return (
    readInt32(left, leftAt) - readInt32(right, rightAt) ||
    compareBytes(left, leftAt + 4, leftEnd, right, rightAt + 4, rightEnd)
  );
}

/** Code with a scope: the code, then the scope as a document. */
function compareScoped(
  left: Uint8Array,
  leftAt: number,
  leftEnd: number,
  right: Uint8Array,
  rightAt: number,
  rightEnd: number,
  depth: number,
): number {
  const leftScope = scopeStart(left, leftAt, leftEnd);
  const rightScope = scopeStart(right, rightAt, rightEnd);
  return (
    compareBytes(left, leftAt + 8, leftScope - 1, right, rightAt + 8, rightScope - 1) ||
    compareFields(left, leftScope, leftEnd, right, rightScope, rightEnd, true, depth)
  );
}

function scopeStart(bytes: Uint8Array, at: number, end: number): number {
  const scope = stringEnd(bytes, at + 4, end);
  if (documentEnd(bytes, scope, end) !== end) throw malformedBson('a scope does not end where its code does');
  return scope;
}
