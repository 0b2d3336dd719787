import { BsonType, fieldsOf, findField } from '../../../bson/elements.ts';
import { textOfValue } from '../../../bson/make-values.ts';
import { TYPE_NAMES } from '../../../bson/type-names.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { childPath, ELEMENTS, type FieldPath, nameSegment } from '../../../core/field-path.ts';
import type { LearnedField } from '../../../core/learned-fields.ts';

const ALL_NUMBERS = ['int', 'long', 'double', 'decimal'] as const;
/** What the names of types in a schema stand for where it is not the same in `$type`. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  number: ALL_NUMBERS,
  boolean: ['bool'],
  integer: ['int', 'long'],
};
/** Keywords whose schemas a value may have to satisfy too. */
const COMBINED: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf']);
const DEEPEST = 20;
const MOST_FIELDS = 5_000;

/**
 * The fields that the validator of a collection names in its `$jsonSchema`, with their types, in the order of their
 * paths. `description` is the `operationDescription` of a `create` or `modify` event. Undefined when it does not speak
 * of the validator (what was known stays so); empty when there is none, or none with a schema. Never throws for what
 * stands in a schema: parts that are not understood are passed over.
 */
export function validatorFields(description: Uint8Array): readonly LearnedField[] | undefined {
  const validator = findField(description, 'validator');
  if (validator === undefined) return undefined;
  const types = new Map<FieldPath, Set<string>>();
  if (validator.type === BsonType.document) readQuery(validator.bytes, types, 0);
  const fields = [...types].map(([path, names]) => ({ path, types: [...names] }));
  return fields.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

type Found = Map<FieldPath, Set<string>>;

/** A validator is a query: its schema may stand inside of `$and`. */
function readQuery(query: Uint8Array, found: Found, depth: number): void {
  if (depth > DEEPEST) return;
  for (const { name, type, bytes } of fieldsOf(query)) {
    if (name === '$jsonSchema' && type === BsonType.document) readSchema(bytes, '', found, depth);
    if (name === '$and' && type === BsonType.array) {
      for (const part of fieldsOf(bytes)) if (part.type === BsonType.document) readQuery(part.bytes, found, depth + 1);
    }
  }
}

function readSchema(schema: Uint8Array, path: FieldPath, found: Found, depth: number): void {
  if (depth > DEEPEST) return;
  for (const field of fieldsOf(schema)) {
    const { name, type, bytes } = field;
    if (path !== '' && (name === 'bsonType' || name === 'type')) note(found, path, typesIn(field));
    if (path !== '' && name === 'enum' && type === BsonType.array) note(found, path, valueTypes(bytes));
    if (name === 'properties' && type === BsonType.document) {
      for (const property of fieldsOf(bytes)) {
        if (property.type !== BsonType.document) continue;
        readSchema(property.bytes, childPath(path, nameSegment(property.name)), found, depth + 1);
      }
    }
    if (name === 'items' && type === BsonType.document && path !== '') {
      readSchema(bytes, childPath(path, ELEMENTS), found, depth + 1);
    }
    if (COMBINED.has(name) && type === BsonType.array) {
      for (const part of fieldsOf(bytes))
        if (part.type === BsonType.document) readSchema(part.bytes, path, found, depth + 1);
    }
  }
}

function note(found: Found, path: FieldPath, types: readonly string[]): void {
  const known = found.get(path) ?? new Set();
  if (known.size === 0 && found.size >= MOST_FIELDS) return;
  for (const type of types) known.add(type);
  if (known.size > 0) found.set(path, known);
}

/** One name or an array of names. */
function typesIn(value: BsonValue): readonly string[] {
  if (value.type === BsonType.array) return [...fieldsOf(value.bytes)].flatMap(typesIn);
  if (value.type !== BsonType.string) return [];
  const name = textOfValue(value);
  return ALIASES[name] ?? [name];
}

function valueTypes(values: Uint8Array): readonly string[] {
  return [...fieldsOf(values)].flatMap(({ type }) => TYPE_NAMES.get(type) ?? []);
}
