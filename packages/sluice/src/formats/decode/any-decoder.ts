import { BsonType, findField } from '../../bson/elements.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { decodeCloudEvent, isBinaryCloudEvent, structuredEvent } from './cloudevents-decoder.ts';
import { debeziumEvent, isDebezium } from './debezium-decoder.ts';
import { type DocumentParts, documentEvent, isChangeEvent, valueOf } from './document-decoder.ts';
import { isDebeziumKey } from './document-key.ts';
import { connectEvent } from './kafka-connect-decoder.ts';

/**
 * Looks at each message. In a topic of Debezium's a null with its key only follows a delete; any other null deletes the
 * document of the key. What has none of the other forms is a document. Throws `rejected`.
 */
export function decodeAny(message: BrokerMessage, parts: DocumentParts): ChangeEvent | undefined {
  if (isBinaryCloudEvent(message)) return decodeCloudEvent(message, parts);
  const value = valueOf(message, parts);
  if (value === undefined) {
    const accompanies = parts.topics.isDebezium(message) && isDebeziumKey(message.key, parts.reader);
    return accompanies ? undefined : documentEvent(undefined, message, parts);
  }
  if (isChangeEvent(value)) return connectEvent(value, message, parts);
  if (isDebezium(value)) {
    parts.topics.noteDebezium(message);
    return debeziumEvent(value, message, parts);
  }
  if (isCloudEvent(value)) return structuredEvent(value, message, parts);
  return documentEvent(value, message, parts);
}

function isCloudEvent(value: Uint8Array): boolean {
  return (
    findField(value, 'specversion')?.type === BsonType.string &&
    (findField(value, 'data')?.type === BsonType.document || findField(value, 'data_base64')?.type === BsonType.string)
  );
}
