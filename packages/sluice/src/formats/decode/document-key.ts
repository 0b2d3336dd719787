import { isUtf8 } from 'node:buffer';
import { DocumentBuilder } from '../../bson/build-document.ts';
import { compareBson } from '../../bson/compare.ts';
import { asBuffer, BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import { stringValue } from '../../bson/make-values.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { KeyForm } from './decoder-config.ts';
import type { ValueReader } from './message-value.ts';

const ID = Buffer.from('_id');
const ID_AND_END = Buffer.from('_id\0');
/** How JSON begins that nobody has for a text without meaning it. */
const JSON_START: ReadonlySet<number> = new Set(Buffer.from('{["'));
const WHOLE_NUMBER = /^(?:0|-?[1-9]\d{0,18})$/;

/** What the key of a message says of its document. */
export interface MessageKey {
  readonly id: BsonValue;
  /** The whole document key. */
  readonly key: Uint8Array;
  /** True for the keys of tools that are known: they have types that a value in plain JSON has lost. */
  readonly known: boolean;
}

/**
 * Reads the key of a message: `{"_id": …}` as this program and MongoDB's connector write it, with a shard key too;
 * `{"id": "…"}` as Debezium does; any other object or value is the `_id` itself. Undefined when there is no key, or one
 * that does not name a document (a resume token, bytes that are no text).
 */
export function readMessageKey(bytes: Uint8Array | null, reader: ValueReader, form?: KeyForm): MessageKey | undefined {
  if (bytes === null || bytes.length === 0) return undefined;
  const value = keyValue(asBuffer(bytes), reader, form);
  if (value === undefined || value.type === BsonType.null) return undefined;
  if (value.type !== BsonType.document) return keyOf(value, false);
  const id = findField(value.bytes, '_id');
  if (id !== undefined) return ofDocumentKey(value.bytes, id);
  const debezium = onlyField(value.bytes, 'id');
  return debezium === undefined ? keyOf(value, false) : keyOf(debeziumId(debezium, reader), true);
}

/** True for `{"id": "…"}`, as Debezium's connector for MongoDB writes it. */
export function isDebeziumKey(bytes: Uint8Array | null, reader: ValueReader): boolean {
  if (bytes === null || bytes.length === 0) return false;
  const value = keyValue(asBuffer(bytes), reader, undefined);
  return value?.type === BsonType.document && onlyField(value.bytes, 'id')?.type === BsonType.string;
}

/** The document with this `_id` in the place of its own, or in front; every other byte stays. */
export function withId(document: Uint8Array, id: BsonValue): Buffer {
  const own = findField(document, '_id');
  const valueAt = own === undefined ? 0 : own.bytes.byteOffset - document.byteOffset;
  const start = own === undefined ? 4 : valueAt - ID_AND_END.length - 1;
  const end = own === undefined ? 4 : valueAt + own.bytes.length;
  const builder = new DocumentBuilder();
  builder.elements(document.subarray(4, start));
  builder.field(ID, id);
  builder.elements(document.subarray(end, document.length - 1));
  return builder.build();
}

/** True when MongoDB takes the two for one `_id`. */
export function isSameId(a: BsonValue, b: BsonValue): boolean {
  return compareBson(a, b) === 0;
}

/** The document key of just this `_id`. */
export function keyOfId({ type, bytes }: BsonValue): Uint8Array {
  const key = Buffer.allocUnsafe(bytes.length + 10);
  key.writeInt32LE(key.length, 0);
  key[4] = type;
  key.set(ID_AND_END, 5);
  key.set(bytes, 9);
  key[key.length - 1] = 0;
  return key;
}

function keyOf(id: BsonValue, known: boolean): MessageKey {
  return { id, key: keyOfId(id), known };
}

function ofDocumentKey(key: Uint8Array, id: BsonValue): MessageKey | undefined {
  if (id.type === BsonType.document) {
    if (findField(id.bytes, '_data')?.type === BsonType.string) return undefined;
    const copied = findField(id.bytes, 'copyingData') === undefined ? undefined : findField(id.bytes, '_id');
    if (copied !== undefined) return keyOf(copied, true);
  }
  return { id, key, known: true };
}

/**
 * A bare key that looks like a number need not be one. It is taken for one only when nothing of the text is lost: as a
 * double `1e5` and `100000`, or two long numbers, would be one document.
 */
function keyValue(bytes: Buffer, reader: ValueReader, form: KeyForm | undefined): BsonValue | undefined {
  if (form === 'text' || (form === undefined && !isJsonKey(bytes))) return textOfKey(bytes);
  try {
    return reader.value(bytes);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
    return form === 'json' ? undefined : textOfKey(bytes);
  }
}

/** A zero byte is how keys with a schema in a registry begin. */
function isJsonKey(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  if (first === 0 || JSON_START.has(first)) return true;
  const text = bytes.length <= 20 ? bytes.toString('latin1') : '';
  if (text === 'null') return true;
  return WHOLE_NUMBER.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

function textOfKey(bytes: Buffer): BsonValue | undefined {
  return isUtf8(bytes) ? stringValue(bytes.toString()) : undefined;
}

function debeziumId(value: BsonValue, reader: ValueReader): BsonValue {
  if (value.type !== BsonType.string) return value;
  try {
    return reader.textValue(asBuffer(value.bytes).subarray(4, value.bytes.length - 1));
  } catch (error) {
    if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
    return value;
  }
}

function onlyField(document: Uint8Array, name: string): BsonValue | undefined {
  const [first, second] = fieldsOf(document);
  return first?.name === name && second === undefined ? first : undefined;
}
