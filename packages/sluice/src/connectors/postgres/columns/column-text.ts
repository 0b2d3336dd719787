import { isUtf8 } from 'node:buffer';
import { decodeDecimal128, formatDecimal128 } from '../../../bson/decimal128.ts';
import { BsonType, readInt32 } from '../../../bson/elements.ts';
import { JsonBuffer } from '../../../bson/json-buffer.ts';
import { readDouble } from '../../../bson/json-numbers.ts';
import { invalidUtf8, malformedBson } from '../../../bson/malformed.ts';
import { PlainDocumentWriter } from '../../../bson/plain-document.ts';
import type { ColumnType } from './column-types.ts';
import { plainDigits } from './plain-digits.ts';
import { asciiText, int64Text, isSafeInt64 } from './short-text.ts';
import { timestampText } from './timestamp-text.ts';

/** How values are written; what also concerns `document` has to be the same there. */
export interface TextOptions {
  /** As in `PlainOptions`. */
  readonly nonFinite: 'text' | 'null';
  /** As in `PlainOptions`. */
  readonly decimals: 'number' | 'text';
  /** NUL characters in texts, which PostgreSQL cannot store: left out, or a reason to reject the document. */
  readonly nul: 'strip' | 'reject';
  /** True when the server's `numeric` has infinities: from PostgreSQL 14 on. */
  readonly numericInfinity: boolean;
}

const SCRATCH_BYTES = 4096;
/** Below this length a loop is faster than a call into the runtime. */
const SHORT_TEXT = 24;
const UUID_SUBTYPE = 0x04;
const UUID_BYTES = 16;
const OLD_BINARY = 0x02;
const QUOTE = '"';

/** Writes BSON values as PostgreSQL reads them as input of a type. */
export class ColumnText {
  readonly #options: TextOptions;
  readonly #scratch = new JsonBuffer(SCRATCH_BYTES);
  readonly #writer: PlainDocumentWriter;
  readonly #kept = new JsonBuffer();
  readonly #keptWriter: PlainDocumentWriter;

  constructor(options: TextOptions) {
    this.#options = options;
    const { nonFinite, decimals, nul } = options;
    this.#writer = new PlainDocumentWriter(this.#scratch, { nonFinite, decimals, nul });
    this.#keptWriter = new PlainDocumentWriter(this.#kept, { nonFinite, decimals, nul });
  }

  /**
   * The value of `type` from `at` to `end`, which the caller has found, for a column: null for SQL's NULL, undefined
   * when it does not fit. Throws `bson.malformed`, `bson.invalid-utf8`, `bson.nul-character`, `bson.too-deep`.
   */
  of(column: ColumnType, type: number, source: Buffer, at: number, end: number): string | null | undefined {
    switch (type) {
      case BsonType.null:
      case BsonType.undefined:
        return null;
      case BsonType.string:
        if (column === 'text') return this.#string(source, at + 4, end - 1);
        break;
      case BsonType.int32:
        if (column === 'jsonb' || isNumber(column) || column === 'text') return String(readInt32(source, at));
        return undefined;
      case BsonType.int64:
        return int64(column, source, at);
      case BsonType.double:
        return this.#double(column, source, at);
      case BsonType.date:
        if (column === 'timestamptz') return timestampText(source, at);
        break;
      case BsonType.objectId:
        if (column === 'text') return source.toString('hex', at, end);
        break;
      case BsonType.boolean:
        return boolean(column, source[at]!);
      case BsonType.decimal128:
        return this.#decimal(column, source, at);
      case BsonType.binary:
        if (column === 'bytea') return `\\x${source.toString('hex', dataStart(source, at, end), end)}`;
        if (column === 'uuid') return uuid(source, at, end);
        break;
    }
    if (column === 'jsonb') return this.#json(type, source, at, end);
    return column === 'text' ? this.#unquoted(type, source, at, end) : undefined;
  }

  /** The value as JSON, as in `document`. The bytes are never written again. */
  jsonBytes(type: number, source: Buffer, at: number, end: number): Buffer {
    this.#kept.begin(end - at);
    this.#keptWriter.value(type, source.subarray(at, end));
    return this.#kept.end();
  }

  #json(type: number, source: Buffer, at: number, end: number): string {
    const scratch = this.#scratch;
    scratch.rewind();
    scratch.begin(end - at);
    this.#writer.value(type, source.subarray(at, end));
    return scratch.end().toString('utf8');
  }

  /** What `document #>> path` gives, but for the spaces that PostgreSQL puts into objects and arrays. */
  #unquoted(type: number, source: Buffer, at: number, end: number): string | null {
    const json = this.#json(type, source, at, end);
    if (json.startsWith(QUOTE)) return JSON.parse(json) as string;
    return json === 'null' ? null : json;
  }

  #double(column: ColumnType, source: Buffer, at: number): string | null | undefined {
    const value = readDouble(source, at);
    switch (column) {
      case 'double precision':
        return Object.is(value, -0) ? '-0' : String(value);
      case 'numeric':
        return this.#options.numericInfinity || Number.isFinite(value) || Number.isNaN(value)
          ? String(value)
          : undefined;
      case 'bigint':
        return Number.isSafeInteger(value) ? String(value) : undefined;
      case 'text':
        if (Number.isFinite(value))
          return plainDigits(Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value));
        return this.#options.nonFinite === 'text' ? String(value) : null;
      case 'jsonb':
        return Number.isFinite(value) || this.#options.nonFinite === 'text'
          ? this.#json(BsonType.double, source, at, at + 8)
          : null;
    }
    return undefined;
  }

  #decimal(column: ColumnType, source: Buffer, at: number): string | null | undefined {
    const isText = column === 'text';
    if (!isText && column !== 'numeric' && column !== 'jsonb') return undefined;
    const value = decodeDecimal128(source, at);
    if (column === 'jsonb') {
      const isNothing = value.kind !== 'finite' && this.#options.nonFinite === 'null';
      return isNothing ? null : this.#json(BsonType.decimal128, source, at, at + 16);
    }
    const text = formatDecimal128(value);
    if (value.kind === 'finite') return isText && this.#options.decimals === 'number' ? plainDigits(text) : text;
    if (isText) return this.#options.nonFinite === 'text' ? text : null;
    return value.kind === 'nan' || this.#options.numericInfinity ? text : undefined;
  }

  /** The UTF-8 from `start` to `end`. */
  #string(source: Buffer, start: number, end: number): string | null {
    if (end - start <= SHORT_TEXT) {
      let i = start;
      // From 1 to 127: NUL and what is not ASCII are looked at below.
      while (i < end && ((source[i]! - 1) & 0xff) < 0x7f) i++;
      if (i === end) return asciiText(source, start, end);
    }
    const text = source.toString('utf8', start, end);
    // Bytes that are not UTF-8 have become this character; it may also stand in the text itself.
    if (text.includes('\ufffd') && !isUtf8(source.subarray(start, end))) throw invalidUtf8('text');
    return text.includes('\0') ? this.#unquoted(BsonType.string, source, start - 4, end + 1) : text;
  }
}

function isNumber(column: ColumnType): boolean {
  return column === 'bigint' || column === 'double precision' || column === 'numeric';
}

function int64(column: ColumnType, source: Buffer, at: number): string | undefined {
  if (!isNumber(column) && column !== 'text' && column !== 'jsonb') return undefined;
  return column === 'double precision' && !isSafeInt64(source, at) ? undefined : int64Text(source, at);
}

function boolean(column: ColumnType, byte: number): string | undefined {
  if (byte > 1) throw malformedBson('a boolean is neither false nor true');
  if (column !== 'boolean' && column !== 'text' && column !== 'jsonb') return undefined;
  return byte === 0 ? 'false' : 'true';
}

/** Subtype 2 repeats the length inside; the data begins behind it. */
function dataStart(source: Buffer, at: number, end: number): number {
  const start = at + 5;
  const isOld = source[at + 4] === OLD_BINARY && end - start >= 4 && readInt32(source, start) === end - start - 4;
  return isOld ? start + 4 : start;
}

function uuid(source: Buffer, at: number, end: number): string | undefined {
  const start = at + 5;
  if (source[at + 4] !== UUID_SUBTYPE || end - start !== UUID_BYTES) return undefined;
  const hex = source.toString('hex', start, end);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
