import { isDeepStrictEqual } from 'node:util';
import { type DeserializeOptions, type Document, deserialize, serialize } from 'bson';
import { arrayValue, documentValue } from '../bson/build-document.ts';
import { BsonType, fieldsOf, findField } from '../bson/elements.ts';
import { doubleValue, int32Value, int64Value } from '../bson/make-values.ts';
import type { BsonValue } from '../core/change-event.ts';
import { ValueProblem } from './problem.ts';

const OPTIONS: DeserializeOptions = { useBigInt64: true, bsonRegExp: true, validation: { utf8: false } };

/** A document as the objects that a user's function works on. */
export function readDocument(bytes: Uint8Array): Document {
  return deserialize(bytes, OPTIONS);
}

/**
 * The document that an object stands for. What is equal to what was read from `original` has the very bytes that it had; a
 * number that replaces another keeps its type if it can. Fields keep their order, new ones come last.
 */
export function writeDocument(value: unknown, original: Uint8Array, what: string): Uint8Array {
  if (!isPlainObject(value)) throw new ValueProblem(`it returns no document in "${what}"`);
  try {
    const written = write(value, { type: BsonType.document, bytes: original });
    return (written as BsonValue).bytes;
  } catch (cause) {
    if (cause instanceof ValueProblem) throw cause;
    const detail = cause instanceof Error ? `: ${cause.message}` : '';
    throw new ValueProblem(`what it returns in "${what}" has no form in BSON${detail}`);
  }
}

function isPlainObject(value: unknown): value is Document {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Undefined for what JavaScript leaves out. */
function write(value: unknown, original: BsonValue | undefined): BsonValue | undefined {
  if (value === undefined) return undefined;
  if (original !== undefined && isDeepStrictEqual(value, read(original))) return original;
  if (isPlainObject(value))
    return writeFields(value, original?.type === BsonType.document ? original.bytes : undefined);
  if (Array.isArray(value)) {
    const before = original?.type === BsonType.array ? [...fieldsOf(original.bytes)] : [];
    return arrayValue(value.map((element, index) => write(element ?? null, before[index]) as BsonValue));
  }
  if (typeof value === 'number') return writeNumber(value, original);
  if (typeof value === 'bigint') return writeBigInt(value);
  return findField(serialize({ v: value }), 'v');
}

function writeFields(value: Document, original: Uint8Array | undefined): BsonValue {
  const fields = new Map<string, BsonValue | undefined>();
  for (const field of original === undefined ? [] : fieldsOf(original)) {
    if (Object.hasOwn(value, field.name)) fields.set(field.name, write(value[field.name], field));
  }
  for (const name of Object.keys(value)) {
    if (name.includes('\0')) throw new ValueProblem('a name of a field contains NUL');
    if (!fields.has(name)) fields.set(name, write(value[name], undefined));
  }
  return documentValue(fields);
}

function writeNumber(value: number, original: BsonValue | undefined): BsonValue {
  const whole = Number.isInteger(value) && Math.abs(value) < 2 ** 31 && !Object.is(value, -0);
  return whole && original?.type !== BsonType.double ? int32Value(value) : doubleValue(value);
}

/** The library would cut off what does not fit. */
function writeBigInt(value: bigint): BsonValue {
  if (BigInt.asIntN(64, value) === value) return int64Value(value);
  throw new RangeError('a bigint is beyond 64 bits');
}

/** One value as objects. */
function read(value: BsonValue): unknown {
  return readDocument(documentValue([['v', value]]).bytes)['v'];
}
