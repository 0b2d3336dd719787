import { BsonType } from '../../bson/elements.ts';
import { dateValue, doubleValue, int64Value, NULL_VALUE, wholeNumberOf } from '../../bson/make-values.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { ValueProblem } from '../problem.ts';
import {
  addDecimals,
  type Decimal,
  decimalOf,
  decimalOfDouble,
  decimalValue,
  divideDecimals,
  doubleOf,
  exactDecimal,
  multiplyDecimals,
  negativeZero,
  quantize,
  specialDecimal,
} from './decimals.ts';
import { isNullish, type Value } from './scope.ts';
import { approximate, isNumber, smallWhole, typeName, wholeValue } from './values.ts';

/*
 * Arithmetic with the types of MongoDB: int32 and int64 stay whole and grow when they have to, with a double everything is
 * a double, with a decimal everything is a decimal.
 */

/** What an operation does for each kind of number. */
interface Kinds {
  readonly whole?: (a: bigint, b: bigint) => bigint;
  readonly double: (a: number, b: number) => number;
  /** Undefined where there is none for these: then the doubles tell which infinity or NaN it is. */
  readonly decimal: (a: Decimal, b: Decimal) => Decimal | undefined;
}

const ADD: Kinds = { whole: (a, b) => a + b, double: (a, b) => a + b, decimal: addDecimals };
const SUBTRACT: Kinds = {
  whole: (a, b) => a - b,
  double: (a, b) => a - b,
  decimal: (a, b) => addDecimals(a, { ...b, coefficient: -b.coefficient }),
};
const MULTIPLY: Kinds = { whole: (a, b) => a * b, double: (a, b) => a * b, decimal: multiplyDecimals };
const DIVIDE: Kinds = {
  double: (a, b) => a / b,
  decimal: (a, b) => (b.coefficient === 0n ? undefined : divideDecimals(a, b)),
};
const MOD: Kinds = { whole: (a, b) => a % b, double: (a, b) => a % b, decimal: decimalRemainder };

function combine(a: BsonValue, b: BsonValue, kinds: Kinds): BsonValue {
  if (a.type === BsonType.decimal128 || b.type === BsonType.decimal128) return combineDecimals(a, b, kinds);
  if (kinds.whole !== undefined && a.type !== BsonType.double && b.type !== BsonType.double) {
    const wide = a.type === BsonType.int64 || b.type === BsonType.int64;
    const result = wholeValue(kinds.whole(wholeNumberOf(a), wholeNumberOf(b)), wide);
    if (result.type !== BsonType.double || kinds === ADD) return result;
  }
  return doubleValue(kinds.double(approximate(a), approximate(b)));
}

function combineDecimals(a: BsonValue, b: BsonValue, { decimal, double }: Kinds): BsonValue {
  const left = toDecimal(a);
  const right = toDecimal(b);
  if (typeof left !== 'number' && typeof right !== 'number') {
    const result = decimal(left, right);
    const value = result && decimalValue(result);
    if (value !== undefined) return value;
  }
  const rough = double(asDouble(left), asDouble(right));
  if (Number.isFinite(rough) && typeof left !== 'number' && typeof right === 'number') {
    // Something finite by infinity: nearly nothing, or all of it as the remainder.
    return decimalValue(decimal === decimalRemainder ? left : { coefficient: 0n, exponent: -6176 }) as BsonValue;
  }
  return specialDecimal(Number.isFinite(rough) ? Math.sign(rough) * Infinity : rough);
}

function asDouble(value: Decimal | number): number {
  return typeof value === 'number' ? value : doubleOf(value);
}

/** A finite number as a decimal, an infinity or NaN as such. */
export function toDecimal(value: BsonValue): Decimal | number {
  if (value.type === BsonType.decimal128) return decimalOf(value);
  if (value.type !== BsonType.double) return { coefficient: wholeNumberOf(value), exponent: 0 };
  const double = approximate(value);
  return Number.isFinite(double) ? decimalOfDouble(double) : double;
}

function decimalRemainder(a: Decimal, b: Decimal): Decimal | undefined {
  if (b.coefficient === 0n) return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  return { coefficient: quantize(a, exponent).coefficient % quantize(b, exponent).coefficient, exponent };
}

/** `$add` */
export function add(values: readonly Value[]): Value {
  if (values.some(isNullish)) return NULL_VALUE;
  const dates = values.filter((value) => value?.type === BsonType.date);
  if (dates.length > 1) throw new ValueProblem('$add can add to one date only');
  const numbers = values.filter((value) => value?.type !== BsonType.date);
  const sum = sumOf(numbers.map((value) => numeric('$add', value)));
  const [date] = dates;
  return date === undefined ? sum : shifted(date, sum, 1n);
}

/** Doubles among whole numbers are summed exactly and rounded once. */
function sumOf(numbers: readonly BsonValue[]): BsonValue {
  const exact = numbers.some(({ type }) => type === BsonType.double) ? numbers.map(exactOf) : [];
  const finite = exact.filter((number) => typeof number !== 'number');
  if (exact.length > 0 && finite.length === exact.length) {
    const total = finite.reduce(addDecimals);
    const isDecimal = numbers.some(({ type }) => type === BsonType.decimal128);
    return (isDecimal ? decimalValue(total) : undefined) ?? doubleValue(doubleOf(total));
  }
  return numbers.reduce<BsonValue>((total, value) => combine(total, value, ADD), wholeValue(0n, false));
}

function exactOf(number: BsonValue): Decimal | number {
  if (number.type !== BsonType.double) return toDecimal(number);
  const double = approximate(number);
  return Number.isFinite(double) ? exactDecimal(double) : double;
}

/** `$subtract` */
export function subtract([a, b]: readonly Value[]): Value {
  if (isNullish(a) || isNullish(b)) return NULL_VALUE;
  if (a.type === BsonType.date) {
    if (b.type === BsonType.date) return int64Value(wholeNumberOf(a) - wholeNumberOf(b));
    return shifted(a, numeric('$subtract', b), -1n);
  }
  return combine(numeric('$subtract', a), numeric('$subtract', b), SUBTRACT);
}

/** `$multiply` */
export function multiply(values: readonly Value[]): Value {
  if (values.some(isNullish)) return NULL_VALUE;
  return values.reduce<BsonValue>(
    (total, value) => combine(total, numeric('$multiply', value), MULTIPLY),
    wholeValue(1n, false),
  );
}

/** `$divide` */
export function divide([a, b]: readonly Value[]): Value {
  if (isNullish(a) || isNullish(b)) return NULL_VALUE;
  const divisor = numeric('$divide', b);
  if (isZero(divisor)) throw new ValueProblem('$divide by zero');
  return combine(numeric('$divide', a), divisor, DIVIDE);
}

/** `$mod` */
export function mod([a, b]: readonly Value[]): Value {
  if (isNullish(a) || isNullish(b)) return NULL_VALUE;
  const divisor = numeric('$mod', b);
  if (isZero(divisor)) throw new ValueProblem('$mod by zero');
  const dividend = numeric('$mod', a);
  const result = combine(dividend, asWhole(divisor, dividend), MOD);
  if (result.type !== BsonType.decimal128 || !isZero(result)) return result;
  const left = toDecimal(dividend);
  return typeof left !== 'number' && left.coefficient < 0n ? negativeZero(result) : result;
}

/** A double that is a whole number of 32 bits counts as one beside a whole number. */
function asWhole(divisor: BsonValue, dividend: BsonValue): BsonValue {
  if (divisor.type !== BsonType.double || (dividend.type !== BsonType.int32 && dividend.type !== BsonType.int64)) {
    return divisor;
  }
  const value = approximate(divisor);
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? wholeValue(BigInt(value), false) : divisor;
}

/** `$abs` */
export function absolute([value]: readonly Value[]): Value {
  if (isNullish(value)) return NULL_VALUE;
  const number = numeric('$abs', value);
  if (number.type === BsonType.double) return doubleValue(Math.abs(approximate(number)));
  if (number.type !== BsonType.decimal128) {
    const whole = wholeNumberOf(number);
    if (whole === -(2n ** 63n)) throw new ValueProblem('$abs of the smallest int64 fits into no int64');
    return wholeValue(whole < 0n ? -whole : whole, number.type === BsonType.int64);
  }
  const decimal = decimalOf(number);
  if (typeof decimal === 'number') return specialDecimal(Math.abs(decimal));
  const size = decimal.coefficient < 0n ? -decimal.coefficient : decimal.coefficient;
  return decimalValue({ ...decimal, coefficient: size });
}

/** `$round`, `$trunc`, `$floor` and `$ceil`: to so many places behind the point. */
export function toPlaces(operator: string, [value, places]: readonly Value[]): Value {
  if (isNullish(value) || (places !== undefined && isNullish(places))) return NULL_VALUE;
  const number = numeric(operator, value);
  const place = places === undefined ? 0 : smallWhole(places, `the places of ${operator}`);
  if (place < -20 || place > 100) throw new ValueProblem(`the places of ${operator} must be from -20 to 100`);
  const how = ROUNDINGS[operator] as Rounding;
  if (number.type === BsonType.decimal128) {
    const decimal = decimalOf(number);
    if (typeof decimal === 'number') return specialDecimal(decimal);
    const result = decimal.exponent >= -place ? quantize(decimal, -place) : how(decimal, -place);
    return result.coefficient.toString().replace('-', '').length > 34 ? number : decimalValue(result);
  }
  if (number.type !== BsonType.double) {
    const whole = { coefficient: wholeNumberOf(number), exponent: 0 };
    if (place >= 0) return number;
    const { coefficient, exponent } = how(whole, -place);
    const result = wholeValue(coefficient * 10n ** BigInt(exponent), number.type === BsonType.int64);
    if (result.type === BsonType.double) throw new ValueProblem(`${operator}: the result is beyond an int64`);
    return result;
  }
  const double = approximate(number);
  if (!Number.isFinite(double) || double === 0) return number;
  const result = doubleOf(how(exactDecimal(double), -place));
  return doubleValue(result === 0 && double < 0 ? -0 : result);
}

type Rounding = (value: Decimal, exponent: number) => Decimal;

const ROUNDINGS: Readonly<Record<string, Rounding>> = {
  $round: quantize,
  $trunc: (value, exponent) => directed(value, exponent, () => false),
  $floor: (value, exponent) => directed(value, exponent, (negative) => negative),
  $ceil: (value, exponent) => directed(value, exponent, (negative) => !negative),
};

/** Cut off at `exponent`; what was cut off counts as one where `away` says so. */
function directed({ coefficient, exponent }: Decimal, target: number, away: (negative: boolean) => boolean): Decimal {
  if (exponent >= target) return { coefficient, exponent };
  const divisor = 10n ** BigInt(target - exponent);
  const whole = coefficient / divisor;
  const negative = coefficient < 0n;
  if (coefficient % divisor === 0n || !away(negative)) return { coefficient: whole, exponent: target };
  return { coefficient: whole + (negative ? -1n : 1n), exponent: target };
}

function shifted(date: BsonValue, by: BsonValue, sign: bigint): BsonValue {
  const ms = by.type === BsonType.int32 || by.type === BsonType.int64 ? wholeNumberOf(by) : roundedMs(by, date, sign);
  const at = wholeNumberOf(date) + sign * ms;
  if (at >= 2n ** 63n || at < -(2n ** 63n)) throw new ValueProblem('the date is beyond what a date can hold');
  return dateValue(at);
}

function roundedMs(value: BsonValue, date: BsonValue, sign: bigint): bigint {
  const decimal = value.type === BsonType.decimal128 ? decimalOf(value) : approximate(value);
  const exact = typeof decimal === 'number' ? (Number.isFinite(decimal) ? exactDecimal(decimal) : undefined) : decimal;
  if (exact === undefined) throw new ValueProblem('a date cannot be moved by NaN or infinity');
  if (value.type === BsonType.decimal128) {
    // A sum is rounded as a whole, half to even; of a difference what is taken away.
    const from = { coefficient: sign < 0n ? 0n : wholeNumberOf(date), exponent: 0 };
    return quantize(addDecimals(from, exact), 0).coefficient - from.coefficient;
  }
  // Half a millisecond away from zero, as llround does it.
  const half = directed(
    addDecimals(exact, { coefficient: exact.coefficient < 0n ? -5n : 5n, exponent: -1 }),
    0,
    () => false,
  );
  return half.coefficient * 10n ** BigInt(half.exponent);
}

function isZero(value: BsonValue): boolean {
  const decimal = toDecimal(value);
  return typeof decimal !== 'number' && decimal.coefficient === 0n;
}

function numeric(operator: string, value: Value): BsonValue {
  if (!isNumber(value)) throw new ValueProblem(`${operator} needs numbers, not ${typeName(value)}`);
  return value;
}
