import { SluiceError } from '../core/failure.ts';
import { type Decimal128Value, decodeDecimal128, formatDecimal128 } from './decimal128.ts';
import { BsonType, cstringEnd, documentEnd, readInt32, readUint32, stringEnd } from './elements.ts';
import type { JsonBuffer } from './json-buffer.ts';
import { FIRST_ISO_MS, LAST_ISO_MS, writeIsoDate } from './json-dates.ts';
import { readDouble, writeFiniteDouble, writeInteger } from './json-numbers.ts';
import { ScalarWriter } from './json-scalars.ts';
import { malformedBson } from './malformed.ts';

/** What becomes of the values that the target cannot take as they are. */
export interface PlainScalarOptions {
  /** NaN and the infinities, of doubles and decimals: the texts `NaN`, `Infinity` and `-Infinity`, or null. */
  readonly nonFinite: 'text' | 'null';
  /** Decimal128 as a number with all its digits, which readers may round, or as a text. */
  readonly decimals: 'number' | 'text';
  /** NUL characters in texts: kept as an escape, left out, or a reason to reject the document. */
  readonly nul: 'keep' | 'strip' | 'reject';
}

const QUOTE = 0x22;
const SLASH = 0x2f;
const CLOSE_OBJECT = 0x7d;
const FIRST_PRINTABLE = 0x20;
/** Escapes such as `\n` add one byte to a character, those such as `\u0000` five. */
const SHORT_ESCAPES = Buffer.from('"\\\b\t\n\f\r');
const TWO_32 = 2 ** 32;
/** High words of dates between which the milliseconds are a safe integer. */
const SAFE_HIGH = 2 ** 21;
/** The calendar repeats every 400 years. */
const CYCLE_MS = 12_622_780_800_000n;
const CYCLE_YEARS = 400n;
const EXPANDED_YEAR_DIGITS = 6;
const ISO_YEAR_DIGITS = 4;
const NULL = Buffer.from('null');
const MIN_KEY = Buffer.from('"MinKey"');
const MAX_KEY = Buffer.from('"MaxKey"');
const TIME = Buffer.from('{"t":');
const INCREMENT = Buffer.from(',"i":');
const REF = Buffer.from('{"$ref":');
const ID = Buffer.from(',"$id":"');

/** Writes the values that are neither small numbers nor containers. The caller has checked that they are whole. */
export class PlainScalars {
  readonly #target: JsonBuffer;
  /** For what has the same form in plain documents for readers. */
  readonly #shared: ScalarWriter;
  readonly #options: PlainScalarOptions;
  readonly #keepsNul: boolean;

  constructor(target: JsonBuffer, options: PlainScalarOptions) {
    this.#target = target;
    this.#shared = new ScalarWriter(target, 'plain', undefined);
    this.#options = options;
    this.#keepsNul = options.nul === 'keep';
  }

  /** Writes the UTF-8 bytes from `start` to `end` as a string. Throws `bson.invalid-utf8` and `bson.nul-character`. */
  text(source: Buffer, start: number, end: number): void {
    const target = this.#target;
    const { bytes, at } = target;
    target.text(source, start, end);
    // Without an escape the text is as long as it was, so that most texts are not looked at once more.
    if (this.#keepsNul || (target.at - at === end - start + 2 && target.bytes === bytes)) return;
    const nul = source.indexOf(0, start);
    if (nul !== -1 && nul < end) this.#rewrite(source, start, end);
  }

  /** Writes the value of `type` from `at` to `end`. Throws `bson.malformed` when its content is not valid. */
  write(type: number, source: Buffer, at: number, end: number): void {
    switch (type) {
      case BsonType.objectId:
        return this.#shared.objectId(source, at);
      case BsonType.date:
        return this.#writeDate(source, at);
      case BsonType.double:
        return this.#writeDouble(source, at);
      case BsonType.decimal128:
        return this.#writeDecimal(decodeDecimal128(source, at));
      case BsonType.binary:
        return this.#shared.write(type, source, at);
      case BsonType.timestamp:
        return this.#writeTimestamp(source, at);
      case BsonType.regex:
        return this.#writeRegex(source, at, end);
      case BsonType.code:
      case BsonType.symbol:
        return this.text(source, at + 4, end - 1);
      case BsonType.codeWithScope:
        return this.#writeCodeWithScope(source, at, end);
      case BsonType.dbPointer:
        return this.#writeDbPointer(source, at);
      case BsonType.undefined:
        return this.#target.raw(NULL);
      case BsonType.minKey:
        return this.#target.raw(MIN_KEY);
      case BsonType.maxKey:
        return this.#target.raw(MAX_KEY);
      default:
        throw malformedBson(`there is no type 0x${type.toString(16)}`);
    }
  }

  /** Takes back the text just written, which holds NUL characters, and writes it without them. */
  #rewrite(source: Buffer, start: number, end: number): void {
    if (this.#options.nul === 'reject') throw nulCharacter();
    this.#target.at -= writtenLength(source, start, end);
    const stripped = source.subarray(start, end).filter((byte) => byte !== 0);
    this.#target.text(stripped, 0, stripped.length);
  }

  #writeDate(source: Buffer, at: number): void {
    const target = this.#target;
    const high = readInt32(source, at + 4);
    const safe = high >= -SAFE_HIGH && high < SAFE_HIGH;
    const ms = safe ? high * TWO_32 + readUint32(source, at) : Number.NaN;
    if (!(ms >= FIRST_ISO_MS && ms <= LAST_ISO_MS)) {
      return target.ascii(`"${formatExpandedDate(source.readBigInt64LE(at))}"`);
    }
    target.bytes[target.at++] = QUOTE;
    writeIsoDate(target, ms, true);
    target.bytes[target.at++] = QUOTE;
  }

  #writeDouble(source: Buffer, at: number): void {
    const finite = (source[at + 7]! & 0x7f) !== 0x7f || (source[at + 6]! & 0xf0) !== 0xf0;
    if (finite) writeFiniteDouble(this.#target, source, at);
    else this.#writeNonFinite(String(readDouble(source, at)));
  }

  #writeDecimal(value: Decimal128Value): void {
    const text = formatDecimal128(value);
    if (value.kind !== 'finite') this.#writeNonFinite(text);
    else this.#target.ascii(this.#options.decimals === 'number' ? text : `"${text}"`);
  }

  #writeNonFinite(text: string): void {
    this.#target.ascii(this.#options.nonFinite === 'text' ? `"${text}"` : 'null');
  }

  #writeTimestamp(source: Buffer, at: number): void {
    const target = this.#target;
    target.raw(TIME);
    writeInteger(target, readUint32(source, at + 4));
    target.raw(INCREMENT);
    writeInteger(target, readUint32(source, at));
    target.bytes[target.at++] = CLOSE_OBJECT;
  }

  #writeRegex(source: Buffer, at: number, end: number): void {
    const whole = Buffer.allocUnsafe(end - at);
    whole[0] = SLASH;
    const patternEnd = cstringEnd(source, at, end);
    source.copy(whole, 1, at, patternEnd);
    whole[1 + patternEnd - at] = SLASH;
    source.copy(whole, 2 + patternEnd - at, patternEnd + 1, end - 1);
    this.#target.text(whole, 0, whole.length);
  }

  /** The length of the whole is followed by the code and by the document of its scope, which fill it exactly. */
  #writeCodeWithScope(source: Buffer, at: number, end: number): void {
    const codeEnd = stringEnd(source, at + 4, end);
    this.text(source, at + 8, codeEnd - 1);
    if (documentEnd(source, codeEnd, end) !== end) throw malformedBson('code and scope do not fill their length');
  }

  #writeDbPointer(source: Buffer, at: number): void {
    const target = this.#target;
    const idAt = at + 4 + readInt32(source, at);
    target.raw(REF);
    this.text(source, at + 4, idAt - 1);
    target.raw(ID);
    target.hex(source, idAt, idAt + 12);
    target.bytes[target.at++] = QUOTE;
    target.bytes[target.at++] = CLOSE_OBJECT;
  }
}

/** ISO 8601 with a sign and at least six digits of year, as JavaScript writes it, for any 64 bits of milliseconds. */
function formatExpandedDate(ms: bigint): string {
  let cycles = ms / CYCLE_MS;
  let rest = ms - cycles * CYCLE_MS;
  if (rest < 0n) {
    rest += CYCLE_MS;
    cycles--;
  }
  // From year 1970 to 2369, so always of four digits.
  const inFirst = new Date(Number(rest)).toISOString();
  const year = BigInt(inFirst.slice(0, ISO_YEAR_DIGITS)) + cycles * CYCLE_YEARS;
  const digits = String(year < 0n ? -year : year).padStart(EXPANDED_YEAR_DIGITS, '0');
  return `${year < 0n ? '-' : '+'}${digits}${inFirst.slice(ISO_YEAR_DIGITS)}`;
}

/** How many bytes the valid text has as a JSON string. */
function writtenLength(source: Buffer, start: number, end: number): number {
  let length = end - start + 2;
  for (let i = start; i < end; i++) {
    const byte = source[i]!;
    if (SHORT_ESCAPES.includes(byte)) length += 1;
    else if (byte < FIRST_PRINTABLE) length += 5;
  }
  return length;
}

function nulCharacter(): SluiceError {
  return new SluiceError('the document holds a text with a NUL character, which the target cannot store', {
    kind: 'rejected',
    code: 'bson.nul-character',
    hint: 'Let the sink strip NUL characters, or repair the document at the source and replay the dead letter.',
  });
}
