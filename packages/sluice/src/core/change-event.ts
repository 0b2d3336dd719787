import { type ClusterTime, compareClusterTime } from './cluster-time.ts';
import type { Position } from './position.ts';

/** Operations that change one document. `snapshot` is a row read by a snapshot, not a change. */
export type DataOperation = 'insert' | 'update' | 'replace' | 'delete' | 'snapshot';

/**
 * What happened. Everything that is not a data operation is a DDL event (`drop`, `rename`, `dropDatabase`,
 * `invalidate`, `create`, `createIndexes`, `modify`, …); newer servers may add names, so it stays a string.
 */
export type Operation = DataOperation | (string & {});

/** True for the operations that carry a document key. */
export function isDataOperation(op: Operation): op is DataOperation {
  return op === 'insert' || op === 'update' || op === 'replace' || op === 'delete' || op === 'snapshot';
}

/** Where it happened. `coll` is empty for events of a whole database. */
export interface Namespace {
  readonly db: string;
  readonly coll: string;
}

/** `db.coll`, or `db` for a database event. */
export function formatNamespace(namespace: Namespace): string {
  return namespace.coll === '' ? namespace.db : `${namespace.db}.${namespace.coll}`;
}

/** Orders two states of one key. Cluster time alone ties inside a transaction, hence the ordinal (its index there). */
export interface Version {
  readonly clusterTime: ClusterTime;
  readonly ordinal: number;
}

/** Negative when `a` is older than `b`, zero when nothing tells them apart. */
export function compareVersions(a: Version, b: Version): number {
  return compareClusterTime(a.clusterTime, b.clusterTime) || a.ordinal - b.ordinal;
}

/** One BSON value inside a larger buffer: its type byte and the bytes of its payload (no name, no copy). */
export interface BsonValue {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/**
 * One change, as a view over the bytes the server sent. Never mutated; the buffer it looks at is never reused.
 * Members decode when asked and may throw `SluiceError` of kind `rejected` when the bytes are not valid BSON.
 */
export interface ChangeEvent {
  /** Stable over replays and unique within a deployment; usable as an idempotency key. At most 512 characters. */
  readonly id: string;
  readonly op: Operation;
  /** Events of one namespace that follow each other share one object, so it can key a cache by identity. */
  readonly namespace: Namespace;
  readonly position: Position;
  readonly version: Version;
  /** When it happened at the source, in ms since the epoch (`wallTime`, or the second of the cluster time). */
  readonly sourceTimeMs: number;
  /** The event as the server sent it: a BSON document. A row of a snapshot has an event of the same form made for it. */
  readonly raw: Uint8Array;
  /** Bytes that the event counts as: those of `raw`, or about that many where `raw` is only made when asked for. */
  readonly size: number;
  /** True when it came through a broker: its position is the broker's, and only its version tells the source's time. */
  readonly relayed?: boolean;
  /** What had to be left out because the server could not send the whole event (over 16 MB). */
  readonly degraded: 'images-dropped' | undefined;
  /** The document key as a BSON document; undefined for DDL events. */
  key(): Uint8Array | undefined;
  /**
   * Only of events whose `key()` throws because they cannot be read: the document key all the same, by which they are kept in
   * the order of their document and nothing else; undefined when that cannot be told either.
   */
  orderingKey?(): Uint8Array | undefined;
  /** The document after the change as BSON; undefined when the event carries none. */
  after(): Uint8Array | undefined;
  /** The document before the change as BSON; undefined when the event carries none. */
  before(): Uint8Array | undefined;
  /** The `updateDescription` as BSON; undefined unless it is an update. */
  update(): Uint8Array | undefined;
  /** Any other top-level field of the raw event, e.g. `lsid`, `txnNumber`, `to`, `collectionUUID`. */
  field(name: string): BsonValue | undefined;
}

/**
 * When what the event says was so. A row's position is that of the stream where it was handed out; its own time is that of
 * its version.
 */
export function clusterTimeOf(event: ChangeEvent): ClusterTime {
  if (event.op !== 'snapshot' && event.relayed !== true) return event.position.clusterTime;
  const { clusterTime } = event.version;
  // Messages of other tools need not say it.
  return clusterTime.t === 0 ? event.position.clusterTime : clusterTime;
}
