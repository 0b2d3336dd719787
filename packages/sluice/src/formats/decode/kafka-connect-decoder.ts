import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import { textOfValue } from '../../bson/make-values.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { wholeEvent } from './change-decoder.ts';
import { type DocumentParts, documentEvent, isChangeEvent, valueOf } from './document-decoder.ts';
import { undecodable } from './undecodable.ts';

/** What MongoDB's source connector for Kafka Connect writes: events, rows that it copied, or documents alone. */
export function decodeKafkaConnect(message: BrokerMessage, parts: DocumentParts): ChangeEvent {
  const value = valueOf(message, parts);
  return value !== undefined && isChangeEvent(value)
    ? connectEvent(value, message, parts)
    : documentEvent(value, message, parts);
}

/** The event in a value that was read already. A copied row, an insert for the connector, is a row of a snapshot. */
export function connectEvent(event: Buffer, message: BrokerMessage, parts: DocumentParts): ChangeEvent {
  const id = findField(event, '_id');
  const copied = id?.type === BsonType.document && findField(id.bytes, 'copyingData') !== undefined;
  return copied ? copiedRow(event, message, parts) : wholeEvent(event, message, parts);
}

function copiedRow(event: Buffer, message: BrokerMessage, parts: DocumentParts): ChangeEvent {
  const key = findField(event, 'documentKey');
  const after = findField(event, 'fullDocument');
  const ns = findField(event, 'ns');
  const db = ns?.type === BsonType.document ? findField(ns.bytes, 'db') : undefined;
  const coll = ns?.type === BsonType.document ? findField(ns.bytes, 'coll') : undefined;
  if (key?.type !== BsonType.document || after?.type !== BsonType.document)
    throw undecodable('a copied row is incomplete');
  if (db?.type !== BsonType.string || coll?.type !== BsonType.string)
    throw undecodable('a copied row has no namespace');
  const namespace = { db: textOfValue(db), coll: textOfValue(coll) };
  const headers = parts.headers.read(message);
  const sourceTimeMs = headers === undefined ? message.timestampMs : undefined;
  const row = { op: 'snapshot', namespace, sourceTimeMs, key: key.bytes, after: asBuffer(after.bytes) } as const;
  return parts.events.make(message, row, headers);
}
