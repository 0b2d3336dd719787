import type { ChangeEvent } from './change-event.ts';
import type { CheckpointStore, PositionBinding } from './checkpoint.ts';
import type { ClusterTime } from './cluster-time.ts';
import type { Position } from './position.ts';
import type { Snapshots } from './snapshot.ts';

/** Events in stream order. No events = heartbeat: the stream is read up to `position` and had nothing for us. */
export interface SourceBatch {
  readonly events: readonly ChangeEvent[];
  /** Where to resume once everything in the batch is acknowledged. Its state also goes with events that have none. */
  readonly position: Position;
  /** Size of the raw events. */
  readonly bytes: number;
  /** True when the server had nothing more to give at the moment of this reply. */
  readonly caughtUp: boolean;
  /** Set for rows of a snapshot: it waits until less than this is in flight, so that changes need not wait long. */
  readonly inFlightLimitBytes?: number | undefined;
  /** True for the first batch after parts of the stream came over from another process (a rebalance). */
  readonly takenOver?: boolean | undefined;
}

/** Where a source or sink stands in one part of a broker. Numbers are offsets or sequences. */
export interface PartOffset {
  /** `topic/partition` or `stream`. */
  readonly part: string;
  /** Next one to be read after everything that is committed; of a sink: next one to be written. */
  readonly offset: number;
  /** The end of the part, as far as known. */
  readonly end: number | undefined;
}

/** Changes that nobody will ever deliver: the source no longer had them, and the configuration said to go on. */
export interface SourceGap {
  readonly from: ClusterTime;
  readonly to: ClusterTime;
  readonly atMs: number;
}

/** How far back the source can still be read. */
export interface SourceWindow {
  readonly oldest: ClusterTime;
  readonly newest: ClusterTime;
}

/** Where a read starts: behind a checkpointed position, or where the configuration says. */
export interface ReadFrom {
  readonly position: Position;
  /** The binding stored with the position; the source compares it with its own (see `Source.binding`). */
  readonly binding: PositionBinding;
}

/** One partition of a source, connected when handed out. */
export interface Source extends AsyncDisposable {
  /** What positions of this source are bound to; goes into every checkpoint. */
  readonly binding: PositionBinding;
  /**
   * Reads from the position on (undefined: from the configured start) until the signal aborts. The consumer's pull is
   * the back-pressure; the source may have one more batch on its way. Throws `SluiceError`: every failure ends the
   * iteration, and the caller opens a new one. Yields at least one heartbeat per await time on a quiet stream.
   */
  read(from: ReadFrom | undefined, signal: AbortSignal): AsyncIterable<SourceBatch>;
  /** The snapshots of this source; undefined when it cannot make any. */
  readonly snapshots?: Snapshots | undefined;
  /** The last gap this source left behind, over restarts too. */
  readonly gap?: SourceGap | undefined;
  /**
   * Set when the source keeps its position itself (a consumer group): then nobody else does, `read` is called without a
   * position, and checkpoints go here. Claiming does not fence; the broker decides who reads what.
   */
  readonly checkpoints?: CheckpointStore | undefined;
  /**
   * Told whenever the acknowledged floor has moved: everything up to `position` is delivered, filtered or
   * dead-lettered. Must be cheap and must not throw.
   */
  acknowledged?(position: Position): void;
  /**
   * Throws a classified error unless what was handed out is still this process's to write; asked before every write. Must
   * be cheap.
   */
  ensureOwned?(): void;
  /** What is read at the moment and how far, for people; empty when nothing is assigned. */
  offsets?(): readonly PartOffset[];
  /** The window that can still be read; undefined when it cannot be known (no privilege). */
  window(signal: AbortSignal): Promise<SourceWindow | undefined>;
}
