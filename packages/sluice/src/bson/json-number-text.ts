import { BsonType } from './elements.ts';
import { JsonText } from './json-text.ts';
import { malformedJson } from './malformed-json.ts';

const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_I = 0x49;
/** `e` and `E` with the bit that makes letters lower case. */
const LETTER_E = 0x65;
const LOWER_CASE = 0x20;
const INFINITE = Buffer.from('Infinity');

/** Integers of this many digits are exact as numbers. */
const EXACT_DIGITS = 15;
const INT64_DIGITS = 19;
const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;
const TWO_32 = 2 ** 32;
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

/** Reads the numbers of JSON as BSON: int32 where they fit, else int64 with every digit, else doubles. */
export class JsonNumbers extends JsonText {
  protected double(typeAt: number, value: number): void {
    this.out[typeAt] = BsonType.double;
    this.at = this.out.writeDoubleLE(value, this.at);
  }

  /** Reads a number to `at` and stores its type at `typeAt`; room for it was made. */
  protected number(typeAt: number): void {
    const { source } = this;
    const start = this.in;
    const negative = source[start] === MINUS;
    const first = negative ? start + 1 : start;
    let i = first;
    let value = 0;
    for (let byte = source[i]!; byte >= ZERO && byte <= NINE; byte = source[++i]!) value = value * 10 + (byte - ZERO);
    const digits = i - first;
    if (digits === 0) return this.#noDigits(typeAt, first, negative);
    if (digits > 1 && source[first] === ZERO) throw malformedJson('a number begins with zero', start);
    const byte = source[i]!;
    if (byte === POINT || (byte | LOWER_CASE) === LETTER_E) return this.#fraction(typeAt, start, i, value, digits);
    this.in = i;
    if (digits <= EXACT_DIGITS) return this.#integer(typeAt, negative ? -value : value);
    this.#longInteger(typeAt, start, i, digits);
  }

  #noDigits(typeAt: number, first: number, negative: boolean): void {
    if (!negative || this.source[first] !== LETTER_I) throw malformedJson('a value is expected', this.in);
    this.in = first;
    this.literal(INFINITE);
    this.double(typeAt, -Infinity);
  }

  #integer(typeAt: number, value: number): void {
    if (Object.is(value, -0)) return this.double(typeAt, value);
    if (value >= MIN_INT32 && value <= MAX_INT32) {
      this.out[typeAt] = BsonType.int32;
      this.int32(this.at, value);
      this.at += 4;
      return;
    }
    this.out[typeAt] = BsonType.int64;
    const high = Math.floor(value / TWO_32);
    this.int32(this.at, value - high * TWO_32);
    this.int32(this.at + 4, high);
    this.at += 8;
  }

  #longInteger(typeAt: number, start: number, end: number, digits: number): void {
    const text = this.source.toString('latin1', start, end);
    const exact = digits <= INT64_DIGITS ? BigInt(text) : undefined;
    if (exact === undefined || exact !== BigInt.asIntN(64, exact)) return this.#finite(typeAt, text, start);
    this.out[typeAt] = BsonType.int64;
    this.at = this.out.writeBigInt64LE(exact, this.at);
  }

  /** Goes on behind the digits of the integer part. */
  #fraction(typeAt: number, start: number, pointAt: number, integer: number, digits: number): void {
    const { source } = this;
    let i = pointAt;
    let mantissa = integer;
    let places = 0;
    if (source[i] === POINT) {
      for (let byte = source[++i]!; byte >= ZERO && byte <= NINE; byte = source[++i]!) {
        mantissa = mantissa * 10 + (byte - ZERO);
        places++;
      }
      if (places === 0) throw malformedJson('digits are expected', i);
    }
    const exponent = (source[i]! | LOWER_CASE) === LETTER_E;
    if (exponent) i = this.#exponentEnd(i + 1);
    this.in = i;
    // Both are exact as doubles, so their quotient is the nearest double.
    if (!exponent && digits + places <= EXACT_DIGITS) {
      const value = mantissa / POWERS_OF_TEN[places]!;
      return this.double(typeAt, source[start] === MINUS ? -value : value);
    }
    this.#finite(typeAt, source.toString('latin1', start, i), start);
  }

  #exponentEnd(at: number): number {
    const { source } = this;
    let i = source[at] === MINUS || source[at] === PLUS ? at + 1 : at;
    const first = i;
    for (let byte = source[i]!; byte >= ZERO && byte <= NINE; byte = source[++i]!);
    if (i === first) throw malformedJson('digits are expected', i);
    return i;
  }

  #finite(typeAt: number, text: string, start: number): void {
    const value = Number(text);
    if (!Number.isFinite(value)) throw malformedJson('a number is too large', start);
    this.double(typeAt, value);
  }
}
