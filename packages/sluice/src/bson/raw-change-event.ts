import { createHash } from 'node:crypto';
import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../core/change-event.ts';
import { isDataOperation } from '../core/change-event.ts';
import type { ClusterTime } from '../core/cluster-time.ts';
import type { Position } from '../core/position.ts';
import {
  asBuffer,
  BsonType,
  bytesMatch,
  cstringEnd,
  documentEnd,
  findField,
  readInt32,
  readUint32,
  stringEnd,
  valueEnd,
} from './elements.ts';
import { incompleteEvent, malformedBson } from './malformed.ts';
import type { NamespaceCache } from './namespace-cache.ts';
import { tokenData } from './reply.ts';
import { clusterTimeOfToken, decodeResumeToken } from './resume-token.ts';
import { SNAPSHOT_ORDINAL } from './snapshot-row.ts';

const ABSENT = -1;
const MAX_ID_CHARACTERS = 512;
const NO_NAMESPACE: Namespace = Object.freeze({ db: '', coll: '' });
const DATA_OPERATIONS = ['insert', 'update', 'delete', 'replace', 'snapshot'].map((name) => ({
  name,
  bytes: Buffer.from(name),
}));

const ID = Buffer.from('_id');
const DATA = Buffer.from('_data\0');
const NS = Buffer.from('ns');
const MARK = Buffer.from('_sluice');
const WALL_TIME = Buffer.from('wallTime');
const CLUSTER_TIME = Buffer.from('clusterTime');
const DOCUMENT_KEY = Buffer.from('documentKey');
const FULL_DOCUMENT = Buffer.from('fullDocument');
const OPERATION_TYPE = Buffer.from('operationType');
const UPDATE_DESCRIPTION = Buffer.from('updateDescription');
const FULL_DOCUMENT_BEFORE_CHANGE = Buffer.from('fullDocumentBeforeChange');

/**
 * The event in `raw`, one BSON document as the server sent it. Only its top-level fields are located here; throws
 * `rejected` when even that is not possible. Everything else is decoded, and may throw, when it is asked for.
 */
export function parseChangeEvent(raw: Uint8Array, namespaces: NamespaceCache): ChangeEvent {
  return new RawChangeEvent(asBuffer(raw), namespaces);
}

class RawChangeEvent implements ChangeEvent {
  readonly raw: Buffer;
  readonly #namespaces: NamespaceCache;
  // Offsets of the values in `raw`, ABSENT when the event has no such field (or a null).
  #idAt = ABSENT;
  #opAt = ABSENT;
  #nsAt = ABSENT;
  #clusterTimeAt = ABSENT;
  #wallTimeAt = ABSENT;
  #keyAt = ABSENT;
  #afterAt = ABSENT;
  #beforeAt = ABSENT;
  #updateAt = ABSENT;
  #markAt = ABSENT;
  #token: string | undefined;
  #id: string | undefined;
  #op: Operation | undefined;
  #namespace: Namespace | undefined;
  #position: Position | undefined;
  #version: Version | undefined;
  #key: Buffer | undefined;
  #after: Buffer | undefined;

  constructor(raw: Buffer, namespaces: NamespaceCache) {
    this.raw = raw;
    this.#namespaces = namespaces;
    const limit = documentEnd(raw, 0, raw.length) - 1;
    if (limit + 1 !== raw.length) throw malformedBson('bytes follow the document');
    let at = 4;
    while (at < limit) {
      const type = raw[at]!;
      const nameEnd = cstringEnd(raw, at + 1, limit);
      this.#locate(type, at + 1, nameEnd);
      at = valueEnd(raw, type, nameEnd + 1, limit);
    }
  }

  get id(): string {
    this.#id ??= shortId(this.#data());
    return this.#id;
  }

  get op(): Operation {
    this.#op ??= this.#readOperation();
    return this.#op;
  }

  get namespace(): Namespace {
    this.#namespace ??= this.#readNamespace();
    return this.#namespace;
  }

  get position(): Position {
    this.#position ??= { token: this.#data(), clusterTime: this.#clusterTime() };
    return this.#position;
  }

  get version(): Version {
    this.#version ??= { clusterTime: this.position.clusterTime, ordinal: this.#ordinal() };
    return this.#version;
  }

  get sourceTimeMs(): number {
    const at = this.#wallTimeAt;
    if (at === ABSENT) return this.position.clusterTime.t * 1000;
    return readInt32(this.raw, at + 4) * 2 ** 32 + readUint32(this.raw, at);
  }

  get size(): number {
    return this.raw.length;
  }

  get degraded(): 'images-dropped' | undefined {
    if (this.#markAt === ABSENT) return undefined;
    const dropped = findField(this.#slice(this.#markAt), 'dropped');
    if (dropped?.type !== BsonType.string) return undefined;
    return asBuffer(dropped.bytes).toString('latin1', 4, dropped.bytes.length - 1) === 'images'
      ? 'images-dropped'
      : undefined;
  }

  key(): Buffer | undefined {
    if (this.#key === undefined && this.#keyAt !== ABSENT) this.#key = this.#slice(this.#keyAt);
    return this.#key;
  }

  after(): Buffer | undefined {
    if (this.#after === undefined && this.#afterAt !== ABSENT) this.#after = this.#slice(this.#afterAt);
    return this.#after;
  }

  before(): Buffer | undefined {
    return this.#beforeAt === ABSENT ? undefined : this.#slice(this.#beforeAt);
  }

  update(): Buffer | undefined {
    return this.#updateAt === ABSENT ? undefined : this.#slice(this.#updateAt);
  }

  field(name: string): BsonValue | undefined {
    return findField(this.raw, name);
  }

  /** Notes where the value of a known field starts. The length of the name tells the candidates apart. */
  #locate(type: number, name: number, nameEnd: number): void {
    const raw = this.raw;
    const value = nameEnd + 1;
    switch (nameEnd - name) {
      case 2:
        if (type === BsonType.document && bytesMatch(raw, name, NS)) this.#nsAt = value;
        break;
      case 3:
        if (type === BsonType.document && bytesMatch(raw, name, ID)) this.#idAt = value;
        break;
      case 7:
        if (type === BsonType.document && bytesMatch(raw, name, MARK)) this.#markAt = value;
        break;
      case 8:
        if (type === BsonType.date && bytesMatch(raw, name, WALL_TIME)) this.#wallTimeAt = value;
        break;
      case 11:
        if (type === BsonType.timestamp && bytesMatch(raw, name, CLUSTER_TIME)) this.#clusterTimeAt = value;
        else if (type === BsonType.document && bytesMatch(raw, name, DOCUMENT_KEY)) this.#keyAt = value;
        break;
      case 12:
        if (type === BsonType.document && bytesMatch(raw, name, FULL_DOCUMENT)) this.#afterAt = value;
        break;
      case 13:
        if (type === BsonType.string && bytesMatch(raw, name, OPERATION_TYPE)) this.#opAt = value;
        break;
      case 17:
        if (type === BsonType.document && bytesMatch(raw, name, UPDATE_DESCRIPTION)) this.#updateAt = value;
        break;
      case 24:
        if (type === BsonType.document && bytesMatch(raw, name, FULL_DOCUMENT_BEFORE_CHANGE)) this.#beforeAt = value;
        break;
    }
  }

  /** The document at `at`; its length was checked when the frame was walked. */
  #slice(at: number): Buffer {
    return this.raw.subarray(at, at + readInt32(this.raw, at));
  }

  #data(): string {
    this.#token ??= this.#readToken();
    return this.#token;
  }

  /** Servers send `_data` first; a token that has it elsewhere takes the longer way. */
  #readToken(): string {
    const at = this.#idAt;
    if (at === ABSENT) throw incompleteEvent('it has no resume token');
    const { raw } = this;
    if (raw[at + 4] === BsonType.string && bytesMatch(raw, at + 5, DATA)) {
      const text = at + 5 + DATA.length;
      return raw.toString('latin1', text + 4, stringEnd(raw, text, at + readInt32(raw, at)) - 1);
    }
    const token = tokenData(this.#slice(at));
    if (token === undefined) throw incompleteEvent('it has no resume token');
    return token;
  }

  #clusterTime(): ClusterTime {
    const at = this.#clusterTimeAt;
    if (at !== ABSENT) return { t: readUint32(this.raw, at + 4), i: readUint32(this.raw, at) };
    return ofToken(this.#data(), clusterTimeOfToken);
  }

  #ordinal(): number {
    if (this.op === 'snapshot') return SNAPSHOT_ORDINAL;
    return ofToken(this.#data(), (data) => decodeResumeToken(data).ordinal);
  }

  #readOperation(): Operation {
    const at = this.#opAt;
    if (at === ABSENT) throw incompleteEvent('it has no operationType');
    const end = stringEnd(this.raw, at, this.raw.length) - 1;
    for (const { name, bytes } of DATA_OPERATIONS) {
      if (end - at - 4 === bytes.length && bytesMatch(this.raw, at + 4, bytes)) return name;
    }
    return this.raw.toString('latin1', at + 4, end);
  }

  #readNamespace(): Namespace {
    const at = this.#nsAt;
    if (at !== ABSENT) return this.#namespaces.lookup(this.raw, at, at + readInt32(this.raw, at));
    if (isDataOperation(this.op)) throw incompleteEvent('it has no namespace');
    return NO_NAMESPACE;
  }
}

/** Long tokens (they contain the document key) are replaced by their cluster time and a hash of the whole. */
function shortId(token: string): string {
  if (token.length <= MAX_ID_CHARACTERS) return token;
  return `${token.slice(0, 18)}-${createHash('sha256').update(token).digest('hex')}`;
}

/** A token inside an event is data, not configuration: what is wrong with it rejects the event. */
function ofToken<T>(data: string, read: (data: string) => T): T {
  try {
    return read(data);
  } catch (cause) {
    throw incompleteEvent('its resume token cannot be read', cause);
  }
}
