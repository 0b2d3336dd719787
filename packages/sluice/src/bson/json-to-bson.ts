import type { BsonValue } from '../core/change-event.ts';
import { BsonType } from './elements.ts';
import { unwrapExtended } from './extended-json.ts';
import { JsonNumbers } from './json-number-text.ts';
import { ELEMENT_BYTES } from './json-text.ts';
import { malformedJson } from './malformed-json.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const DOLLAR = 0x24;
const LETTER_I = 0x49;

/** The same depth as our own JSON may have. */
const MAX_DEPTH = 200;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
const NAN = Buffer.from('NaN');
const INFINITE = Buffer.from('Infinity');

/** Which wrappers of Extended JSON are taken for the types that they stand for. */
export interface JsonToBsonOptions {
  /**
   * Also those of version 1 (strict mode): `{$regex, $options}`, `{$binary, $type}` and dates in bare milliseconds. In
   * version 2 these are documents. `{$ref, $id}` always stays a document, which it mostly was.
   */
  readonly legacy: boolean;
}

/**
 * Makes BSON of Extended JSON (canonical and relaxed, also mixed), straight from bytes to bytes. Fields keep their
 * order, duplicates included. Integers without a wrapper become int32 where they fit, else int64 with every digit, and
 * doubles above; numbers with a point or an exponent, and `-0`, are doubles. An object that only looks like a wrapper
 * stays a document. `NaN` and the infinities are read too, as other tools write them.
 *
 * Throws `rejected` (`json.malformed`, `json.no-bson-form`), never anything else. What it hands out is never written
 * again.
 */
export class JsonToBson extends JsonNumbers {
  readonly #legacy: boolean;
  #depth = 0;

  constructor(options: JsonToBsonOptions) {
    super();
    this.#legacy = options.legacy;
  }

  /** The document that the JSON object `source` stands for. It is never taken for a wrapper itself. */
  document(source: Buffer): Buffer {
    this.#start(source);
    if (source[this.in] !== OPEN_OBJECT) throw malformedJson('an object is expected', this.in);
    this.#object();
    this.#finish();
    return this.taken(0);
  }

  /** The value that the JSON text `source` stands for. */
  value(source: Buffer): BsonValue {
    this.#start(source);
    this.at = 1;
    this.#value(0);
    this.#finish();
    return { type: this.out[0]!, bytes: this.taken(1) };
  }

  #start(source: Buffer): void {
    this.begin(source);
    this.#depth = 0;
    this.#space();
  }

  #finish(): void {
    this.#space();
    if (this.in !== this.source.length) throw malformedJson('more text follows', this.in);
  }

  #space(): void {
    const { source } = this;
    let i = this.in;
    for (;;) {
      const byte = source[i];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      i++;
    }
    this.in = i;
  }

  /** Reads an object into a document; true when it may be a wrapper: one or two fields, the first beginning with `$`. */
  #object(): boolean {
    const { source } = this;
    const start = this.#open();
    let fields = 0;
    let dollar = false;
    if (source[this.in] === CLOSE_OBJECT) this.in++;
    else {
      do {
        this.#space();
        const typeAt = this.at++;
        if (source[this.in] !== QUOTE) throw malformedJson('a name is expected', this.in);
        this.name();
        if (fields++ === 0) dollar = this.out[typeAt + 1] === DOLLAR;
        this.#space();
        if (source[this.in] !== COLON) throw malformedJson('a colon is expected', this.in);
        this.in++;
        this.#space();
        this.#value(typeAt);
      } while (this.#goesOn(CLOSE_OBJECT));
    }
    this.#close(start);
    return dollar && fields <= 2;
  }

  #array(): void {
    const start = this.#open();
    if (this.source[this.in] === CLOSE_ARRAY) this.in++;
    else {
      let index = 0;
      do {
        this.#space();
        const typeAt = this.at++;
        this.#index(index++);
        this.#value(typeAt);
      } while (this.#goesOn(CLOSE_ARRAY));
    }
    this.#close(start);
  }

  #open(): number {
    if (++this.#depth > MAX_DEPTH) throw malformedJson(`it is nested deeper than ${MAX_DEPTH} levels`, this.in);
    const start = this.at;
    this.reserve(ELEMENT_BYTES);
    this.at = start + 4;
    this.in++;
    this.#space();
    return start;
  }

  /** Behind a value: true when a comma follows, false when the bracket closes. */
  #goesOn(close: number): boolean {
    this.#space();
    const byte = this.source[this.in];
    if (byte !== COMMA && byte !== close) throw malformedJson('a comma or a closing bracket is expected', this.in);
    this.in++;
    this.reserve(ELEMENT_BYTES);
    return byte === COMMA;
  }

  #close(start: number): void {
    this.out[this.at++] = 0;
    this.int32(start, this.at - start);
    this.#depth--;
  }

  /** The number of an array element as its name. */
  #index(index: number): void {
    const { out } = this;
    if (index < 10) out[this.at++] = ZERO + index;
    else {
      const text = String(index);
      for (let i = 0; i < text.length; i++) out[this.at++] = text.charCodeAt(i);
    }
    out[this.at++] = 0;
  }

  /** Reads a value to `at` and stores its type at `typeAt`. */
  #value(typeAt: number): void {
    this.reserve(ELEMENT_BYTES);
    const byte = this.source[this.in];
    switch (byte) {
      case QUOTE:
        this.out[typeAt] = BsonType.string;
        return this.string();
      case OPEN_OBJECT: {
        const start = this.at;
        const wrapper = this.#object();
        this.out[typeAt] = BsonType.document;
        if (wrapper) this.at = unwrapExtended(this.out, typeAt, start, this.at, this.#legacy);
        return;
      }
      case OPEN_ARRAY:
        this.#array();
        this.out[typeAt] = BsonType.array;
        return;
      case 0x74:
        this.literal(TRUE);
        return this.#boolean(typeAt, 1);
      case 0x66:
        this.literal(FALSE);
        return this.#boolean(typeAt, 0);
      case 0x6e:
        this.literal(NULL);
        this.out[typeAt] = BsonType.null;
        return;
      case 0x4e:
        this.literal(NAN);
        return this.double(typeAt, Number.NaN);
      case LETTER_I:
        this.literal(INFINITE);
        return this.double(typeAt, Infinity);
      default:
        return this.number(typeAt);
    }
  }

  #boolean(typeAt: number, value: number): void {
    this.out[typeAt] = BsonType.boolean;
    this.out[this.at++] = value;
  }
}
