import { DocumentBuilder } from '../../bson/build-document.ts';
import { asBuffer, BsonType, bytesMatch, fieldsOf, findField } from '../../bson/elements.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { BsonValue, ChangeEvent } from '../../core/change-event.ts';
import { isSameId, readMessageKey, withId } from './document-key.ts';
import type { EventMaker } from './made-event.ts';
import type { ValueReader } from './message-value.ts';
import { undecodable } from './undecodable.ts';

/** How keys begin whose `_id` has a type that JSON does not know. */
const TYPED_KEY = Buffer.from('{"_id":{"$');
/** What plain JSON makes of such an `_id`. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([BsonType.string, BsonType.int32, BsonType.int64, BsonType.null]);
const IMAGES: ReadonlySet<string> = new Set(['fullDocument', 'fullDocumentBeforeChange']);

/** What the decoders of one source share. */
export interface DecoderParts {
  readonly reader: ValueReader;
  readonly events: EventMaker;
}

/** The event that a message of the `change` format holds, in BSON or any JSON. Throws `rejected`. */
export function decodeChange(message: BrokerMessage, { reader, events }: DecoderParts): ChangeEvent {
  if (message.value === null) throw undecodable('a change event is expected, not a null');
  return wholeEvent(reader.change(message.value), message, { reader, events });
}

/**
 * The event in these bytes. The key of the record gives the `_id` its type back where the value is plain JSON, so that
 * a change of an ObjectId does not end up at a text.
 */
export function wholeEvent(raw: Buffer, message: BrokerMessage, { reader, events }: DecoderParts): ChangeEvent {
  const event = events.whole(raw, message.position);
  const id = plainId(event, message.key);
  const key = id === undefined ? undefined : readMessageKey(message.key, reader);
  if (id === undefined || key === undefined || isSameId(id, key.id)) return event;
  return events.whole(withTypedId(raw, id, key), message.position);
}

function plainId(event: ChangeEvent, key: Uint8Array | null): BsonValue | undefined {
  if (key === null || key.length < TYPED_KEY.length || !bytesMatch(key, 0, TYPED_KEY)) return undefined;
  const documentKey = event.key();
  const id = documentKey === undefined ? undefined : findField(documentKey, '_id');
  return id !== undefined && PLAIN_TYPES.has(id.type) ? id : undefined;
}

function withTypedId(raw: Buffer, plain: BsonValue, { id, key }: { readonly id: BsonValue; readonly key: Uint8Array }) {
  const builder = new DocumentBuilder();
  for (const field of fieldsOf(raw)) {
    const name = Buffer.from(field.name);
    if (field.name === 'documentKey') builder.field(name, { type: BsonType.document, bytes: key });
    else if (IMAGES.has(field.name) && field.type === BsonType.document) {
      builder.field(name, { type: field.type, bytes: imageWithId(field.bytes, plain, id) });
    } else builder.field(name, field);
  }
  return asBuffer(builder.build());
}

function imageWithId(image: Uint8Array, plain: BsonValue, id: BsonValue): Uint8Array {
  const own = findField(image, '_id');
  return own !== undefined && own.type === plain.type && isSameId(own, plain) ? withId(image, id) : image;
}
