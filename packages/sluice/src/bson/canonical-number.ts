import { decodeDecimal128, formatDecimal128 } from './decimal128.ts';
import { BsonType, readInt32 } from './elements.ts';
import { readDouble } from './json-numbers.ts';

/** A number by its value: equal for all BSON numbers that MongoDB treats as one key. */
export interface CanonicalNumber {
  /** `integer`: its digits. `double`: the shortest digits. `decimal`: one that no double is equal to. */
  readonly kind: 'integer' | 'double' | 'decimal' | 'special';
  readonly text: string;
}

/** No double above this is equal to a decimal that has other digits than the double's own. */
const MAX_SHARED_INTEGER = 1e60;
const MAX_SHARED_DIGITS = 60;
/** Below this a decimal cannot be equal to a double that is not zero: 34 digits are too few for its fraction. */
const MIN_SHARED_EXPONENT = -60;
const LAST_DIGITS = /0+$/;

/** The value of the int32, int64, double or decimal128 at `at`. */
export function canonicalNumber(type: number, source: Buffer, at: number): CanonicalNumber {
  switch (type) {
    case BsonType.int32:
      return { kind: 'integer', text: String(readInt32(source, at)) };
    case BsonType.int64:
      return { kind: 'integer', text: source.readBigInt64LE(at).toString() };
    case BsonType.double:
      return ofDouble(readDouble(source, at));
    default:
      return ofDecimal(source, at);
  }
}

function ofDouble(value: number): CanonicalNumber {
  if (!Number.isFinite(value)) return { kind: 'special', text: String(value) };
  if (Number.isInteger(value) && Math.abs(value) < MAX_SHARED_INTEGER) {
    return { kind: 'integer', text: BigInt(value).toString() };
  }
  return { kind: 'double', text: String(value) };
}

function ofDecimal(source: Buffer, at: number): CanonicalNumber {
  const value = decodeDecimal128(source, at);
  if (value.kind !== 'finite') return { kind: 'special', text: formatDecimal128(value) };
  if (value.coefficient === 0n) return { kind: 'integer', text: '0' };
  const digits = value.coefficient.toString();
  const significant = digits.replace(LAST_DIGITS, '');
  const exponent = value.exponent + digits.length - significant.length;
  const sign = value.negative ? '-' : '';
  if (exponent >= 0 && significant.length + exponent <= MAX_SHARED_DIGITS) {
    return { kind: 'integer', text: sign + significant + '0'.repeat(exponent) };
  }
  const coefficient = BigInt(significant);
  const double = Number(`${sign}${significant}e${exponent}`);
  if (exponent < 0 && exponent >= MIN_SHARED_EXPONENT && isExactly(Math.abs(double), coefficient, exponent)) {
    return { kind: 'double', text: String(double) };
  }
  return {
    kind: 'decimal',
    text: formatDecimal128({ kind: 'finite', negative: value.negative, coefficient, exponent }),
  };
}

/** True when the positive, not integer `double` is exactly `coefficient` × 10^`exponent`. */
function isExactly(double: number, coefficient: bigint, exponent: number): boolean {
  let scaled = double;
  let halvings = 0n;
  // Doubling is exact, and ends: a double has at most 1074 binary places.
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    halvings++;
  }
  return BigInt(scaled) * 10n ** BigInt(-exponent) === coefficient << halvings;
}
