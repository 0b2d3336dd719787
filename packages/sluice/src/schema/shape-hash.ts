import { BsonType, documentEnd, readInt32, valueEnd } from '../bson/elements.ts';
import { malformedBson } from '../bson/malformed.ts';

/** Documents and arrays that are nested deeper than this are not looked into. */
export const DEEPEST_LEVEL = 32;

const FIRST_PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b | 1;
const FIRST_SEED = 0x811c9dc5 | 0;
const SECOND_SEED = 0x9747b28c | 0;
const VARIABLE = -1;

/** Bytes of the values of a type; `VARIABLE` for those that tell it themselves, and for what is no type. */
const SIZES = new Int8Array(256).fill(VARIABLE);
for (const [types, size] of [
  [[BsonType.null, BsonType.undefined, BsonType.minKey, BsonType.maxKey], 0],
  [[BsonType.boolean], 1],
  [[BsonType.int32], 4],
  [[BsonType.double, BsonType.date, BsonType.timestamp, BsonType.int64], 8],
  [[BsonType.objectId], 12],
  [[BsonType.decimal128], 16],
] as const) {
  for (const type of types) SIZES[type] = size;
}

const NO_ID = -1;
/** Stands for an id as a name; no byte of a name. */
const ANY_ID = 0x1a5;
const HEX_ID = 24;
const UUID = 36;
const HYPHENS: ReadonlySet<number> = new Set([8, 13, 18, 23]);

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Where a name ends that `nameSegment` takes for an id: a number, an ObjectId or a UUID; `NO_ID` for others. */
function idNameEnd(bytes: Uint8Array, start: number, limit: number): number {
  let isNumber = true;
  let isHex = true;
  let isUuid = true;
  let at = start;
  for (; at < limit && bytes[at] !== 0; at++) {
    const byte = bytes[at]!;
    const digit = isDigit(byte);
    const hex = digit || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
    isNumber &&= digit;
    isHex &&= hex;
    isUuid &&= HYPHENS.has(at - start) ? byte === 0x2d : hex;
    if (!isHex && !isUuid) return NO_ID;
  }
  const length = at - start;
  return isNumber || (isHex && length === HEX_ID) || (isUuid && length === UUID) ? at : NO_ID;
}

/**
 * A hash over the types and names of a BSON document with everything in it, in their order; values do not count. Equal
 * elements that follow each other in an array count as one, so the length of a list does not matter.
 */
export class ShapeHash {
  /** The hash: two numbers of 32 bits, of the document that was last given to `of`. */
  first = 0;
  second = 0;

  /** `seed` tells apart what must not be taken for the same. Throws `bson.malformed`; values are only skipped. */
  of(document: Uint8Array, seed: number): void {
    this.first = FIRST_SEED ^ seed;
    this.second = SECOND_SEED ^ seed;
    this.#document(document, 0, document.length, 0);
  }

  /** Mixes in the document at `start`; returns where it ends. */
  #document(bytes: Uint8Array, start: number, limit: number, depth: number): number {
    const end = documentEnd(bytes, start, limit);
    const last = end - 1;
    let { first, second } = this;
    let at = start + 4;
    while (at < last) {
      const type = bytes[at]!;
      first = Math.imul(first ^ type, FIRST_PRIME);
      second = Math.imul((second ^ (second >>> 15)) + type, SECOND_PRIME);
      // Most ids begin with a digit: as names they are all one, so that a map has few shapes.
      const idEnd = isDigit(bytes[at + 1]!) ? idNameEnd(bytes, at + 1, last) : NO_ID;
      if (idEnd !== NO_ID) {
        first = Math.imul(first ^ ANY_ID, FIRST_PRIME);
        second = Math.imul((second ^ (second >>> 15)) + ANY_ID, SECOND_PRIME);
        at = idEnd - 1;
      }
      // The closing zero of the name is mixed in too: it keeps names apart.
      for (let byte = 1; byte !== 0; ) {
        at += 1;
        byte = bytes[at]!;
        first = Math.imul(first ^ byte, FIRST_PRIME);
        second = Math.imul((second ^ (second >>> 15)) + byte, SECOND_PRIME);
      }
      at += 1;
      if (at > last) throw malformedBson('a name has no end');
      const size = SIZES[type]!;
      if (size !== VARIABLE) {
        at += size;
        if (at > last) throw malformedBson('a value is cut off');
      } else if (type === BsonType.string && at + 4 < last) {
        const length = readInt32(bytes, at);
        at += 4 + length;
        if (length < 1 || at > last) throw malformedBson('a string has an impossible length');
      } else if ((type === BsonType.document || type === BsonType.array) && depth < DEEPEST_LEVEL) {
        this.first = first;
        this.second = second;
        at =
          type === BsonType.array
            ? this.#array(bytes, at, last, depth + 1)
            : this.#document(bytes, at, last, depth + 1);
        ({ first, second } = this);
      } else {
        at = valueEnd(bytes, type, at, last);
      }
    }
    // A type of its own closes a document, so that what comes behind it is not taken for a part of it.
    this.first = Math.imul(first ^ 0xee, FIRST_PRIME);
    this.second = Math.imul((second ^ (second >>> 15)) + 0xee, SECOND_PRIME);
    return end;
  }

  #array(bytes: Uint8Array, start: number, limit: number, depth: number): number {
    const end = documentEnd(bytes, start, limit);
    const last = end - 1;
    let { first, second } = this;
    let previousFirst = 0;
    let previousSecond = 0;
    let at = start + 4;
    while (at < last) {
      const type = bytes[at]!;
      do at += 1;
      while (at < last && bytes[at] !== 0);
      at += 1;
      if (at > last) throw malformedBson('a name has no end');
      this.first = FIRST_SEED ^ type;
      this.second = SECOND_SEED ^ type;
      at = this.#element(bytes, type, at, last, depth);
      if (this.first === previousFirst && this.second === previousSecond) continue;
      previousFirst = this.first;
      previousSecond = this.second;
      first = Math.imul(first ^ previousFirst, FIRST_PRIME);
      second = Math.imul((second ^ (second >>> 15)) + previousSecond, SECOND_PRIME);
    }
    this.first = Math.imul(first ^ 0xaa, FIRST_PRIME);
    this.second = Math.imul((second ^ (second >>> 15)) + 0xaa, SECOND_PRIME);
    return end;
  }

  #element(bytes: Uint8Array, type: number, at: number, limit: number, depth: number): number {
    const size = SIZES[type]!;
    if (size !== VARIABLE) {
      if (at + size > limit) throw malformedBson('a value is cut off');
      return at + size;
    }
    if (depth < DEEPEST_LEVEL && type === BsonType.document) return this.#document(bytes, at, limit, depth + 1);
    if (depth < DEEPEST_LEVEL && type === BsonType.array) return this.#array(bytes, at, limit, depth + 1);
    return valueEnd(bytes, type, at, limit);
  }
}
