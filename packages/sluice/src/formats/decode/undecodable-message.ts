import { hash } from 'node:crypto';
import { documentValue } from '../../bson/build-document.ts';
import { asBuffer, BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import { dateValue, int64Value, NULL_VALUE, stringValue, textOfValue } from '../../bson/make-values.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { BsonValue, ChangeEvent, Namespace, Version } from '../../core/change-event.ts';
import type { Position } from '../../core/position.ts';

/** The field of the raw form that holds the message. */
const FIELD = '_sluiceMessage';
const NOWHERE: Namespace = Object.freeze({ db: '', coll: '' });
const BINARY_HEAD = 5;
/** About the rest of the raw form. */
const OTHER_BYTES = 256;

/** A message as it is stored: all of it except its place in the order of a pipeline. */
export interface StoredMessage extends Omit<BrokerMessage, 'position'> {
  /** The time in its version, in seconds since the epoch; undefined where it was not stored. */
  readonly seconds: number | undefined;
}

/** What is known of a message that cannot be decoded. */
export interface UndecodableParts {
  readonly error: unknown;
  /** The time in its version, in seconds since the epoch. */
  readonly seconds: number;
  /** The document key in the key of the message; undefined when it cannot be read either. */
  readonly key: Uint8Array | undefined;
  /** Where it most likely belongs; undefined when nothing says it. */
  readonly namespace: Namespace | undefined;
}

/**
 * A message that no event can be made of. It keeps its place and all of its parts, so that it can be stored and decoded
 * again. Its contents, the key included, throw the `rejected` error that says why: there are formats that need nothing
 * but a key, and none may write it. Only what keeps the order of a document learns the key.
 */
export class UndecodableMessage implements ChangeEvent {
  readonly position: Position;
  /** An operation of a document: nothing may pass over the event. */
  readonly op = 'update';
  readonly namespace: Namespace;
  readonly degraded = undefined;
  readonly #message: BrokerMessage;
  readonly #error: unknown;
  readonly #key: Uint8Array | undefined;
  readonly #seconds: number;
  #raw: Uint8Array | undefined;

  constructor(message: BrokerMessage, { error, seconds, key, namespace }: UndecodableParts) {
    this.position = message.position;
    this.namespace = namespace ?? NOWHERE;
    this.#message = message;
    this.#error = error;
    this.#key = key;
    this.#seconds = seconds;
  }

  /** The same whenever the message is read, and another one for a message at this place of a topic created anew. */
  get id(): string {
    const { place, timestampMs } = this.#message;
    return `undecodable-${hash('sha256', `${place} ${Math.trunc(timestampMs)}`)}`;
  }

  get version(): Version {
    return { clusterTime: { t: this.#seconds, i: 0 }, ordinal: this.#message.sequence };
  }

  get sourceTimeMs(): number {
    return this.#message.timestampMs;
  }

  /** `{_sluiceMessage: {topic, place, sequence, timestamp, seconds, key, value, headers}}`; see `messageOfRaw`. */
  get raw(): Uint8Array {
    this.#raw ??= rawOf(this.#message, this.#seconds);
    return this.#raw;
  }

  get size(): number {
    const { key, value } = this.#message;
    return (key?.length ?? 0) + (value?.length ?? 0) + OTHER_BYTES;
  }

  key(): Uint8Array | undefined {
    throw this.#error;
  }

  orderingKey(): Uint8Array | undefined {
    return this.#key;
  }

  after(): Uint8Array | undefined {
    throw this.#error;
  }

  before(): Uint8Array | undefined {
    throw this.#error;
  }

  update(): Uint8Array | undefined {
    throw this.#error;
  }

  field(_name: string): BsonValue | undefined {
    throw this.#error;
  }
}

/** The message that the raw form of an `UndecodableMessage` holds; undefined for any other bytes. */
export function messageOfRaw(raw: Uint8Array): StoredMessage | undefined {
  try {
    const message = findField(raw, FIELD);
    return message?.type === BsonType.document ? read(message.bytes) : undefined;
  } catch {
    return undefined;
  }
}

function rawOf(of: BrokerMessage, seconds: number): Uint8Array {
  const { topic, place, sequence, timestampMs, key, value, headers } = of;
  const message = documentValue([
    ['topic', stringValue(topic)],
    ['place', stringValue(place)],
    ['sequence', int64Value(BigInt(Math.trunc(sequence)))],
    ['timestamp', dateValue(BigInt(Math.trunc(timestampMs)))],
    ['seconds', int64Value(BigInt(seconds))],
    ['key', binaryValue(key)],
    ['value', binaryValue(value)],
    ['headers', documentValue([...headers].map(([name, bytes]) => [withoutZeros(name), binaryValue(bytes)]))],
  ]);
  return documentValue([[FIELD, message]]).bytes;
}

function read(message: Uint8Array): StoredMessage | undefined {
  const fields = new Map([...fieldsOf(message)].map((field) => [field.name, field]));
  const topic = fields.get('topic');
  const place = fields.get('place');
  const sequence = fields.get('sequence');
  const timestamp = fields.get('timestamp');
  const seconds = fields.get('seconds');
  const headers = fields.get('headers');
  if (topic?.type !== BsonType.string || place?.type !== BsonType.string) return undefined;
  if (sequence?.type !== BsonType.int64 || timestamp?.type !== BsonType.date) return undefined;
  return {
    topic: textOfValue(topic),
    place: textOfValue(place),
    sequence: Number(asBuffer(sequence.bytes).readBigInt64LE()),
    timestampMs: Number(asBuffer(timestamp.bytes).readBigInt64LE()),
    seconds: seconds?.type === BsonType.int64 ? Number(asBuffer(seconds.bytes).readBigInt64LE()) : undefined,
    key: bytesOf(fields.get('key')),
    value: bytesOf(fields.get('value')),
    headers: new Map(
      headers === undefined
        ? []
        : [...fieldsOf(headers.bytes)].map(({ name, ...value }) => [name, bytesOf(value) ?? Buffer.alloc(0)]),
    ),
  };
}

function binaryValue(bytes: Uint8Array | null): BsonValue {
  if (bytes === null) return NULL_VALUE;
  const payload = Buffer.allocUnsafe(BINARY_HEAD + bytes.length);
  payload.writeInt32LE(bytes.length, 0);
  payload[4] = 0;
  payload.set(bytes, BINARY_HEAD);
  return { type: BsonType.binary, bytes: payload };
}

function bytesOf(value: BsonValue | undefined): Uint8Array | null {
  return value?.type === BsonType.binary ? value.bytes.subarray(BINARY_HEAD) : null;
}

function withoutZeros(name: string): string {
  return name.replaceAll('\0', '');
}
