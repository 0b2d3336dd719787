import { BSON } from 'mongodb';
import { segmentName, segmentsOf } from '../core/field-path.ts';
import { ExpectedDouble, exactNumber, jsonDifference, NumberText, parseExactJson } from './compare-json.ts';
import { type Conversion, expectedJson } from './expected-json.ts';

/** Numbers of types in `pg_type`. */
const TYPE = {
  boolean: 16,
  bytea: 17,
  bigint: 20,
  text: 25,
  doublePrecision: 701,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

const { Binary, Decimal128, Double, Int32, Long } = BSON;
const isDate = (value: unknown): value is Date => value instanceof Date;
const isBinary = (value: unknown) => value instanceof Binary;
const isUuid = (value: unknown) => value instanceof Binary && value.sub_type === Binary.SUBTYPE_UUID;
const isScalar = (value: unknown) =>
  typeof value !== 'object' || value instanceof Date || '_bsontype' in (value as object);
const isNumber = (value: unknown) =>
  value instanceof Int32 || value instanceof Long || value instanceof Double || value instanceof Decimal128;

/** Values that must be in a column of the type, if there are no others in the field. What is not listed: every value. */
const MUST_HOLD: Readonly<Record<number, (value: unknown) => boolean>> = {
  [TYPE.boolean]: (value) => typeof value === 'boolean',
  [TYPE.bytea]: isBinary,
  [TYPE.bigint]: (value) => value instanceof Int32 || (value instanceof Long && !(value instanceof BSON.Timestamp)),
  [TYPE.doublePrecision]: (value) => value instanceof Int32 || value instanceof Double,
  [TYPE.timestamptz]: (value) => isDate(value) && inTimestampRange(value),
  [TYPE.numeric]: (value) => isNumber(value) && !(value instanceof BSON.Timestamp) && isFiniteNumber(value),
  [TYPE.uuid]: isUuid,
  [TYPE.text]: (value) => isScalar(value) && !(value instanceof BSON.Timestamp),
};

const FIRST_TIMESTAMP_MS = Date.UTC(-4713, 10, 24);
const AFTER_LAST_TIMESTAMP_MS = Date.UTC(200_000, 0, 1);

/** (PostgreSQL ends later than JavaScript's dates; the distant future is left open.) */
function inTimestampRange(date: Date): boolean {
  const ms = date.getTime();
  return ms >= FIRST_TIMESTAMP_MS && ms < AFTER_LAST_TIMESTAMP_MS;
}

function isFiniteNumber(value: unknown): boolean {
  return Number.isFinite(Number(String(value)));
}

/** A promoted column of one row: its type's number, and its text as `columnQuery` gives it. */
export interface FoundColumn {
  readonly name: string;
  readonly type: number;
  readonly text: string | null;
}

/** What to select for a column, so that its text says its value: milliseconds for times, base64 for bytes. */
export function columnQuery(column: string, type: number): string {
  if (type === TYPE.timestamptz) return `(extract(epoch from ${column}) * 1000)::numeric::text`;
  if (type === TYPE.bytea) return `translate(encode(${column}, 'base64'), E'\\n', '')`;
  return `${column}::text`;
}

/** The value at a path of a document, or undefined. Paths go through objects only. */
export function valueAt(document: object, path: string): unknown {
  let value: unknown = document;
  for (const name of segmentsOf(path).map(segmentName)) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !('_bsontype' in value);
    if (!isObject || !Object.hasOwn(value as object, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** How the column differs from the value of the source, or undefined. */
export function columnDifference(value: unknown, column: FoundColumn, conversion: Conversion): string | undefined {
  const { name, type, text } = column;
  const absent = value === undefined || value === null;
  if (text === null) return absent || MUST_HOLD[type]?.(value) === false ? undefined : `column ${name}: is NULL`;
  if (!absent && holds(value, column as FoundColumn & { text: string }, conversion)) return undefined;
  return `column ${name}: found ${text.slice(0, 80)} (type ${type})`;
}

function holds(
  value: unknown,
  { type, text }: FoundColumn & { readonly text: string },
  conversion: Conversion,
): boolean {
  if (value instanceof Date && type === TYPE.timestamptz) return Number(text) === value.getTime();
  if (value instanceof Binary && type === TYPE.bytea) return Buffer.from(value.value()).toString('base64') === text;
  const expected = expectedJson(value, { ...conversion, nonFinite: 'text', decimals: 'number' });
  if (type === TYPE.jsonb) return jsonDifference(expectedJson(value, conversion), parseExactJson(text)) === undefined;
  if (expected instanceof ExpectedDouble) return Number(text) === expected.value;
  if (expected instanceof NumberText) return exactNumber(expected.text) === exactNumber(text);
  if (typeof expected === 'string') return expected === text;
  return typeof expected === 'boolean' && String(expected) === text;
}
