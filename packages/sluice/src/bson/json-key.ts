import { type CanonicalNumber, canonicalNumber } from './canonical-number.ts';
import { BsonType, cstringEnd, documentEnd, readInt32, stringEnd, valueEnd } from './elements.ts';
import type { JsonBuffer } from './json-buffer.ts';
import { DocumentWriter } from './json-document.ts';
import { writeInteger } from './json-numbers.ts';
import { ScalarWriter } from './json-scalars.ts';
import { malformedBson, nestedTooDeep } from './malformed.ts';

const MAX_DEPTH = 200;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** How a key is written. */
export interface KeyWriterOptions {
  readonly style: 'relaxed' | 'canonical';
}

/**
 * Writes document keys as Extended JSON, so that two keys have the same bytes exactly when MongoDB takes them for the
 * same key: numbers by their value (1, 1.0, NumberLong(1) and NumberDecimal("1.0") are one), symbols as strings. No
 * document in an `_id` can be mistaken for a type, because the server refuses names that begin with `$` there.
 */
export class KeyWriter {
  readonly #target: JsonBuffer;
  readonly #values: DocumentWriter;
  readonly #scalars: ScalarWriter;
  readonly #wrapNumbers: boolean;
  #source: Buffer = Buffer.alloc(0);
  #depth = 0;

  constructor(target: JsonBuffer, options: KeyWriterOptions) {
    this.#target = target;
    this.#values = new DocumentWriter(target, options);
    this.#scalars = new ScalarWriter(target, options.style, undefined);
    this.#wrapNumbers = options.style === 'canonical';
  }

  /** Writes the document that `source` is. Throws like `DocumentWriter`. */
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

  #object(start: number, limit: number): void {
    const source = this.#source;
    const target = this.#target;
    const last = documentEnd(source, start, limit) - 1;
    if (++this.#depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
    target.bytes[target.at++] = OPEN_OBJECT;
    for (let at = start + 4; at < last; ) {
      target.reserve();
      if (at !== start + 4) target.bytes[target.at++] = COMMA;
      const nameEnd = cstringEnd(source, at + 1, last);
      target.text(source, at + 1, nameEnd);
      target.bytes[target.at++] = COLON;
      at = this.#value(source[at]!, nameEnd + 1, last);
    }
    target.bytes[target.at++] = CLOSE_OBJECT;
    this.#depth--;
  }

  #array(start: number, limit: number): void {
    const source = this.#source;
    const target = this.#target;
    const last = documentEnd(source, start, limit) - 1;
    if (++this.#depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
    target.bytes[target.at++] = OPEN_ARRAY;
    for (let at = start + 4; at < last; ) {
      target.reserve();
      if (at !== start + 4) target.bytes[target.at++] = COMMA;
      at = this.#value(source[at]!, cstringEnd(source, at + 1, last) + 1, last);
    }
    target.bytes[target.at++] = CLOSE_ARRAY;
    this.#depth--;
  }

  /** Writes the value of `type` at `at`; returns where it ends. */
  #value(type: number, at: number, limit: number): number {
    const source = this.#source;
    const end = valueEnd(source, type, at, limit);
    switch (type) {
      case BsonType.objectId:
        this.#scalars.objectId(source, at);
        break;
      case BsonType.document:
        this.#object(at, limit);
        break;
      case BsonType.array:
        this.#array(at, limit);
        break;
      case BsonType.int32:
        if (this.#wrapNumbers) this.#number(canonicalNumber(type, source, at));
        else writeInteger(this.#target, readInt32(source, at));
        break;
      case BsonType.int64:
      case BsonType.double:
      case BsonType.decimal128:
        this.#number(canonicalNumber(type, source, at));
        break;
      case BsonType.symbol:
        this.#target.text(source, at + 4, end - 1);
        break;
      case BsonType.codeWithScope:
        this.#codeWithScope(at, end);
        break;
      default:
        this.#values.value(type, source.subarray(at, end));
    }
    return end;
  }

  /** As `DocumentWriter` writes it, but with the numbers of the scope by their value. */
  #codeWithScope(at: number, end: number): void {
    const target = this.#target;
    const codeEnd = stringEnd(this.#source, at + 4, end);
    if (documentEnd(this.#source, codeEnd, end) !== end) throw malformedBson('code and scope do not fill their length');
    target.ascii('{"$code":');
    target.text(this.#source, at + 8, codeEnd - 1);
    target.ascii(',"$scope":');
    this.#object(codeEnd, end);
    target.bytes[target.at++] = CLOSE_OBJECT;
  }

  #number(number: CanonicalNumber): void {
    const wrapper = this.#wrapper(number);
    if (wrapper === undefined) return this.#target.ascii(number.text);
    this.#target.ascii(`{"${wrapper}":"${number.text}"}`);
  }

  #wrapper({ kind, text }: CanonicalNumber): string | undefined {
    if (kind === 'decimal') return '$numberDecimal';
    if (kind === 'special') return '$numberDouble';
    if (!this.#wrapNumbers) return undefined;
    if (kind === 'double') return '$numberDouble';
    const value = BigInt(text);
    if (value === BigInt.asIntN(32, value)) return '$numberInt';
    return value === BigInt.asIntN(64, value) ? '$numberLong' : '$numberDecimal';
  }
}
