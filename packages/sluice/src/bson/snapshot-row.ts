import { hash } from 'node:crypto';
import type { BsonValue, ChangeEvent, Namespace, Version } from '../core/change-event.ts';
import { formatNamespace } from '../core/change-event.ts';
import type { ClusterTime } from '../core/cluster-time.ts';
import type { Position } from '../core/position.ts';
import { BsonType, findField } from './elements.ts';
import { malformedBson } from './malformed.ts';

/**
 * The ordinal of a row in its version: above the index of any operation in a transaction, because the row includes
 * everything that was done at its cluster time.
 */
export const SNAPSHOT_ORDINAL = 2 ** 31 - 1;

/** What the rows of one chunk have in common. */
export interface SnapshotChunkContext {
  readonly namespace: Namespace;
  /** The time that the chunk was read at: each row is its document as it was then. */
  readonly clusterTime: ClusterTime;
  /** When the chunk was read, in ms since the epoch. */
  readonly readAtMs: number;
  /** The position of a row in the pipeline; called once, when it is asked for. */
  positionOf(row: SnapshotRow): Position;
}

/** What a row counts besides its document: about the rest of its event. */
const EVENT_BYTES = 256;
/** Values of `_id` up to this size are written out in the id of the event, longer ones as a hash. */
const MAX_PLAIN_BYTES = 64;
const NAMESPACE_HASH_CHARACTERS = 32;

const ID_FIELD = Buffer.from('\x03_id\0');
const DATA_FIELD = Buffer.from('\x02_data\0');
const KEY_FIELD = Buffer.from('\x03documentKey\0');
const DOCUMENT_FIELD = Buffer.from('\x03fullDocument\0');
const KEY_HEAD = Buffer.from('_id\0');
const EVENT_FIELDS = new Set(['_id', 'operationType', 'clusterTime', 'wallTime', 'ns', 'documentKey', 'fullDocument']);

/**
 * A row that a snapshot read, as an event. Making one stores two references; everything else is made when it is asked
 * for. Members that need the `_id` throw `rejected` when the document is not BSON or has none.
 */
export class SnapshotRow implements ChangeEvent {
  readonly #chunk: SnapshotChunkContext;
  readonly #document: Uint8Array;
  #idValue: BsonValue | undefined;
  #id: string | undefined;
  #key: Buffer | undefined;
  #raw: Buffer | undefined;
  #position: Position | undefined;

  /** `document` is one BSON document as the server sent it; its bytes must not change any more. */
  constructor(chunk: SnapshotChunkContext, document: Uint8Array) {
    this.#chunk = chunk;
    this.#document = document;
  }

  /**
   * The same for each reading of one state of the document, another one for each cluster time. It begins like the
   * resume tokens of that time and sorts behind them, but is none.
   */
  get id(): string {
    this.#id ??= this.#makeId();
    return this.#id;
  }

  get op(): 'snapshot' {
    return 'snapshot';
  }

  get namespace(): Namespace {
    return this.#chunk.namespace;
  }

  get position(): Position {
    this.#position ??= this.#chunk.positionOf(this);
    return this.#position;
  }

  get version(): Version {
    return partsOf(this.#chunk).version;
  }

  get sourceTimeMs(): number {
    return this.#chunk.readAtMs;
  }

  /** `{_id, operationType: 'snapshot', clusterTime, wallTime, ns, documentKey, fullDocument}`. */
  get raw(): Buffer {
    this.#raw ??= this.#makeRaw();
    return this.#raw;
  }

  get size(): number {
    return this.#document.length + EVENT_BYTES;
  }

  get degraded(): undefined {
    return undefined;
  }

  key(): Buffer {
    this.#key ??= keyOf(this.idValue());
    return this.#key;
  }

  after(): Uint8Array {
    return this.#document;
  }

  before(): undefined {
    return undefined;
  }

  update(): undefined {
    return undefined;
  }

  field(name: string): BsonValue | undefined {
    // The raw event is not made for a field that it does not have.
    return EVENT_FIELDS.has(name) ? findField(this.raw, name) : undefined;
  }

  /** The `_id` of the document. */
  idValue(): BsonValue {
    this.#idValue ??= findField(this.#document, '_id');
    if (this.#idValue === undefined) throw malformedBson('it has no _id');
    return this.#idValue;
  }

  #makeId(): string {
    const { idPrefix } = partsOf(this.#chunk);
    // Four bytes of length, the type, the name with its end, the value, and the closing zero.
    const key = this.key();
    if (key.length > MAX_PLAIN_BYTES + 10) return `${idPrefix}-${hash('sha256', key)}`;
    return idPrefix + key.toString('hex', 4, 5) + key.toString('hex', 9, key.length - 1);
  }

  #makeRaw(): Buffer {
    const { middle } = partsOf(this.#chunk);
    const { id } = this;
    const key = this.key();
    const document = this.#document;
    // The token: its length, its only field (name, length of the text, text, zero), and the closing zero.
    const tokenBytes = 4 + DATA_FIELD.length + 4 + id.length + 1 + 1;
    const frameBytes = 4 + ID_FIELD.length + KEY_FIELD.length + DOCUMENT_FIELD.length + 1;
    const raw = Buffer.allocUnsafe(frameBytes + tokenBytes + middle.length + key.length + document.length);
    let at = raw.writeInt32LE(raw.length, 0);
    at = put(raw, at, ID_FIELD);
    at = raw.writeInt32LE(tokenBytes, at);
    at = put(raw, at, DATA_FIELD);
    at = raw.writeInt32LE(id.length + 1, at);
    at += raw.write(id, at, 'latin1');
    raw[at++] = 0;
    raw[at++] = 0;
    at = put(raw, at, middle);
    at = put(raw, at, KEY_FIELD);
    at = put(raw, at, key);
    at = put(raw, at, DOCUMENT_FIELD);
    at = put(raw, at, document);
    raw[at] = 0;
    return raw;
  }
}

function put(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at);
  return at + bytes.length;
}

/** The document `{_id: value}`. */
function keyOf({ type, bytes }: BsonValue): Buffer {
  const key = Buffer.allocUnsafe(bytes.length + 10);
  key.writeInt32LE(key.length, 0);
  key[4] = type;
  key.set(KEY_HEAD, 5);
  key.set(bytes, 9);
  key[key.length - 1] = 0;
  return key;
}

/** What the events of a chunk have in common, made once. */
interface ChunkParts {
  readonly version: Version;
  readonly idPrefix: string;
  /** The fields of the raw event from `operationType` to `ns`. */
  readonly middle: Buffer;
}

const chunkParts = new WeakMap<SnapshotChunkContext, ChunkParts>();

function partsOf(chunk: SnapshotChunkContext): ChunkParts {
  let parts = chunkParts.get(chunk);
  if (parts === undefined) {
    parts = makeParts(chunk);
    chunkParts.set(chunk, parts);
  }
  return parts;
}

function makeParts({ namespace, clusterTime, readAtMs }: SnapshotChunkContext): ChunkParts {
  const { t, i } = clusterTime;
  const ofNamespace = hash('sha256', formatNamespace(namespace)).slice(0, NAMESPACE_HASH_CHARACTERS);
  const numbers = Buffer.alloc(16);
  numbers.writeUInt32LE(i, 0);
  numbers.writeUInt32LE(t, 4);
  numbers.writeBigInt64LE(BigInt(Math.trunc(readAtMs)), 8);
  return {
    version: Object.freeze({ clusterTime, ordinal: SNAPSHOT_ORDINAL }),
    // No hex digit, so that nobody takes it for a token; it sorts behind them all.
    idPrefix: `82${hexWord(t)}${hexWord(i)}s${ofNamespace}`,
    middle: Buffer.concat([
      textField('operationType', 'snapshot'),
      Buffer.from(`${String.fromCharCode(BsonType.timestamp)}clusterTime\0`, 'latin1'),
      numbers.subarray(0, 8),
      Buffer.from(`${String.fromCharCode(BsonType.date)}wallTime\0`, 'latin1'),
      numbers.subarray(8),
      namespaceField(namespace),
    ]),
  };
}

function hexWord(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

function namespaceField({ db, coll }: Namespace): Buffer {
  const fields = Buffer.concat([textField('db', db), textField('coll', coll)]);
  const length = Buffer.alloc(4);
  length.writeInt32LE(fields.length + 5);
  return Buffer.concat([Buffer.from('\x03ns\0'), length, fields, Buffer.from([0])]);
}

function textField(name: string, text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes.length + 1);
  return Buffer.concat([Buffer.from(`\x02${name}\0`), length, bytes, Buffer.from([0])]);
}
