import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { randomDocument } from '../../../bson/test-support/random-bson.ts';
import { segmentName, segmentsOf } from '../../../core/field-path.ts';
import { testRandom } from '../../../testing/random.ts';
import { COLUMN_TYPES, type ColumnType } from './column-types.ts';
import type { Column } from './layout.ts';
import { RowReader } from './row-reader.ts';
import { OPTIONS } from './value-table-fixture.ts';

const { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } =
  BSON;
const NAMES = ['a', 'b', 'name', 'x y', 'ключ', '"q"', 'back\\\\slash', 'a\\.b', '€', '😀', 'K', 'constructor', 'a3n'];
const DOCUMENTS = 2_000;

test('the value of a column is that of the field in the object that the library makes of the document', (t) => {
  const random = testRandom(t);
  const paths = [...NAMES, ...NAMES.flatMap((name) => NAMES.map((inner) => `${name}.${inner}`))];
  const columns = paths.map((path): Column => ({ name: path, path, type: random.pick(COLUMN_TYPES) }));
  const reader = new RowReader({ columns, children: [] }, OPTIONS);
  let found = 0;
  for (let count = 0; count < DOCUMENTS; count++) {
    const bytes = randomDocument(random, { libraryTypes: true });
    const object: unknown = BSON.deserialize(bytes, { promoteValues: false, bsonRegExp: true });
    const { values } = reader.read(bytes);
    for (const [at, { path, type }] of columns.entries()) {
      const value = fieldOf(object, path);
      const expected = expectedText(type, value);
      if (expected === UNKNOWN) continue;
      assert.equal(values[at], expected, `${path} as ${type}: ${BSON.EJSON.stringify({ value }, { relaxed: false })}`);
      if (expected !== null) found++;
    }
  }
  assert.ok(found > DOCUMENTS / 20, `${found} values were compared`);
});

function fieldOf(object: unknown, path: string): unknown {
  let value = object;
  for (const name of segmentsOf(path).map(segmentName)) {
    const isPlain = value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype;
    value = isPlain && Object.hasOwn(value as object, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

/** What this test does not know how to tell. */
const UNKNOWN = Symbol('unknown');

function expectedText(type: ColumnType, value: unknown): string | null | typeof UNKNOWN {
  if (value === undefined || value === null) return null;
  if (type === 'jsonb') return UNKNOWN;
  if (value instanceof Int32) return isNumeric(type) || type === 'text' ? value.toString() : null;
  // Made of a Long, so asked for first.
  if (value instanceof Timestamp) return type === 'text' ? UNKNOWN : null;
  if (value instanceof Long) {
    const fits = type !== 'double precision' || Math.abs(value.toNumber()) < 2 ** 53;
    return fits && (isNumeric(type) || type === 'text') ? value.toString() : null;
  }
  if (value instanceof Double) return doubleText(type, value.value);
  if (value instanceof Decimal128) return type === 'numeric' ? value.toString() : type === 'text' ? UNKNOWN : null;
  if (value instanceof Date) return dateText(type, value);
  if (value instanceof Binary) return binaryText(type, value);
  if (typeof value === 'boolean') return type === 'boolean' || type === 'text' ? String(value) : null;
  if (type !== 'text') return null;
  if (typeof value === 'string') return value.replaceAll('\0', '');
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof BSONSymbol) return value.value.replaceAll('\0', '');
  if (value instanceof Code) return value.code.replaceAll('\0', '');
  if (value instanceof MinKey) return 'MinKey';
  if (value instanceof MaxKey) return 'MaxKey';
  if (value instanceof BSONRegExp) return `/${value.pattern}/${value.options}`;
  return UNKNOWN;
}

function isNumeric(type: ColumnType): boolean {
  return type === 'bigint' || type === 'double precision' || type === 'numeric';
}

function doubleText(type: ColumnType, value: number): string | null | typeof UNKNOWN {
  if (type === 'double precision') return Object.is(value, -0) ? '-0' : String(value);
  if (type === 'numeric') return String(value);
  if (type === 'bigint') return Number.isSafeInteger(value) ? String(value) : null;
  return type === 'text' ? UNKNOWN : null;
}

function dateText(type: ColumnType, value: Date): string | null | typeof UNKNOWN {
  const isOrdinary = value.getUTCFullYear() >= 1 && value.getUTCFullYear() <= 9999;
  if (type !== 'timestamptz' && type !== 'text') return null;
  return isOrdinary ? value.toISOString() : UNKNOWN;
}

function binaryText(type: ColumnType, value: InstanceType<typeof Binary>): string | null | typeof UNKNOWN {
  if (type === 'bytea') return `\\x${Buffer.from(value.value()).toString('hex')}`;
  const isUuid = value.sub_type === Binary.SUBTYPE_UUID;
  if (isUuid && (type === 'uuid' || type === 'text')) return value.toUUID().toHexString();
  return type === 'text' ? Buffer.from(value.value()).toString('base64') : null;
}
