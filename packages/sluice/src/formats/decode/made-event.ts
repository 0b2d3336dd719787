import { hash } from 'node:crypto';
import { documentValue } from '../../bson/build-document.ts';
import { BsonType } from '../../bson/elements.ts';
import { stringValue } from '../../bson/make-values.ts';
import { NamespaceCache } from '../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../bson/raw-change-event.ts';
import { RelayedEvent } from '../../bson/relayed-event.ts';
import { decodeResumeToken } from '../../bson/resume-token.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import type { BsonValue, ChangeEvent, DataOperation, Namespace, Version } from '../../core/change-event.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { Position } from '../../core/position.ts';
import type { SluiceHeaders } from './message-headers.ts';
import { ownSeconds } from './message-times.ts';

/** Version 1, type "event": what follows the cluster time in the tokens of MongoDB. */
const EVENT_TOKEN = '2B022C0100';
/** No hex digit, so that nobody takes the rest for a token. */
const PLACE_MARK = 'p';
const MADE_ID = /^82[0-9A-F]{16}2B022C0100[0-9A-F]+p/;
const PRINTABLE = /^[\x21-\x7e]*$/;
const NUMERIC_ZERO = '29';
const NUMERIC_POSITIVE_0_BYTES = 0x2a;
/** Twice a number of a token has at most six bytes here. */
const MAX_TOKEN_INTEGER = 2 ** 47 - 1;

const EIGHT = 8;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Types and names of the fields. */
const FIELD = {
  id: fieldHead(BsonType.document, '_id'),
  data: fieldHead(BsonType.string, '_data'),
  time: fieldHead(BsonType.timestamp, 'clusterTime'),
  wallTime: fieldHead(BsonType.date, 'wallTime'),
  after: fieldHead(BsonType.document, 'fullDocument'),
  key: fieldHead(BsonType.document, 'documentKey'),
  update: fieldHead(BsonType.document, 'updateDescription'),
  before: fieldHead(BsonType.document, 'fullDocumentBeforeChange'),
} as const;

const OPERATIONS: Record<DataOperation, Uint8Array> = {
  insert: operationField('insert'),
  update: operationField('update'),
  replace: operationField('replace'),
  delete: operationField('delete'),
  snapshot: operationField('snapshot'),
};

function fieldHead(type: number, name: string): Uint8Array {
  return Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`)]);
}

function operationField(op: DataOperation): Uint8Array {
  return elementsOf(documentValue([['operationType', stringValue(op)]]));
}

/** What a message says of a change. */
export interface MadeParts {
  readonly op: DataOperation;
  readonly namespace: Namespace;
  /** When it happened at the source, in ms; undefined when only the cluster time is known. */
  readonly sourceTimeMs: number | undefined;
  readonly key: Uint8Array;
  readonly after?: Uint8Array | undefined;
  readonly before?: Uint8Array | undefined;
  readonly update?: Uint8Array | undefined;
  /** Further fields, e.g. of the transaction. */
  readonly more?: readonly (readonly [string, BsonValue])[] | undefined;
}

/**
 * Makes events of MongoDB's form for messages that hold none.
 *
 * Where this program's headers are there, id and version are those of the event at its source. Elsewhere the id is made
 * of the message's place and the broker's timestamp, and the version of the time by which the decoder orders the messages
 * of a partition and, within a second, of the place. What other tools write as their time is the wall clock of a server
 * or is missing. The place alone would not do: a key that moves to a new partition begins at a low one.
 */
export class EventMaker {
  readonly #namespaces = new NamespaceCache();
  #seconds = 0;

  /** The time in the versions of the events that are made from now on, in seconds since the epoch. */
  set seconds(seconds: number) {
    this.#seconds = seconds;
  }

  make(message: BrokerMessage, parts: MadeParts, headers: SluiceHeaders | undefined): ChangeEvent {
    const clusterTime = headers?.clusterTime ?? { t: this.#seconds, i: 0 };
    const known = headers !== undefined && isWhole(headers);
    // The id holds the message's own time, which is the same whatever was read before it.
    const token = known ? headers.id : madeToken(headers?.clusterTime ?? { t: ownSeconds(message), i: 0 }, message);
    const event = parseChangeEvent(rawOf(parts, token, clusterTime), this.#namespaces);
    return relayed(event, message.position, known ? undefined : headers?.id);
  }

  /** The event that a message holds in MongoDB's form, or that was stored as a dead letter. Throws `rejected`. */
  whole(raw: Uint8Array, position: Position): ChangeEvent {
    return relayed(parseChangeEvent(raw, this.#namespaces), position, undefined);
  }
}

/** A row of a snapshot has no index in a transaction; one that was made here has its place instead. */
function relayed(event: ChangeEvent, position: Position, id: string | undefined): ChangeEvent {
  const version = event.op === 'snapshot' ? madeVersion(event) : undefined;
  return new RelayedEvent(event, position, id === undefined && version === undefined ? undefined : { id, version });
}

function madeVersion({ id, version: { clusterTime } }: ChangeEvent): Version | undefined {
  if (id.length <= 28 || !MADE_ID.test(id)) return undefined;
  return { clusterTime, ordinal: decodeResumeToken(id).ordinal };
}

/** The ids of rows and of events with short tokens are their tokens; of a long token only a hash is left. */
function isWhole({ id, op }: SluiceHeaders): boolean {
  if (op === 'snapshot') return true;
  try {
    decodeResumeToken(id);
    return true;
  } catch {
    return false;
  }
}

function madeToken({ t, i }: ClusterTime, { place, sequence }: BrokerMessage): string {
  const where = PRINTABLE.test(place) ? place : hash('sha256', place);
  return `82${hexWord(t)}${hexWord(i)}${EVENT_TOKEN}${tokenInteger(sequence)}${PLACE_MARK}${where}`;
}

function hexWord(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

/** A whole number as tokens hold it: the count of its bytes, then twice its value. */
function tokenInteger(value: number): string {
  const number = Math.min(Math.max(Math.trunc(value), 0), MAX_TOKEN_INTEGER);
  if (!(number > 0)) return NUMERIC_ZERO;
  const hex = (number * 2).toString(16).toUpperCase();
  const bytes = Math.ceil(hex.length / 2);
  return (NUMERIC_POSITIVE_0_BYTES + bytes).toString(16).toUpperCase() + hex.padStart(bytes * 2, '0');
}

/** The event as a BSON document, with its fields in MongoDB's order. */
function rawOf(parts: MadeParts, token: string, { t, i }: ClusterTime): Buffer {
  const { op, namespace, sourceTimeMs, key, after, before, update, more } = parts;
  const others = more === undefined || more.length === 0 ? NOTHING : elementsOf(documentValue(more));
  const ns = namespaceField(namespace);
  // The token: its length, its only field (name, length of the text, text, zero), and the closing zero.
  const tokenBytes = 4 + FIELD.data.length + 4 + token.length + 1 + 1;
  const size =
    4 +
    FIELD.id.length +
    tokenBytes +
    OPERATIONS[op].length +
    FIELD.time.length +
    EIGHT +
    (sourceTimeMs === undefined ? 0 : FIELD.wallTime.length + EIGHT) +
    others.length +
    sizeOf(FIELD.after, after) +
    ns.length +
    sizeOf(FIELD.key, key) +
    sizeOf(FIELD.update, update) +
    sizeOf(FIELD.before, before) +
    1;
  const raw = Buffer.allocUnsafe(size);
  let at = put(raw, raw.writeInt32LE(size, 0), FIELD.id);
  at = put(raw, raw.writeInt32LE(tokenBytes, at), FIELD.data);
  at = raw.writeInt32LE(token.length + 1, at);
  at += raw.write(token, at, 'latin1');
  at = put(raw, raw.writeUInt16LE(0, at), OPERATIONS[op]);
  at = put(raw, at, FIELD.time);
  at = raw.writeUInt32LE(t, raw.writeUInt32LE(i, at));
  if (sourceTimeMs !== undefined) {
    at = put(raw, at, FIELD.wallTime);
    at = raw.writeBigInt64LE(BigInt(Math.trunc(sourceTimeMs)), at);
  }
  at = put(raw, at, others);
  at = putDocument(raw, at, FIELD.after, after);
  at = put(raw, at, ns);
  at = putDocument(raw, at, FIELD.key, key);
  at = putDocument(raw, at, FIELD.update, update);
  at = putDocument(raw, at, FIELD.before, before);
  raw[at] = 0;
  return raw;
}

function sizeOf(head: Uint8Array, document: Uint8Array | undefined): number {
  return document === undefined ? 0 : head.length + document.length;
}

function putDocument(raw: Buffer, at: number, head: Uint8Array, document: Uint8Array | undefined): number {
  return document === undefined ? at : put(raw, put(raw, at, head), document);
}

function put(raw: Buffer, at: number, bytes: Uint8Array): number {
  raw.set(bytes, at);
  return at + bytes.length;
}

function elementsOf({ bytes }: BsonValue): Uint8Array {
  return bytes.subarray(4, bytes.length - 1);
}

function namespaceValue({ db, coll }: Namespace): BsonValue {
  return documentValue([
    ['db', stringValue(db)],
    ['coll', stringValue(coll)],
  ]);
}

/** Messages that follow each other are mostly of one namespace. */
let lastNamespace: Namespace | undefined;
let lastField: Uint8Array = NOTHING;

function namespaceField(namespace: Namespace): Uint8Array {
  if (lastNamespace === undefined || lastNamespace.db !== namespace.db || lastNamespace.coll !== namespace.coll) {
    lastField = elementsOf(documentValue([['ns', namespaceValue(namespace)]]));
    lastNamespace = namespace;
  }
  return lastField;
}
