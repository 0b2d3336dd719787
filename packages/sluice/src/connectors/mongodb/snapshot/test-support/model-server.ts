import * as b from '../../../../bson/test-support/bson-bytes.ts';
import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../../../../core/change-event.ts';
import { type ClusterTime, compareClusterTime } from '../../../../core/cluster-time.ts';
import type { Position } from '../../../../core/position.ts';
import { documentWith, formsOf, type KeyForm, type KeyIndex } from './model-keys.ts';

/** What happens to a document, or to a collection. */
export interface ModelWrite {
  readonly op: Operation;
  readonly coll: string;
  readonly key?: KeyIndex;
  /** Which form of the key an insert uses. */
  readonly form?: number;
  /** Where a collection is renamed to. */
  readonly to?: string;
}

interface Stored {
  readonly time: ClusterTime;
  readonly form: KeyForm;
  /** Undefined when the document is gone. */
  readonly document: Buffer | undefined;
}

const DB = 'shop';
const EVENT_BYTES = 100;
/** Not streamed; collections are renamed into it and out of it. */
export const OUTSIDE = 'outside';

/** `db.coll` of a collection of the model. */
export function nameOf(coll: string): string {
  return `${DB}.${coll}`;
}

/** Its namespace. */
export function namespaceOf(coll: string): Namespace {
  return { db: DB, coll };
}

/** A token as the server makes them: the time, its version, whether it is an event's, its index in the transaction. */
export function tokenOf({ t, i }: ClusterTime, ordinal?: number): string {
  const kind = ordinal === undefined ? integer(0) + integer(0) : integer(128) + integer(ordinal);
  return `82${hex(t, 8)}${hex(i, 8)}${integer(2)}${kind}`;
}

/** An integer as it stands in a token, so that texts order like numbers. */
function integer(value: number): string {
  if (value === 0) return '29';
  return value < 128 ? `2B${hex(value * 2, 2)}` : `2C${hex(value * 2, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

/** A position behind everything before a time, and before everything at it. */
export function highWater(time: ClusterTime): Position {
  return { token: tokenOf(time), clusterTime: time };
}

/** A change as the model's stream gives it. */
export class ModelEvent implements ChangeEvent {
  readonly id: string;
  readonly op: Operation;
  readonly namespace: Namespace;
  readonly position: Position;
  readonly version: Version;
  readonly sourceTimeMs: number;
  readonly size = EVENT_BYTES;
  readonly raw = new Uint8Array();
  readonly degraded = undefined;
  readonly write: ModelWrite;
  readonly #form: KeyForm | undefined;
  readonly #document: Buffer | undefined;

  constructor(write: ModelWrite, version: Version, form?: KeyForm, document?: Buffer) {
    this.id = tokenOf(version.clusterTime, version.ordinal);
    this.write = write;
    this.op = write.op;
    this.namespace = namespaceOf(write.coll);
    this.version = version;
    this.position = { token: this.id, clusterTime: version.clusterTime };
    this.sourceTimeMs = version.clusterTime.t * 1000;
    this.#form = form;
    this.#document = document;
  }

  key(): Uint8Array | undefined {
    return this.#form?.documentKey;
  }

  after(): Uint8Array | undefined {
    return this.#document;
  }

  before(): undefined {}
  update(): undefined {}

  field(name: string): BsonValue | undefined {
    const { to } = this.write;
    if (name !== 'to' || to === undefined) return undefined;
    return { type: 0x03, bytes: b.document(['db', b.string(DB)], ['coll', b.string(to)]) };
  }
}

/** A server with its whole past: what every document was at every time. */
export class ModelServer {
  /** Changes that the stream shows, in its order. */
  readonly changes: ModelEvent[] = [];
  #now: ClusterTime = { t: 1000, i: 1 };
  #written = 0;
  readonly #collections = new Set<string>();
  readonly #stored = new Map<string, Map<KeyIndex, Stored[]>>();
  readonly #changesOf = new Map<string, ModelEvent[]>();

  get now(): ClusterTime {
    return this.#now;
  }

  /** Time passes. */
  tick(increments: number, seconds = 0): void {
    const { t, i } = this.#now;
    this.#now = seconds > 0 ? { t: t + seconds, i: increments } : { t, i: i + increments };
  }

  /** Writes together, at one new time; those that are not possible are left out. */
  commit(writes: readonly ModelWrite[]): void {
    this.tick(1);
    let ordinal = 0;
    for (const write of writes) {
      const event = this.#apply(write, ordinal);
      if (event === undefined) continue;
      ordinal += 1;
      if (write.coll === OUTSIDE && (write.to === undefined || write.to === OUTSIDE)) continue;
      this.changes.push(event);
      if (write.key !== undefined) this.changesOf(write.coll, write.key).push(event);
    }
  }

  /** Changes of a document that the stream shows, in its order. */
  changesOf(coll: string, key: KeyIndex): ModelEvent[] {
    const name = `${coll}/${key}`;
    let list = this.#changesOf.get(name);
    if (list === undefined) {
      list = [];
      this.#changesOf.set(name, list);
    }
    return list;
  }

  /** The document as it was at a time. */
  documentAt(coll: string, key: KeyIndex, time: ClusterTime): Buffer | undefined {
    return this.#at(coll, key, time)?.document;
  }

  /** The collections that there are, empty ones too. */
  collections(): string[] {
    return [...this.#collections];
  }

  /** The keys of a collection's documents at a time, in the order of the index. */
  keysAt(coll: string, time: ClusterTime): KeyIndex[] {
    const keys = [...(this.#stored.get(coll)?.keys() ?? [])].sort((a, b) => a - b);
    return keys.filter((key) => this.documentAt(coll, key, time) !== undefined);
  }

  #at(coll: string, key: KeyIndex, time: ClusterTime): Stored | undefined {
    const past = this.#stored.get(coll)?.get(key);
    return past?.findLast((stored) => compareClusterTime(stored.time, time) <= 0);
  }

  #apply(write: ModelWrite, ordinal: number): ModelEvent | undefined {
    const version: Version = { clusterTime: this.#now, ordinal };
    const { op, coll, key } = write;
    if (key === undefined) return this.#applyToCollection(write) ? new ModelEvent(write, version) : undefined;
    const present = this.#at(coll, key, this.#now);
    if ((present?.document === undefined) !== (op === 'insert')) return undefined;
    const forms = formsOf(key);
    const form = op === 'insert' ? forms[(write.form ?? 0) % forms.length] : present?.form;
    if (form === undefined) throw new Error('a document has a key');
    this.#written += 1;
    const document = op === 'delete' ? undefined : documentWith(form, this.#written);
    this.#store(coll, key, { time: this.#now, form, document });
    this.#collections.add(coll);
    return new ModelEvent(write, version, form, document);
  }

  #applyToCollection({ op, coll, to }: ModelWrite): boolean {
    if (!this.#collections.has(coll) || to === coll) return false;
    const time = this.#now;
    const documents = this.keysAt(coll, time).map((key) => [key, this.#at(coll, key, time)] as const);
    this.#empty(coll);
    this.#collections.delete(coll);
    if (op !== 'rename' || to === undefined) return true;
    this.#empty(to);
    this.#collections.add(to);
    for (const [key, stored] of documents) if (stored !== undefined) this.#store(to, key, { ...stored, time });
    return true;
  }

  #empty(coll: string): void {
    const time = this.#now;
    for (const key of this.keysAt(coll, time)) {
      const form = this.#at(coll, key, time)?.form;
      if (form !== undefined) this.#store(coll, key, { time, form, document: undefined });
    }
  }

  #store(coll: string, key: KeyIndex, stored: Stored): void {
    const keys = this.#stored.get(coll) ?? new Map<KeyIndex, Stored[]>();
    this.#stored.set(coll, keys);
    const past = keys.get(key);
    if (past === undefined) keys.set(key, [stored]);
    else past.push(stored);
  }
}
