import type { Operation } from './change-event.ts';
import type { PartitionId } from './checkpoint.ts';
import type { ClusterTime } from './cluster-time.ts';

/** An event that could not be delivered, with everything that is needed to understand and replay it. */
export interface DeadLetter {
  /** Event id: putting the same event again replaces the entry. */
  readonly id: string;
  readonly pipeline: string;
  readonly partition: PartitionId;
  /** `db.coll` at the source. */
  readonly namespace: string;
  readonly op: Operation;
  /** Document key as Extended JSON, cut to a readable length; for people. */
  readonly key: string;
  readonly clusterTime: ClusterTime;
  /**
   * Equal for all events of one document (a hash of namespace and key); undefined when the key cannot be read, and for
   * letters of versions that did not keep it.
   */
  readonly orderingKey?: string | undefined;
  /** Code of the error that rejected it; `dead-letter.parked` when only an earlier event of its key was. */
  readonly code: string;
  readonly reason: string;
  /** How often delivery was tried, replays included. */
  readonly attempts: number;
  readonly failedAtMs: number;
  /** The raw event (BSON); undefined when the store could not hold it (then `rawBytes` tells its size). */
  readonly raw: Uint8Array | undefined;
  readonly rawBytes: number;
}

/** Where dead letters are kept. Entries are listed oldest first, in the order in which they were first put. */
export interface DeadLetterStore extends AsyncDisposable {
  /** Durable when it resolves. */
  put(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void>;
  list(pipeline: string, signal: AbortSignal): AsyncIterable<DeadLetter>;
  get(pipeline: string, id: string, signal: AbortSignal): Promise<DeadLetter | undefined>;
  /** Removes entries; ids that are not there are ignored. */
  remove(pipeline: string, ids: readonly string[], signal: AbortSignal): Promise<void>;
}
