/** Why documents are being copied. */
export type SnapshotReason =
  /** The pipeline is new, and its configuration asks for what was there before. */
  | 'initial'
  /** The configuration covers collections that it did not cover before, or one was renamed into it. */
  | 'new-collections'
  /** Somebody asked for it while the stream runs. */
  | 'on-demand'
  /** The stream had lost its position. */
  | 'position-lost';

/** What an operator asks a running snapshot, or the stream beside which one shall run. */
export type SnapshotCommand =
  | {
      readonly action: 'start';
      /** Namespace patterns, as in the configuration of the source; empty: everything that the stream covers. */
      readonly collections: readonly string[];
      /** Only these documents: a query in Extended JSON. */
      readonly match: string | undefined;
    }
  | { readonly action: 'pause' | 'resume' | 'cancel' };

/** The answer to a command: the snapshot as it is now, and the revision of the source's state that includes it. */
export interface SnapshotAnswer {
  readonly status: SnapshotStatus;
  readonly revision: number;
}

/** One collection that is copied. */
export interface CollectionSnapshotStatus {
  readonly namespace: string;
  readonly state: 'pending' | 'copying' | 'completed';
  /** Documents handed on so far; over restarts too. */
  readonly rows: number;
  /** How many there are, from the metadata of the collection: an estimate. Undefined when it is not known (yet). */
  readonly estimatedRows: number | undefined;
  /** 0 to 100; at most 99 until it is completed. Undefined without an estimate. */
  readonly percent: number | undefined;
}

/** A snapshot as the API, `sluice status`, the log and the metrics show it. Times are ms since the epoch. */
export interface SnapshotStatus {
  readonly reason: SnapshotReason;
  readonly state: 'copying' | 'paused' | 'completed' | 'cancelled';
  /** What copying waits for at the moment, while the stream goes on; undefined when it does not wait. */
  readonly waitsFor: 'stream' | 'replication' | 'rate-limit' | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** Why it was cancelled, where nobody asked for that. */
  readonly error: string | undefined;
  /** Documents and bytes handed on so far; over restarts too. */
  readonly rows: number;
  readonly bytes: number;
  /** Documents in all, as far as they are estimated. */
  readonly estimatedRows: number | undefined;
  readonly percent: number | undefined;
  /** Over the last ten seconds. */
  readonly rowsPerSecond: number;
  /** Undefined when nothing is known to tell it from. */
  readonly etaSeconds: number | undefined;
  readonly collections: readonly CollectionSnapshotStatus[];
}

/** The snapshots of a running source. */
export interface Snapshots {
  /** The one that runs, else the last one this process knows of; undefined when there was none. */
  status(nowMs: number): SnapshotStatus | undefined;
  /**
   * Carries a command out. It holds over a crash once a checkpoint with a state of at least the answered revision is
   * durable. Rejects with `config` errors: nothing matches, nothing runs, another snapshot is not finished.
   */
  command(command: SnapshotCommand): Promise<SnapshotAnswer>;
}
