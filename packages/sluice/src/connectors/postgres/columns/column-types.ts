/**
 * The types of promoted columns. A new column gets the type that holds everything that is known by then; this table says
 * which.
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
 * | types of several of these rows         | `text`             | `jsonb` where one of them is; only in a new column  |
 * | null, undefined, a field that is missing | any              | NULL                                                |
 *
 * A double without a fraction fits a `bigint`, an int64 of at most 53 bits a `double precision`. `text` and `jsonb` take
 * values of every type.
 *
 * A column that is there already is widened only to a type of the same kind, so that what is read from it keeps its
 * meaning: `bigint` and `double precision` to `numeric`, `uuid` to `bytea`. A `bigint` never becomes a
 * `double precision`: it may hold numbers that would lose digits. Which other changes there are, `drift.typeChange` and
 * the types under `columns.list` say (`planLayout`).
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

/** The narrowest type that takes the values of both. */
export function widerType(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  if (a === 'jsonb' || b === 'jsonb') return 'jsonb';
  if (NUMBERS.has(a) && NUMBERS.has(b)) return 'numeric';
  if (BYTES.has(a) && BYTES.has(b)) return 'bytea';
  return 'text';
}

/** True when values of both mean the same kind of thing, as numbers do. */
export function isSameKind(a: ColumnType, b: ColumnType): boolean {
  return a === b || (NUMBERS.has(a) && NUMBERS.has(b)) || (BYTES.has(a) && BYTES.has(b));
}

/** True for columns that every value fits in some form. */
export function takesAll(column: ColumnType): boolean {
  return column === 'text' || column === 'jsonb';
}

/** The type of this kind for values of these types (as `$type` calls them); those of other kinds are left aside. */
export function widerOfKind(column: ColumnType, types: readonly string[]): ColumnType {
  return types
    .filter((type) => !(type === 'int' && column === 'double precision'))
    .flatMap((type) => TYPE_OF[type] ?? [])
    .filter((type) => isSameKind(column, type))
    .reduce(widerType, column);
}

function joined(sum: ColumnType | undefined, next: ColumnType): ColumnType {
  return sum === undefined ? next : widerType(sum, next);
}
