import { createHash } from 'node:crypto';
import { BSON } from 'mongodb';

const MAX_BYTES = 512;
/** Integers with more digits are written as the doubles or decimals they are. */
const MOST_DIGITS = 60;
const MOST_PLACES = 100;
const LOWEST_PLAIN_EXPONENT = -6;

/**
 * The text by which a target ought to know the document with this `_id`, as the `bson` library reads it with
 * `promoteValues: false`. Written down a second time, from the rule, to check `bson/id-text.ts` by. Objects whose field
 * names are whole numbers are not for it: JavaScript moves such fields to the front.
 */
export function expectedId(id: unknown): string {
  if (id instanceof BSON.ObjectId) return id.toHexString();
  const text = id instanceof BSON.BSONSymbol ? id.value : id;
  const isBare = typeof text === 'string' && !/^$|^~|\0|^[0-9a-f]{24}$/i.test(text);
  const whole = isBare ? text : `~${jsonOf(text)}`;
  if (Buffer.byteLength(whole) <= MAX_BYTES) return whole;
  return `~#${createHash('sha256').update(whole).digest('hex')}`;
}

function jsonOf(value: unknown): string {
  if (value instanceof BSON.BSONSymbol) return JSON.stringify(value.value);
  if (value instanceof BSON.Int32) return String(value.value);
  // A timestamp is a long to the library.
  if (value instanceof BSON.Long && !(value instanceof BSON.Timestamp)) return value.toString();
  if (value instanceof BSON.Double) return doubleText(value.value);
  if (value instanceof BSON.Decimal128) return decimalText(value.toString());
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`;
  if (typeof value === 'object' && value !== null && !(value instanceof Date) && !('_bsontype' in value)) {
    const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}:${jsonOf(field)}`);
    return `{${fields.join(',')}}`;
  }
  return value === undefined ? '{"$undefined":true}' : BSON.EJSON.stringify(value, { relaxed: true });
}

function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `{"$numberDouble":"${value}"}`;
  const digits = Number.isInteger(value) ? String(BigInt(value)) : '';
  return digits !== '' && Math.abs(value) < 1e60 ? digits : String(value);
}

function decimalText(text: string): string {
  const parts = /^(-?)(\d+)\.?(\d*)(?:E([+-]\d+))?$/.exec(text);
  if (parts === null) return `{"$numberDouble":"${text}"}`;
  const [, sign = '', before = '', after = '', power = '0'] = parts;
  const all = `${before}${after}`.replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return '0';
  const exponent = Number(power) - after.length + all.length - digits.length;
  if (exponent >= 0 && digits.length + exponent <= MOST_DIGITS) return sign + digits + '0'.repeat(exponent);
  const double = Number(`${digits}e${exponent}`);
  if (exponent < 0 && exponent >= -MOST_DIGITS && places(double) === plain(digits, exponent))
    return sign + String(double);
  return `{"$numberDecimal":"${sign}${scientific(digits, exponent)}"}`;
}

/** All digits of a double below 1e21, without zeros at the end. */
const places = (double: number): string => double.toFixed(MOST_PLACES).replace(/\.?0+$/, '');

/** `exponent` is negative. */
function plain(digits: string, exponent: number): string {
  const padded = digits.padStart(1 - exponent, '0');
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}

/** As the specification of Decimal128 has it. */
function scientific(digits: string, exponent: number): string {
  const adjusted = exponent + digits.length - 1;
  if (exponent === 0) return digits;
  if (exponent < 0 && adjusted >= LOWEST_PLAIN_EXPONENT) return plain(digits, exponent);
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${digits[0]}${fraction}E${adjusted < 0 ? '' : '+'}${adjusted}`;
}
