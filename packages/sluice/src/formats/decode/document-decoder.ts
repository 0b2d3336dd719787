import { DocumentBuilder } from '../../bson/build-document.ts';
import { BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { BsonValue, ChangeEvent, Namespace } from '../../core/change-event.ts';
import type { DecoderParts } from './change-decoder.ts';
import type { KeyForm } from './decoder-config.ts';
import { isSameId, keyOfId, type MessageKey, readMessageKey, withId } from './document-key.ts';
import type { KnownTopics } from './known-topics.ts';
import { type HeaderReader, type SluiceHeaders, splitNamespace } from './message-headers.ts';
import { keyInSubject } from './subject-key.ts';
import { undecodable } from './undecodable.ts';

/** What decoders of messages need that do not say everything of a change. */
export interface DocumentParts extends DecoderParts {
  readonly headers: HeaderReader;
  readonly namespace: Namespace | undefined;
  readonly key: KeyForm | undefined;
  readonly topics: KnownTopics;
}

/**
 * A document and nothing else: what the value says is the document now, a null deletes it. Where the headers do not say
 * what happened it is a `replace`. Throws `rejected`.
 */
export function decodeDocument(message: BrokerMessage, parts: DocumentParts): ChangeEvent {
  return documentEvent(valueOf(message, parts), message, parts);
}

/** The document that the value is; undefined for a null, which in JetStream is an empty message that says `delete`. */
export function valueOf(message: BrokerMessage, parts: DocumentParts): Buffer | undefined {
  const { value } = message;
  if (value === null || (value.length === 0 && parts.headers.read(message)?.op === 'delete')) return undefined;
  return parts.reader.document(value);
}

/** The same for a value that was read already; undefined for a null. */
export function documentEvent(
  document: Uint8Array | undefined,
  message: BrokerMessage,
  parts: DocumentParts,
): ChangeEvent {
  const headers = parts.headers.read(message);
  const key = messageKey(message, headers, parts);
  const namespace = namespaceOf(message, parts, headers);
  const sourceTimeMs = headers === undefined ? message.timestampMs : undefined;
  if (document === undefined) {
    if (key === undefined) throw undecodable('a null deletes a document, but the key does not say which');
    return parts.events.make(message, { op: 'delete', namespace, sourceTimeMs, key: key.key }, headers);
  }
  const id = idOf(document, key);
  const after = id.replaces ? withId(document, id.value) : document;
  const op = upsertOf(headers);
  return parts.events.make(message, { op, namespace, sourceTimeMs, key: keyOf(id.value, key), after }, headers);
}

/** What the key of the message, or the end of its subject, says of the document. */
export function messageKey(
  message: BrokerMessage,
  headers: SluiceHeaders | undefined,
  { reader, key }: Pick<DocumentParts, 'reader' | 'key'>,
): MessageKey | undefined {
  if (message.key !== null) return readMessageKey(message.key, reader, key);
  return readMessageKey(keyInSubject(message, headers) ?? null, reader);
}

/**
 * The `_id` of the document. A known key wins over another `_id` in the value: in plain JSON only the key has its type,
 * and deletes have nothing else.
 */
function idOf(document: Uint8Array, key: MessageKey | undefined): { value: BsonValue; replaces: boolean } {
  const own = findField(document, '_id');
  if (own === undefined) {
    if (key === undefined) throw undecodable('neither the value nor the key holds an _id');
    return { value: key.id, replaces: true };
  }
  if (key?.known === true && !isSameId(own, key.id)) return { value: key.id, replaces: true };
  return { value: own, replaces: false };
}

/** The document key: a key of several fields is a shard key too. */
function keyOf(id: BsonValue, key: MessageKey | undefined): Uint8Array {
  // Length, type byte, `_id` with its end, value and closing zero: nothing but the `_id`.
  if (key?.known !== true || key.key.length === key.id.bytes.length + 10) return keyOfId(id);
  const builder = new DocumentBuilder();
  for (const field of fieldsOf(key.key)) builder.field(Buffer.from(field.name), field.name === '_id' ? id : field);
  return builder.build();
}

function upsertOf(headers: SluiceHeaders | undefined): 'insert' | 'replace' | 'snapshot' {
  return headers?.op === 'insert' || headers?.op === 'snapshot' ? headers.op : 'replace';
}

function namespaceOf({ topic }: BrokerMessage, parts: DocumentParts, headers: SluiceHeaders | undefined): Namespace {
  const namespace = parts.namespace ?? headers?.namespace ?? splitNamespace(topic);
  if (namespace.db === '' || namespace.coll === '') {
    throw undecodable('nothing says to which collection it belongs (set namespace in the format)');
  }
  return namespace;
}

/** True for a document of MongoDB's change stream: an event, not a document of a user. */
export function isChangeEvent(document: Uint8Array): boolean {
  if (findField(document, 'operationType')?.type !== BsonType.string) return false;
  const id = findField(document, '_id');
  if (id?.type !== BsonType.document) return false;
  return findField(id.bytes, '_data')?.type === BsonType.string || findField(id.bytes, 'copyingData') !== undefined;
}
