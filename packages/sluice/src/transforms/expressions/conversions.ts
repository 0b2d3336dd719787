import { decodeDecimal128, formatDecimal128 } from '../../bson/decimal128.ts';
import { asBuffer, BsonType } from '../../bson/elements.ts';
import {
  booleanValue,
  dateValue,
  doubleValue,
  int64Value,
  NULL_VALUE,
  stringValue,
  textOfValue,
  wholeNumberOf,
} from '../../bson/make-values.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { ValueProblem } from '../problem.ts';
import { toDecimal } from './arithmetic.ts';
import { type Decimal, decimalValue, doubleOf, exactDecimal, specialDecimal } from './decimals.ts';
import { isNullish, type Value } from './scope.ts';
import { approximate, isNumber, isTrue, typeName, wholeValue } from './values.ts';

/** A `$toX` operator; null for null and nothing. */
function conversion(target: string, convert: (value: BsonValue) => BsonValue | undefined) {
  return ([value]: readonly Value[]): Value => {
    if (isNullish(value)) return NULL_VALUE;
    const result = convert(value);
    if (result === undefined) throw new ValueProblem(`${typeName(value)} cannot become ${target} here`);
    return result;
  };
}

export const toBool = conversion('bool', (value) =>
  booleanValue(value.type === BsonType.boolean || isNumber(value) ? isTrue(value) : true),
);

export const toText = conversion('string', (value) => {
  const { type, bytes } = value;
  switch (type) {
    case BsonType.string:
      return value;
    case BsonType.symbol:
      return stringValue(textOfValue(value));
    case BsonType.boolean:
      return stringValue(bytes[0] === 1 ? 'true' : 'false');
    case BsonType.int32:
    case BsonType.int64:
      return stringValue(wholeNumberOf(value).toString());
    case BsonType.double:
      return doubleText(approximate(value));
    case BsonType.decimal128:
      return stringValue(formatDecimal128(decodeDecimal128(asBuffer(bytes), 0)));
    case BsonType.objectId:
      return stringValue(asBuffer(bytes).toString('hex'));
    case BsonType.date:
      return dateText(wholeNumberOf(value));
    default:
      return undefined;
  }
});

/** The shortest text that stands for exactly this double. (MongoDB writes six digits up to 6.0.) */
function doubleText(value: number): BsonValue {
  return stringValue(Object.is(value, -0) ? '-0' : String(value));
}

function dateText(ms: bigint): BsonValue | undefined {
  const date = new Date(Number(ms));
  const year = Number.isNaN(date.getTime()) ? -1 : date.getUTCFullYear();
  return year < 0 || year > 9999 ? undefined : stringValue(date.toISOString());
}

export const toInt = conversion('int', (value) => ranged(value, 2n ** 31n, false));
export const toLong = conversion('long', (value) =>
  value.type === BsonType.date ? int64Value(wholeNumberOf(value)) : ranged(value, 2n ** 63n, true),
);

function ranged(value: BsonValue, limit: bigint, wide: boolean): BsonValue | undefined {
  const whole = wholeOf(value);
  return whole === undefined || whole >= limit || whole < -limit ? undefined : wholeValue(whole, wide);
}

function wholeOf(value: BsonValue): bigint | undefined {
  if (value.type === BsonType.boolean) return BigInt(value.bytes[0] as number);
  if (value.type === BsonType.string)
    return /^[+-]?\d+$/.test(textOfValue(value)) ? BigInt(textOfValue(value).replace('+', '')) : undefined;
  if (value.type === BsonType.int32 || value.type === BsonType.int64) return wholeNumberOf(value);
  const exact = exactOf(value);
  if (exact === undefined) return undefined;
  const { coefficient, exponent } = exact;
  return exponent >= 0 ? coefficient * 10n ** BigInt(exponent) : coefficient / 10n ** BigInt(-exponent);
}

function exactOf(value: BsonValue): Decimal | undefined {
  if (!isNumber(value)) return undefined;
  if (value.type !== BsonType.double) {
    const decimal = toDecimal(value);
    return typeof decimal === 'number' ? undefined : decimal;
  }
  const double = approximate(value);
  return Number.isFinite(double) ? exactDecimal(double) : undefined;
}

const NUMBER_TEXT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

export const toDouble = conversion('double', (value) => {
  if (value.type === BsonType.boolean) return doubleValue(value.bytes[0] as number);
  if (value.type === BsonType.date) return doubleValue(Number(wholeNumberOf(value)));
  if (value.type === BsonType.string) {
    const text = textOfValue(value);
    const number = NUMBER_TEXT.test(text) ? Number(text) : Number.NaN;
    return Number.isFinite(number) ? doubleValue(number) : undefined;
  }
  if (!isNumber(value)) return undefined;
  if (value.type !== BsonType.decimal128) return doubleValue(approximate(value));
  const decimal = toDecimal(value);
  if (typeof decimal === 'number') return doubleValue(decimal);
  const double = doubleOf(decimal);
  return Number.isFinite(double) ? doubleValue(double) : undefined;
});

export const toDecimal128 = conversion('decimal', (value) => {
  if (value.type === BsonType.boolean)
    return decimalValue({ coefficient: BigInt(value.bytes[0] as number), exponent: 0 });
  if (value.type === BsonType.date) return decimalValue({ coefficient: wholeNumberOf(value), exponent: 0 });
  if (value.type === BsonType.string) return decimalOfText(textOfValue(value));
  if (!isNumber(value)) return undefined;
  if (value.type === BsonType.decimal128) return value;
  const decimal = toDecimal(value);
  return typeof decimal === 'number' ? specialDecimal(decimal) : decimalValue(decimal);
});

function decimalOfText(text: string): BsonValue | undefined {
  const parts = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?$/.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  const digits = BigInt(whole + fraction);
  if (sign === '-' && digits === 0n) return undefined;
  return decimalValue({ coefficient: sign === '-' ? -digits : digits, exponent: Number(exponent) - fraction.length });
}

export const toDate = conversion('date', (value) => {
  if (value.type === BsonType.date) return value;
  if (value.type === BsonType.objectId) return dateValue(BigInt(asBuffer(value.bytes).readUInt32BE(0)) * 1000n);
  if (value.type === BsonType.timestamp) return dateValue(BigInt(asBuffer(value.bytes).readUInt32LE(4)) * 1000n);
  if (value.type === BsonType.string) return dateOfText(textOfValue(value));
  if (value.type === BsonType.int32) return undefined;
  const whole = isNumber(value) ? wholeOf(value) : undefined;
  return whole === undefined || whole >= 2n ** 63n || whole < -(2n ** 63n) ? undefined : dateValue(whole);
});

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** ISO texts; without a zone they are UTC. */
function dateOfText(text: string): BsonValue | undefined {
  if (!ISO.test(text)) return undefined;
  const zoned = /T.*(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T');
  const ms = Date.parse(zoned ? text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2') : `${text}Z`);
  // 31 February is no date, though the parser would take it for one in March.
  const day = Number(text.slice(8, 10));
  const month = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)) - 1, day)).getUTCDate() === day;
  return Number.isNaN(ms) || !month ? undefined : dateValue(BigInt(ms));
}

export const toObjectId = conversion('objectId', (value) => {
  if (value.type === BsonType.objectId) return value;
  const text = value.type === BsonType.string ? textOfValue(value) : '';
  return /^[0-9a-f]{24}$/i.test(text) ? { type: BsonType.objectId, bytes: Buffer.from(text, 'hex') } : undefined;
});
