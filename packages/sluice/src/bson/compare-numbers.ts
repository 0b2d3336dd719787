import { type Decimal128Value, decodeDecimal128 } from './decimal128.ts';
import { asBuffer, BsonType, readInt32, readUint32 } from './elements.ts';
import { readDouble } from './json-numbers.ts';

const TWO_32 = 2 ** 32;
/** High words between which an int64 is exact as a double. */
const EXACT_HIGH = 2 ** 21;

/**
 * Compares two BSON numbers of any types by their exact values: NaN comes first, zero has no sign. Both must have all
 * of their bytes.
 */
export function compareNumbers(
  leftType: number,
  left: Uint8Array,
  leftAt: number,
  rightType: number,
  right: Uint8Array,
  rightAt: number,
): number {
  if (leftType === BsonType.int64 && rightType === BsonType.int64) return compareInt64(left, leftAt, right, rightAt);
  const x = exactDouble(leftType, left, leftAt);
  const y = exactDouble(rightType, right, rightAt);
  if (x !== undefined && y !== undefined) return compareDoubles(x, y);
  return compareExact(exactNumber(leftType, left, leftAt), exactNumber(rightType, right, rightAt));
}

/** Compares two signed 64-bit integers, which dates are too. */
export function compareInt64(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): number {
  return (
    readInt32(left, leftAt + 4) - readInt32(right, rightAt + 4) || readUint32(left, leftAt) - readUint32(right, rightAt)
  );
}

function compareDoubles(x: number, y: number): number {
  if (x < y) return -1;
  if (x > y) return 1;
  return x === y ? 0 : Number(Number.isNaN(y)) - Number(Number.isNaN(x));
}

/** The number as a double where that loses nothing and is cheap to know. */
function exactDouble(type: number, source: Uint8Array, at: number): number | undefined {
  if (type === BsonType.int32) return readInt32(source, at);
  if (type === BsonType.double) return readDouble(source, at);
  if (type === BsonType.decimal128) return undefined;
  const high = readInt32(source, at + 4);
  return high >= -EXACT_HIGH && high < EXACT_HIGH ? high * TWO_32 + readUint32(source, at) : undefined;
}

/** Any BSON number as a decimal, here with as many digits as it takes: a double has up to 767. */
function exactNumber(type: number, source: Uint8Array, at: number): Decimal128Value {
  if (type === BsonType.decimal128) return decodeDecimal128(asBuffer(source), at);
  if (type === BsonType.int64) return ofInteger(asBuffer(source).readBigInt64LE(at));
  return ofDouble(type === BsonType.int32 ? readInt32(source, at) : readDouble(source, at));
}

function ofInteger(value: bigint): Decimal128Value {
  const negative = value < 0n;
  return { kind: 'finite', negative, coefficient: negative ? -value : value, exponent: 0 };
}

function ofDouble(value: number): Decimal128Value {
  const negative = value < 0;
  if (Number.isNaN(value)) return { kind: 'nan', negative: false, coefficient: 0n, exponent: 0 };
  if (!Number.isFinite(value)) return { kind: 'infinity', negative, coefficient: 0n, exponent: 0 };
  let scaled = Math.abs(value);
  let halvings = 0;
  // Doubling is exact, and ends: a double has at most 1074 binary places. A half is five tenths.
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    halvings++;
  }
  return { kind: 'finite', negative, coefficient: BigInt(scaled) * 5n ** BigInt(halvings), exponent: -halvings };
}

function compareExact(x: Decimal128Value, y: Decimal128Value): number {
  const order = signClass(x) - signClass(y);
  if (order !== 0 || x.kind !== 'finite' || x.coefficient === 0n) return order;
  return x.negative ? compareMagnitudes(y, x) : compareMagnitudes(x, y);
}

/** -3 NaN, -2 minus infinity, -1 negative, 0 zero, 1 positive, 2 infinity. */
function signClass({ kind, negative, coefficient }: Decimal128Value): number {
  if (kind === 'nan') return -3;
  if (kind === 'infinity') return negative ? -2 : 2;
  if (coefficient === 0n) return 0;
  return negative ? -1 : 1;
}

/** Compares two numbers that are neither zero nor infinite without their signs. */
function compareMagnitudes(x: Decimal128Value, y: Decimal128Value): number {
  const xDigits = x.coefficient.toString();
  const yDigits = y.coefficient.toString();
  const order = xDigits.length + x.exponent - (yDigits.length + y.exponent);
  if (order !== 0) return order;
  // Their first digits have the same place, so the digits compare like fractions.
  const length = Math.max(xDigits.length, yDigits.length);
  const left = xDigits.padEnd(length, '0');
  const right = yDigits.padEnd(length, '0');
  return left === right ? 0 : left < right ? -1 : 1;
}
