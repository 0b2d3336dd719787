import { decodeDecimal128 } from '../../bson/decimal128.ts';
import { asBuffer, BsonType } from '../../bson/elements.ts';
import type { BsonValue } from '../../core/change-event.ts';

/** A finite number: coefficient × 10^exponent. */
export interface Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
}

const DIGITS = 34;
const BIAS = 6176;
const MIN_EXPONENT = -6176;
const MAX_EXPONENT = 6111;

/** The finite decimal128 as a decimal; a number for those that are not finite. */
export function decimalOf(value: BsonValue): Decimal | number {
  const { kind, negative, coefficient, exponent } = decodeDecimal128(asBuffer(value.bytes), 0);
  if (kind === 'nan') return Number.NaN;
  if (kind === 'infinity') return negative ? -Infinity : Infinity;
  return { coefficient: negative ? -coefficient : coefficient, exponent };
}

/** Every digit of a finite double. */
export function exactDecimal(value: number): Decimal {
  const bits = Buffer.allocUnsafe(8);
  bits.writeDoubleBE(value);
  const word = bits.readBigUInt64BE();
  const biased = Number((word >> 52n) & 0x7ffn);
  const fraction = word & 0xf_ffff_ffff_ffffn;
  let mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  let power = (biased === 0 ? 1 : biased) - 1075;
  while (power < 0 && mantissa % 2n === 0n) {
    mantissa /= 2n;
    power = mantissa === 0n ? 0 : power + 1;
  }
  const signed = word >> 63n === 1n ? -mantissa : mantissa;
  if (power >= 0) return { coefficient: signed << BigInt(power), exponent: 0 };
  return { coefficient: signed * 5n ** BigInt(-power), exponent: power };
}

/** A double as MongoDB takes it into decimal arithmetic: with 15 digits. */
export function decimalOfDouble(value: number): Decimal {
  if (value === 0) return { coefficient: 0n, exponent: 0 };
  const [mantissa = '0', power = '0'] = value.toExponential(14).split('e');
  return { coefficient: BigInt(mantissa.replace('.', '')), exponent: Number(power) - 14 };
}

/** With at most `digits` digits, rounded half to even. */
export function rounded(value: Decimal, digits = DIGITS): Decimal {
  const length = abs(value.coefficient).toString().length;
  return length <= digits ? value : quantize(value, value.exponent + length - digits);
}

/** With this exponent, rounded half to even. */
export function quantize({ coefficient, exponent }: Decimal, target: number): Decimal {
  if (exponent >= target) return { coefficient: coefficient * 10n ** BigInt(exponent - target), exponent: target };
  const divisor = 10n ** BigInt(target - exponent);
  const size = abs(coefficient);
  const twice = (size % divisor) * 2n;
  const low = size / divisor;
  const up = twice > divisor || (twice === divisor && low % 2n === 1n);
  const whole = up ? low + 1n : low;
  return { coefficient: coefficient < 0n ? -whole : whole, exponent: target };
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return {
    coefficient: scaled(a, exponent) + scaled(b, exponent),
    exponent,
  };
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { coefficient: a.coefficient * b.coefficient, exponent: a.exponent + b.exponent };
}

/** `b` must not be zero. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  const ideal = a.exponent - b.exponent;
  const extra = DIGITS * 2 + abs(b.coefficient).toString().length;
  const numerator = a.coefficient * 10n ** BigInt(extra);
  const quotient = numerator / b.coefficient;
  // A digit behind the others that tells that there were more: then nothing is taken for a tie that is none.
  const sticky = numerator % b.coefficient === 0n ? 0n : numerator < 0n === b.coefficient < 0n ? 1n : -1n;
  let result = rounded({ coefficient: quotient * 10n + sticky, exponent: ideal - extra - 1 });
  while (result.exponent < ideal && result.coefficient % 10n === 0n) {
    result = { coefficient: result.coefficient / 10n, exponent: result.exponent + 1 };
  }
  return result;
}

/** The double nearest to it. */
export function doubleOf({ coefficient, exponent }: Decimal): number {
  return Number(`${coefficient}e${exponent}`);
}

/** The decimal128 of it, rounded to what that can hold; undefined when it is too large. */
export function decimalValue(value: Decimal): BsonValue | undefined {
  let { coefficient, exponent } = rounded(value);
  if (coefficient === 0n) exponent = Math.min(Math.max(exponent, MIN_EXPONENT), MAX_EXPONENT);
  if (exponent < MIN_EXPONENT) ({ coefficient, exponent } = quantize({ coefficient, exponent }, MIN_EXPONENT));
  while (exponent > MAX_EXPONENT && abs(coefficient).toString().length < DIGITS) {
    coefficient *= 10n;
    exponent -= 1;
  }
  return exponent > MAX_EXPONENT ? undefined : encode(coefficient, exponent);
}

/** The same zero with a minus. */
export function negativeZero({ type, bytes }: BsonValue): BsonValue {
  const negative = Buffer.from(bytes);
  negative[15] = (negative[15] as number) | 0x80;
  return { type, bytes: negative };
}

/** NaN or an infinity as a decimal128. */
export function specialDecimal(value: number): BsonValue {
  const high = Number.isNaN(value) ? 0x7cn : value < 0 ? 0xf8n : 0x78n;
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(high << 56n, 8);
  return { type: BsonType.decimal128, bytes };
}

function encode(coefficient: bigint, exponent: number): BsonValue {
  const size = abs(coefficient);
  const high = (coefficient < 0n ? 1n << 63n : 0n) | (BigInt(exponent + BIAS) << 49n) | (size >> 64n);
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64LE(size & 0xffff_ffff_ffff_ffffn, 0);
  bytes.writeBigUInt64LE(high, 8);
  return { type: BsonType.decimal128, bytes };
}

function scaled({ coefficient, exponent }: Decimal, to: number): bigint {
  // Beyond this distance the smaller one cannot change a digit that is kept, but must not take gigabytes either.
  const distance = Math.min(exponent - to, 12_300);
  return coefficient * 10n ** BigInt(distance);
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}
