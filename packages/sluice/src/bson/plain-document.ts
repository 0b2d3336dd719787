import { BsonType, cstringEnd, documentEnd, readInt32, stringEnd, valueEnd } from './elements.ts';
import type { JsonBuffer } from './json-buffer.ts';
import { writeInt64, writeInteger } from './json-numbers.ts';
import { malformedBson, nestedTooDeep } from './malformed.ts';
import { type PlainScalarOptions, PlainScalars } from './plain-scalars.ts';

/** As in `DocumentWriter`: MongoDB itself stores about 180 levels. */
const MAX_DEPTH = 200;

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
/** The level of the top of a value that is no document of its own: there is none. */
const NO_TOP = 0;

/** How a document for a database is written. */
export interface PlainOptions extends PlainScalarOptions {
  /** A top-level field that is left out, every time it occurs. */
  readonly omitTop?: string | undefined;
}

/**
 * Writes BSON documents as the plain JSON that databases want, straight from bytes to bytes: numbers are numbers, and
 * whatever JSON has no form for is a text. Fields keep their order, and their names, empty and duplicate ones included.
 * Types are lost, values are not, except the scope of code and what the options say. Throws `rejected` errors
 * (`bson.malformed`, `bson.invalid-utf8`, `bson.too-deep`, `bson.nul-character`); never reads outside the document.
 */
export class PlainDocumentWriter {
  readonly #target: JsonBuffer;
  readonly #scalars: PlainScalars;
  readonly #omitted: Buffer | undefined;
  #source: Buffer = Buffer.alloc(0);
  #depth = 0;
  /** The level at which the omitted field is left out. */
  #top = NO_TOP;

  constructor(target: JsonBuffer, options: PlainOptions) {
    this.#target = target;
    this.#scalars = new PlainScalars(target, options);
    this.#omitted = options.omitTop === undefined ? undefined : Buffer.from(`${options.omitTop}\0`);
  }

  /** Writes the document that `bson` is. */
  document(bson: Buffer): void {
    this.#source = bson;
    this.#depth = 0;
    this.#top = this.#omitted === undefined ? NO_TOP : 1;
    this.#object(0, bson.length);
  }

  /** Writes one value of `type` that `bytes` is; nothing is left out of it. */
  value(type: number, bytes: Buffer): void {
    this.#source = bytes;
    this.#depth = 0;
    this.#top = NO_TOP;
    this.#target.reserve();
    this.#value(type, 0, bytes.length);
  }

  /** Writes the document at `start` as an object; returns where it ends. */
  #object(start: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    const end = documentEnd(source, start, limit);
    const last = end - 1;
    if (++this.#depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
    const isTop = this.#depth === this.#top;
    target.bytes[target.at++] = OPEN_OBJECT;
    let first = true;
    let at = start + 4;
    while (at < last) {
      target.reserve();
      const type = source[at]!;
      if (isTop && this.#isOmitted(at + 1)) {
        at = valueEnd(source, type, cstringEnd(source, at + 1, last) + 1, last);
        continue;
      }
      if (!first) target.bytes[target.at++] = COMMA;
      first = false;
      at = this.#value(type, this.#name(at + 1, last), last);
    }
    target.bytes[target.at++] = CLOSE_OBJECT;
    this.#depth--;
    return end;
  }

  /** Writes the array at `start`; the names of its elements do not matter. Returns where it ends. */
  #array(start: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    const end = documentEnd(source, start, limit);
    const last = end - 1;
    if (++this.#depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
    target.bytes[target.at++] = OPEN_ARRAY;
    let at = start + 4;
    while (at < last) {
      target.reserve();
      if (at !== start + 4) target.bytes[target.at++] = COMMA;
      const type = source[at]!;
      at = this.#value(type, cstringEnd(source, at + 1, last) + 1, last);
    }
    target.bytes[target.at++] = CLOSE_ARRAY;
    this.#depth--;
    return end;
  }

  /** Writes the name at `start` and its colon; returns where the value starts. */
  #name(start: number, limit: number): number {
    const target = this.#target;
    const end = target.name(this.#source, start);
    // The zero byte that ends the document is not the end of a name.
    if (end >= limit) throw malformedBson('a name has no end');
    target.bytes[target.at++] = COLON;
    return end + 1;
  }

  /** True when the name at `at`, with its end, is that of the omitted field. */
  #isOmitted(at: number): boolean {
    const source = this.#source;
    const omitted = this.#omitted!;
    for (let i = 0; i < omitted.length; i++) if (source[at + i] !== omitted[i]) return false;
    return true;
  }

  /** Writes the value of `type` at `at`; returns where it ends. The common types come first. */
  #value(type: number, at: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    switch (type) {
      case BsonType.string: {
        const end = stringEnd(source, at, limit);
        this.#scalars.text(source, at + 4, end - 1);
        return end;
      }
      case BsonType.int32:
        if (at + 4 > limit) throw malformedBson('a value is cut off');
        writeInteger(target, readInt32(source, at));
        return at + 4;
      case BsonType.document:
        return this.#object(at, limit);
      case BsonType.array:
        return this.#array(at, limit);
      case BsonType.boolean:
        if (at + 1 > limit) throw malformedBson('a value is cut off');
        if (source[at]! > 1) throw malformedBson('a boolean is neither false nor true');
        target.raw(source[at] === 0 ? FALSE : TRUE);
        return at + 1;
      case BsonType.null:
        target.raw(NULL);
        return at;
      case BsonType.int64:
        if (at + 8 > limit) throw malformedBson('a value is cut off');
        writeInt64(target, source, at);
        return at + 8;
    }
    const end = valueEnd(source, type, at, limit);
    this.#scalars.write(type, source, at, end);
    return end;
  }
}
