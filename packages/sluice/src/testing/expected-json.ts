import { BSON } from 'mongodb';
import { ExpectedDouble, ExpectedForm, type ExpectedJson, NumberText } from './compare-json.ts';

/** What a target makes of values that it cannot take as they are; as the sinks call it. */
export interface Conversion {
  readonly nonFinite: 'text' | 'null';
  readonly decimals: 'number' | 'text';
  readonly nul: 'keep' | 'strip';
}

const UUID_BYTES = 16;
/** Beyond what JavaScript's dates reach, so that the library does not say which date it is. */
const DISTANT_DATE = /^[+-]\d{6,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * The JSON that a value ought to have in a target: what the `bson` library reads with `promoteValues: false`. Written
 * from the table of types, to check the writers of `bson/plain-document.ts` by.
 */
export function expectedJson(value: unknown, conversion: Conversion): ExpectedJson {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return text(value, conversion);
  if (Array.isArray(value)) return value.map((element) => expectedJson(element, conversion));
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? new ExpectedForm(DISTANT_DATE) : value.toISOString();
  if (typeof value !== 'object') throw new Error(`the library does not read a ${typeof value}`);
  return '_bsontype' in value ? ofType(value, conversion) : expectedObject(value, conversion);
}

/** The same for a document, without some of its top-level fields. */
export function expectedObject(
  document: object,
  conversion: Conversion,
  omit: readonly string[] = [],
): ReadonlyMap<string, ExpectedJson> {
  const fields = Object.entries(document).filter(([name]) => !omit.includes(name));
  return new Map(fields.map(([name, value]) => [name, expectedJson(value, conversion)]));
}

function ofType(value: unknown, conversion: Conversion): ExpectedJson {
  if (value instanceof BSON.Int32) return new NumberText(String(value.value));
  if (value instanceof BSON.Timestamp) {
    return new Map(Object.entries({ t: new NumberText(String(value.t)), i: new NumberText(String(value.i)) }));
  }
  if (value instanceof BSON.Long) return new NumberText(value.toString());
  if (value instanceof BSON.Double) {
    return Number.isFinite(value.value) ? new ExpectedDouble(value.value) : nonFinite(String(value.value), conversion);
  }
  if (value instanceof BSON.Decimal128) return decimal(value.toString(), conversion);
  if (value instanceof BSON.ObjectId) return value.toHexString();
  if (value instanceof BSON.Binary) return binary(value);
  if (value instanceof BSON.BSONRegExp) return text(`/${value.pattern}/${value.options}`, conversion);
  if (value instanceof BSON.Code) return text(value.code, conversion);
  if (value instanceof BSON.BSONSymbol) return text(value.value, conversion);
  if (value instanceof BSON.MinKey) return 'MinKey';
  if (value instanceof BSON.MaxKey) return 'MaxKey';
  if (value instanceof BSON.DBRef) {
    const namespace = value.db === undefined ? value.collection : `${value.db}.${value.collection}`;
    return new Map([
      ['$ref', namespace],
      ['$id', value.oid.toHexString()],
    ]);
  }
  throw new Error(`no rule for a value of type ${String((value as { _bsontype: unknown })._bsontype)}`);
}

function text(value: string, { nul }: Conversion): string {
  return nul === 'strip' ? value.replaceAll('\0', '') : value;
}

function decimal(digits: string, conversion: Conversion): ExpectedJson {
  if (!/\d/.test(digits)) return nonFinite(digits, conversion);
  return conversion.decimals === 'number' ? new NumberText(digits) : digits;
}

function nonFinite(name: string, conversion: Conversion): ExpectedJson {
  return conversion.nonFinite === 'text' ? name : null;
}

function binary(value: BSON.Binary): string {
  const bytes = Buffer.from(value.value());
  if (value.sub_type !== BSON.Binary.SUBTYPE_UUID || bytes.length !== UUID_BYTES) return bytes.toString('base64');
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
