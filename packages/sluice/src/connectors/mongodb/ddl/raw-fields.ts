import { deserialize, EJSON } from 'bson';
import { documentValue } from '../../../bson/build-document.ts';
import { BsonType, fieldsOf } from '../../../bson/elements.ts';
import { textOfValue } from '../../../bson/make-values.ts';
import type { BsonValue } from '../../../core/change-event.ts';

/** The fields of a document in their order, values as the bytes that they are. */
export type Fields = ReadonlyMap<string, BsonValue>;

export const NO_FIELDS: Fields = new Map();

/** The fields of a document; of anything else none. */
export function fieldsIn(value: BsonValue | undefined): Fields {
  if (value?.type !== BsonType.document && value?.type !== BsonType.array) return NO_FIELDS;
  return new Map([...fieldsOf(value.bytes)].map(({ name, type, bytes }) => [name, { type, bytes }]));
}

/** The fields of a raw document. */
export function fieldsOfDocument(bytes: Uint8Array): Fields {
  return fieldsIn({ type: BsonType.document, bytes });
}

/** The same without some of them. */
export function without(fields: Fields, names: readonly string[]): Fields {
  return new Map([...fields].filter(([name]) => !names.includes(name)));
}

/** The text of a field; undefined when it is none. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields.get(name);
  return value?.type === BsonType.string ? textOfValue(value) : undefined;
}

/** The value of a field as JavaScript has it; only for numbers, booleans and small settings, where nothing is lost. */
export function plainOf(fields: Fields, name: string): unknown {
  const value = fields.get(name);
  return value === undefined ? undefined : plain(name, value);
}

/** A text that is the same for values that mean the same to the server, whatever types its numbers have. */
export function comparable(name: string, value: BsonValue): string {
  return EJSON.stringify(plain(name, value), { relaxed: true });
}

function plain(name: string, value: BsonValue): unknown {
  return deserialize(documentValue([[name, value]]).bytes)[name];
}
