import { BsonType, cstringEnd, documentEnd, readInt32, stringEnd, valueEnd } from './elements.ts';
import type { JsonBuffer } from './json-buffer.ts';
import { writeInt64, writeInteger } from './json-numbers.ts';
import { type JsonDialect, type JsonStyle, ScalarWriter } from './json-scalars.ts';
import { malformedBson, nestedTooDeep } from './malformed.ts';

/** MongoDB itself stores about 180 levels; an event adds three. */
const MAX_DEPTH = 200;

const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** How a writer lays a document out. */
export interface DocumentWriterOptions {
  readonly style: JsonStyle;
  /** How MongoDB's driver for another language writes the same; our own way when left out. */
  readonly dialect?: JsonDialect | undefined;
}

/**
 * Writes BSON documents as JSON, straight from bytes to bytes: no object is built for a document, its fields keep
 * their order, duplicates included, and every value is checked on the way. Throws `rejected` errors
 * (`bson.malformed`, `bson.invalid-utf8`, `bson.too-deep`); never reads outside the document.
 */
export class DocumentWriter {
  readonly #target: JsonBuffer;
  readonly #scalars: ScalarWriter;
  readonly #wrapInt32: boolean;
  readonly #wrapInt64: boolean;
  readonly #spaced: boolean;
  readonly #wide: boolean;
  #source: Buffer = Buffer.alloc(0);
  #depth = 0;

  constructor(target: JsonBuffer, options: DocumentWriterOptions) {
    this.#target = target;
    this.#spaced = options.dialect?.startsWith('java') === true;
    this.#wide = options.dialect === 'java-spaced';
    this.#scalars = new ScalarWriter(target, options.style, options.dialect);
    this.#wrapInt32 = options.style === 'canonical';
    this.#wrapInt64 = options.style === 'canonical' || options.style === 'legacy';
  }

  /** Writes the document that `source` is. */
  document(source: Buffer): void {
    this.#source = source;
    this.#depth = 0;
    this.#object(0, source.length);
  }

  /** Writes one value of `type` that `source` is. */
  value(type: number, source: Buffer): void {
    this.#source = source;
    this.#depth = 0;
    this.#value(type, 0, source.length);
  }

  /** Writes the document at `start` as an object; returns where it ends. */
  #object(start: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    const end = documentEnd(source, start, limit);
    const last = end - 1;
    if (++this.#depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
    target.bytes[target.at++] = OPEN_OBJECT;
    let at = start + 4;
    while (at < last) {
      target.reserve();
      if (at !== start + 4) {
        target.bytes[target.at++] = COMMA;
        if (this.#wide) target.bytes[target.at++] = SPACE;
      }
      const type = source[at]!;
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
      if (at !== start + 4) {
        target.bytes[target.at++] = COMMA;
        if (this.#wide) target.bytes[target.at++] = SPACE;
      }
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
    if (this.#spaced) target.bytes[target.at++] = SPACE;
    return end + 1;
  }

  /** Writes the value of `type` at `at`; returns where it ends. The common types come first. */
  #value(type: number, at: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    switch (type) {
      case BsonType.string: {
        const end = stringEnd(source, at, limit);
        target.text(source, at + 4, end - 1);
        return end;
      }
      case BsonType.int32:
        if (at + 4 > limit) throw malformedBson('a value is cut off');
        if (this.#wrapInt32) break;
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
        if (this.#wrapInt64) break;
        writeInt64(target, source, at);
        return at + 8;
      case BsonType.codeWithScope:
        return this.#codeWithScope(at, limit);
    }
    const end = valueEnd(source, type, at, limit);
    this.#scalars.write(type, source, at);
    return end;
  }

  /** The length of the whole is followed by the code and by the document of its scope, which fill it exactly. */
  #codeWithScope(at: number, limit: number): number {
    const source = this.#source;
    const target = this.#target;
    const end = documentEnd(source, at, limit);
    const codeEnd = stringEnd(source, at + 4, end);
    target.ascii(this.#spaced ? '{"$code": ' : '{"$code":');
    target.text(source, at + 8, codeEnd - 1);
    target.ascii(this.#wide ? ', "$scope": ' : this.#spaced ? ',"$scope": ' : ',"$scope":');
    if (this.#object(codeEnd, end) !== end) throw malformedBson('code and scope do not fill their length');
    target.bytes[target.at++] = CLOSE_OBJECT;
    return end;
  }
}
