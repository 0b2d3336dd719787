import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { type DecoderParts, decodeChange, wholeEvent } from './change-decoder.ts';
import { undecodable } from './undecodable.ts';

/** How the attributes are named in Kafka and in JetStream. */
const VERSION_HEADERS = ['ce_specversion', 'ce-specversion'] as const;

/** True for a CloudEvent in binary mode. */
export function isBinaryCloudEvent({ headers }: BrokerMessage): boolean {
  return VERSION_HEADERS.some((name) => headers.has(name));
}

/** The event inside a CloudEvent of this program, in either mode. Throws `rejected`. */
export function decodeCloudEvent(message: BrokerMessage, parts: DecoderParts): ChangeEvent {
  if (isBinaryCloudEvent(message)) return decodeChange(message, parts);
  if (message.value === null) throw undecodable('a CloudEvent is expected, not a null');
  return structuredEvent(parts.reader.change(message.value), message, parts);
}

/** The event in the envelope of structured mode. */
export function structuredEvent(envelope: Uint8Array, message: BrokerMessage, parts: DecoderParts): ChangeEvent {
  const data = findField(envelope, 'data');
  if (data?.type === BsonType.document) return wholeEvent(asBuffer(data.bytes), message, parts);
  const base64 = findField(envelope, 'data_base64');
  if (base64?.type !== BsonType.string) throw undecodable('the CloudEvent has no data');
  const text = asBuffer(base64.bytes).toString('latin1', 4, base64.bytes.length - 1);
  return wholeEvent(parts.reader.change(Buffer.from(text, 'base64')), message, parts);
}
