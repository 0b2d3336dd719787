import { compareBson } from '../../bson/compare.ts';
import { decodeDecimal128 } from '../../bson/decimal128.ts';
import { asBuffer, BsonType, readInt32 } from '../../bson/elements.ts';
import { doubleValue, int32Value, int64Value } from '../../bson/make-values.ts';
import { TYPE_NAMES } from '../../bson/type-names.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { ValueProblem } from '../problem.ts';
import { decimalOf, doubleOf } from './decimals.ts';
import type { Value } from './scope.ts';

const UNDEFINED: BsonValue = { type: BsonType.undefined, bytes: Buffer.alloc(0) };
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** The name of the type; `missing` for nothing. */
export function typeName(value: Value): string {
  return value === undefined ? 'missing' : (TYPE_NAMES.get(value.type) ?? 'unknown');
}

export function isNumber(value: Value): value is BsonValue {
  return value !== undefined && isNumberType(value.type);
}

export function isNumberType(type: number): boolean {
  return type === BsonType.int32 || type === BsonType.double || type === BsonType.int64 || type === BsonType.decimal128;
}

/** Orders two values as expressions do: what is missing stands with undefined. */
export function compareValues(a: Value, b: Value): number {
  return compareBson(a ?? UNDEFINED, b ?? UNDEFINED);
}

/** What counts as true in a condition: everything but false, zero, null, undefined and nothing. */
export function isTrue(value: Value): boolean {
  if (value === undefined) return false;
  const { type, bytes } = value;
  switch (type) {
    case BsonType.boolean:
      return bytes[0] === 1;
    case BsonType.null:
    case BsonType.undefined:
      return false;
    case BsonType.int32:
    case BsonType.int64:
      return bytes.some((byte) => byte !== 0);
    case BsonType.double:
      return asBuffer(bytes).readDoubleLE(0) !== 0;
    case BsonType.decimal128: {
      const { kind, coefficient } = decodeDecimal128(asBuffer(bytes), 0);
      return kind !== 'finite' || coefficient !== 0n;
    }
    default:
      return true;
  }
}

/** The value of an int32, int64 or double as a double. */
export function approximate({ type, bytes }: BsonValue): number {
  if (type === BsonType.int32) return readInt32(bytes, 0);
  return type === BsonType.double ? asBuffer(bytes).readDoubleLE(0) : Number(asBuffer(bytes).readBigInt64LE(0));
}

/** A whole number as the smallest of int32 (unless it must be wider) and int64; a double where neither can hold it. */
export function wholeValue(value: bigint, wide: boolean): BsonValue {
  if (!wide && value >= -(2n ** 31n) && value < 2n ** 31n) return int32Value(Number(value));
  return value > MAX_INT64 || value < MIN_INT64 ? doubleValue(Number(value)) : int64Value(value);
}

function decimalNumber(value: BsonValue): number {
  const decimal = decimalOf(value);
  return typeof decimal === 'number' ? decimal : doubleOf(decimal);
}

/** A whole number of 32 bits, whatever type it is written in; a problem otherwise. */
export function smallWhole(value: Value, what: string): number {
  if (isNumber(value)) {
    const number = value.type === BsonType.decimal128 ? decimalNumber(value) : approximate(value);
    if (Number.isInteger(number) && Math.abs(number) < 2 ** 31) return number;
  }
  throw new ValueProblem(`${what} must be a whole number of 32 bits, not ${typeName(value)}`);
}
