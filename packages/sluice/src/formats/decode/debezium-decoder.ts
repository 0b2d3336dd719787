import { arrayValue, documentValue } from '../../bson/build-document.ts';
import { asBuffer, BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import { int64Value, textOfValue } from '../../bson/make-values.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { BsonValue, ChangeEvent, DataOperation, Namespace } from '../../core/change-event.ts';
import { type DocumentParts, valueOf } from './document-decoder.ts';
import { keyOfId, readMessageKey } from './document-key.ts';
import type { SluiceHeaders } from './message-headers.ts';
import type { ValueReader } from './message-value.ts';
import { keyInSubject } from './subject-key.ts';
import { undecodable } from './undecodable.ts';

const EMPTY_DOCUMENT = documentValue([]);
const EMPTY_ARRAY = arrayValue([]);

/** Debezium's envelope; undefined for the tombstone behind a delete. Throws `rejected`. */
export function decodeDebezium(message: BrokerMessage, parts: DocumentParts): ChangeEvent | undefined {
  const envelope = valueOf(message, parts);
  return envelope === undefined ? undefined : debeziumEvent(envelope, message, parts);
}

/** True for Debezium's envelope of a change in MongoDB: documents of users have a `source` and an `op` too. */
export function isDebezium(document: Uint8Array): boolean {
  const source = findField(document, 'source');
  if (source?.type !== BsonType.document || findField(document, 'op')?.type !== BsonType.string) return false;
  const connector = findField(source.bytes, 'connector');
  return (
    connector?.type === BsonType.string &&
    textOfValue(connector) === 'mongodb' &&
    findField(source.bytes, 'collection')?.type === BsonType.string &&
    timeOf(document) !== undefined
  );
}

/** The event in an envelope that was read already. */
export function debeziumEvent(envelope: Uint8Array, message: BrokerMessage, parts: DocumentParts): ChangeEvent {
  const { reader } = parts;
  const source = findField(envelope, 'source');
  if (source?.type !== BsonType.document) throw undecodable("it is not an envelope of Debezium's: it has no source");
  const after = image(envelope, 'after', reader);
  const before = image(envelope, 'before', reader);
  const update = updateOf(findField(envelope, 'updateDescription'), reader);
  const headers = parts.headers.read(message);
  const made = {
    op: operationOf(findField(envelope, 'op'), update !== undefined),
    namespace: namespaceOf(source.bytes),
    sourceTimeMs: timeOf(source.bytes) ?? message.timestampMs,
    key: keyOf(message, after ?? before, headers, parts),
    after,
    before,
    update,
    more: transactionOf(source.bytes, reader),
  };
  return parts.events.make(message, made, headers);
}

/** A document, as the JSON text in which Debezium writes it or as it is; undefined for null. */
function image(envelope: Uint8Array, name: string, reader: ValueReader): Uint8Array | undefined {
  const value = findField(envelope, name);
  if (value === undefined || value.type === BsonType.null) return undefined;
  if (value.type === BsonType.document) return value.bytes;
  if (value.type !== BsonType.string) throw undecodable(`"${name}" of the envelope is neither a text nor an object`);
  return reader.text(jsonIn(value));
}

function jsonIn({ bytes }: BsonValue): Buffer {
  return asBuffer(bytes).subarray(4, bytes.length - 1);
}

/** `u` with a description is an update, without one it replaced the document. */
function operationOf(op: BsonValue | undefined, described: boolean): DataOperation {
  switch (op?.type === BsonType.string ? textOfValue(op) : undefined) {
    case 'c':
      return 'insert';
    case 'u':
      return described ? 'update' : 'replace';
    case 'd':
      return 'delete';
    case 'r':
      return 'snapshot';
    default:
      throw undecodable("its operation is none of Debezium's for documents (c, u, d, r)");
  }
}

function namespaceOf(source: Uint8Array): Namespace {
  const db = findField(source, 'db');
  const coll = findField(source, 'collection');
  if (db?.type !== BsonType.string || coll?.type !== BsonType.string) {
    throw undecodable("it is not of Debezium's connector for MongoDB: its source names no collection");
  }
  return { db: textOfValue(db), coll: textOfValue(coll) };
}

/** `ts_ms`, which the envelope and its source have. */
function timeOf(document: Uint8Array): number | undefined {
  const time = findField(document, 'ts_ms');
  if (time?.type === BsonType.int64) return Number(asBuffer(time.bytes).readBigInt64LE());
  return time?.type === BsonType.int32 ? asBuffer(time.bytes).readInt32LE() : undefined;
}

/** From an image, which has the exact type; else from the key, which only has the `_id`. */
function keyOf(
  message: BrokerMessage,
  document: Uint8Array | undefined,
  headers: SluiceHeaders | undefined,
  parts: DocumentParts,
): Uint8Array {
  const own = document === undefined ? undefined : findField(document, '_id');
  const key =
    own === undefined
      ? readMessageKey(message.key ?? keyInSubject(message, headers) ?? null, parts.reader)?.key
      : keyOfId(own);
  if (key === undefined) throw undecodable('neither an image nor the key holds an _id');
  return key;
}

/** Debezium's description in MongoDB's form. */
function updateOf(description: BsonValue | undefined, reader: ValueReader): Uint8Array | undefined {
  if (description?.type !== BsonType.document) return undefined;
  const { bytes } = description;
  const updated = findField(bytes, 'updatedFields');
  const removed = findField(bytes, 'removedFields');
  const truncated = findField(bytes, 'truncatedArrays');
  return documentValue([
    ['updatedFields', updated === undefined ? EMPTY_DOCUMENT : updatedFields(updated, reader)],
    ['removedFields', removed?.type === BsonType.array ? removed : EMPTY_ARRAY],
    ['truncatedArrays', truncated?.type === BsonType.array ? truncatedArrays(truncated.bytes) : EMPTY_ARRAY],
  ]).bytes;
}

function updatedFields(value: BsonValue, reader: ValueReader): BsonValue {
  if (value.type === BsonType.document) return value;
  if (value.type !== BsonType.string) return EMPTY_DOCUMENT;
  return { type: BsonType.document, bytes: reader.text(jsonIn(value)) };
}

/** `{field, size}` is `{field, newSize}` in MongoDB. */
function truncatedArrays(items: Uint8Array): BsonValue {
  return arrayValue(
    [...fieldsOf(items)].map((item) => {
      const field = item.type === BsonType.document ? findField(item.bytes, 'field') : undefined;
      const size = item.type === BsonType.document ? findField(item.bytes, 'size') : undefined;
      if (field === undefined || size === undefined) throw undecodable('a truncated array has no field or size');
      return documentValue([
        ['field', field],
        ['newSize', size],
      ]);
    }),
  );
}

/** `lsid` and `txnNumber`, if the change was made in a transaction. */
function transactionOf(source: Uint8Array, reader: ValueReader): readonly (readonly [string, BsonValue])[] {
  const lsid = findField(source, 'lsid');
  const number = findField(source, 'txnNumber');
  if (lsid?.type !== BsonType.string || number === undefined) return [];
  const session = { type: BsonType.document, bytes: reader.text(jsonIn(lsid)) };
  const whole = number.type === BsonType.int32 ? int64Value(BigInt(asBuffer(number.bytes).readInt32LE())) : number;
  return whole.type === BsonType.int64
    ? [
        ['lsid', session],
        ['txnNumber', whole],
      ]
    : [];
}
