import { parseDecimal128 } from './decimal128-text.ts';
import { BsonType, readInt32 } from './elements.ts';
import { type Field, NO_WRAPPER, pairOf, pick, textOf } from './extended-fields.ts';
import { parseIsoDate } from './iso-date.ts';

const EXACT_DIGITS = 15;
const MAX_DATE_MS = 2 ** 53;
const INTEGER = /^-?\d{1,19}$/;
const DOUBLE = /^-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$/;

/* Each takes the place of a wrapper by the value that it stands for; see `Unwrap`. */

/** Up to 15 digits, which are exact as a number. */
function smallInteger(out: Buffer, { type, valueAt, end }: Field): number | undefined {
  let at = valueAt + 4;
  const last = end - 1;
  const negative = out[at] === 0x2d;
  if (negative) at++;
  if (type !== BsonType.string || at === last || last - at > EXACT_DIGITS) return undefined;
  let value = 0;
  for (; at < last; at++) {
    const digit = out[at]! - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return negative ? 0 - value : value;
}

export function int32(out: Buffer, typeAt: number, start: number, first: Field): number {
  const value = smallInteger(out, first);
  if (value === undefined || value < -(2 ** 31) || value >= 2 ** 31) return NO_WRAPPER;
  out[typeAt] = BsonType.int32;
  return out.writeInt32LE(value, start);
}

export function int64(out: Buffer, typeAt: number, start: number, first: Field): number {
  const small = smallInteger(out, first);
  if (small !== undefined) {
    out[typeAt] = BsonType.int64;
    return writeInteger(out, start, small);
  }
  const text = textOf(out, first);
  if (text === undefined || !INTEGER.test(text)) return NO_WRAPPER;
  const value = BigInt(text);
  if (value !== BigInt.asIntN(64, value)) return NO_WRAPPER;
  out[typeAt] = BsonType.int64;
  return out.writeBigInt64LE(value, start);
}

export function double(out: Buffer, typeAt: number, start: number, first: Field): number {
  const text = textOf(out, first);
  if (text === undefined) return NO_WRAPPER;
  const special = text === 'NaN' || text === 'Infinity' || text === '-Infinity';
  if (!special && !(DOUBLE.test(text) && Number.isFinite(Number(text)))) return NO_WRAPPER;
  out[typeAt] = BsonType.double;
  return out.writeDoubleLE(Number(text), start);
}

export function decimal(out: Buffer, typeAt: number, start: number, first: Field): number {
  const text = textOf(out, first);
  const bytes = text === undefined ? undefined : parseDecimal128(text);
  if (bytes === undefined) return NO_WRAPPER;
  out.set(bytes, start);
  out[typeAt] = BsonType.decimal128;
  return start + bytes.length;
}

/** ISO text (relaxed) or milliseconds as `$numberLong` (canonical). Bare milliseconds are `bareDate`. */
export function date(out: Buffer, typeAt: number, start: number, first: Field): number {
  if (first.type === BsonType.int64) {
    out.copyWithin(start, first.valueAt, first.end);
    out[typeAt] = BsonType.date;
    return start + 8;
  }
  const ms = first.type === BsonType.string ? parseIsoDate(out, first.valueAt + 4, first.end - 1) : undefined;
  if (ms === undefined) return NO_WRAPPER;
  out[typeAt] = BsonType.date;
  return writeInteger(out, start, ms);
}

export function bareDate(out: Buffer, typeAt: number, start: number, { type, valueAt }: Field): number {
  const ms = type === BsonType.int32 ? readInt32(out, valueAt) : doubleMs(out, type, valueAt);
  if (ms === undefined) return NO_WRAPPER;
  out[typeAt] = BsonType.date;
  return writeInteger(out, start, ms);
}

function doubleMs(out: Buffer, type: number, at: number): number | undefined {
  const ms = type === BsonType.double ? out.readDoubleLE(at) : Number.NaN;
  return Number.isInteger(ms) && Math.abs(ms) <= MAX_DATE_MS ? ms : undefined;
}

/** A whole number of at most 53 bits as an int64. */
function writeInteger(out: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  out.writeUInt32LE(value - high * 2 ** 32, at);
  return out.writeInt32LE(high, at + 4);
}

export function timestamp(out: Buffer, typeAt: number, start: number, first: Field): number {
  const pair = pairOf(out, first);
  if (pair === undefined) return NO_WRAPPER;
  const t = pick(out, pair, T);
  const i = pick(out, pair, I);
  const seconds = t === undefined ? undefined : uint32(out, t);
  const increment = i === undefined ? undefined : uint32(out, i);
  if (seconds === undefined || increment === undefined) return NO_WRAPPER;
  out.writeUInt32LE(increment, start);
  out[typeAt] = BsonType.timestamp;
  return out.writeUInt32LE(seconds, start + 4);
}

const T = Buffer.from('t');
const I = Buffer.from('i');

/** A whole number without a sign, written without a wrapper or as `$numberLong`. */
function uint32(out: Buffer, { type, valueAt }: Field): number | undefined {
  const low = readInt32(out, valueAt);
  if (type === BsonType.int32) return low < 0 ? undefined : low;
  return type === BsonType.int64 && readInt32(out, valueAt + 4) === 0 ? low >>> 0 : undefined;
}
