/**
 * The types of promoted columns.
 *
 * | BSON                                   | column             | remarks                                             |
 * | -------------------------------------- | ------------------ | --------------------------------------------------- |
 * | int, long                              | `bigint`           |                                                     |
 * | double; int and double                 | `double precision` | NaN, ±Infinity and -0 are kept; every int fits      |
 * | long and double; decimal, also with those | `numeric`       | every digit and the scale; -0 becomes 0; ±Infinity only from PostgreSQL 14 on |
 * | bool                                   | `boolean`          |                                                     |
 * | date                                   | `timestamptz`      | outside of 4714-11-24 BC to 294276-12-31: NULL      |
 * | string, objectId, regex, javascript, symbol, minKey, maxKey, dbPointer | `text` | as in `document`       |
 * | binData                                | `uuid`             | of subtype 4; with the first other value `bytea`    |
 * | timestamp                              | `jsonb`            | `{"t": …, "i": …}`                                  |
 * | object, array                          | `jsonb`            | only where the column is listed                     |
 * | types of several of these rows         | `text`             | `jsonb` where one of them is                        |
 * | null, undefined, a field that is missing | any              | NULL                                                |
 *
 * A double without a fraction fits a `bigint`, an int64 of at most 53 bits a `double precision`.
 */
export type ColumnType =
  | 'text'
  | 'bigint'
  | 'double precision'
  | 'numeric'
  | 'boolean'
  | 'timestamptz'
  | 'bytea'
  | 'uuid'
  | 'jsonb';

/** All of them. */
export const COLUMN_TYPES = [
  'text',
  'bigint',
  'double precision',
  'numeric',
  'boolean',
  'timestamptz',
  'bytea',
  'uuid',
  'jsonb',
] as const satisfies readonly ColumnType[];

const TYPE_OF: Readonly<Record<string, ColumnType>> = {
  int: 'bigint',
  long: 'bigint',
  double: 'double precision',
  decimal: 'numeric',
  bool: 'boolean',
  date: 'timestamptz',
  binData: 'uuid',
  timestamp: 'jsonb',
};
const NOTHING: ReadonlySet<string> = new Set(['null', 'undefined']);
const CONTAINERS: ReadonlySet<string> = new Set(['object', 'array']);
const NUMBERS: ReadonlySet<ColumnType> = new Set(['bigint', 'double precision', 'numeric']);
const BYTES: ReadonlySet<ColumnType> = new Set(['uuid', 'bytea']);

/**
 * The column for values of these types (as `$type` calls them), containers left aside; undefined when there are none
 * but containers and nulls.
 */
export function scalarColumnType(types: readonly string[]): ColumnType | undefined {
  const scalars = types.filter((type) => !NOTHING.has(type) && !CONTAINERS.has(type));
  const wide = scalars.includes('long') || scalars.includes('decimal');
  // An int32 is exact as a double, which is what drivers without an integer type mean by it.
  const met = scalars.map((type) => (type === 'int' && !wide && scalars.includes('double') ? 'double' : type));
  return met.map((type) => TYPE_OF[type] ?? 'text').reduce<ColumnType | undefined>(joined, undefined);
}

/** The column for all values of these types; undefined when there are only nulls. */
export function columnType(types: readonly string[]): ColumnType | undefined {
  return types.some((type) => CONTAINERS.has(type)) ? 'jsonb' : scalarColumnType(types);
}

/** True when there are values that are neither null nor containers among these types. */
export function hasScalars(types: readonly string[]): boolean {
  return scalarColumnType(types) !== undefined;
}

/** The narrowest type that takes the values of both. */
export function widerType(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  if (a === 'jsonb' || b === 'jsonb') return 'jsonb';
  if (NUMBERS.has(a) && NUMBERS.has(b)) return 'numeric';
  if (BYTES.has(a) && BYTES.has(b)) return 'bytea';
  return 'text';
}

function joined(sum: ColumnType | undefined, next: ColumnType): ColumnType {
  return sum === undefined ? next : widerType(sum, next);
}
