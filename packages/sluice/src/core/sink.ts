import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import type { Envelope } from './envelope.ts';
import type { SluiceError } from './failure.ts';
import type { PartOffset } from './source.ts';

/** How the engine may call `write`. */
export interface SinkLimits {
  /** Most records in one batch. */
  readonly records: number;
  /** Most bytes (of raw events) in one batch; a single larger event still comes alone. */
  readonly bytes: number;
  /** Batches that may be written at the same time. Above 1 the sink promises to keep the order of the calls. */
  readonly batchesInFlight: number;
  /**
   * Set when `write` may be called for different keys at the same time: how many lanes are usual. Then each lane has one
   * write at a time, all events of a key are in one lane, and a DDL event is written alone, after everything before it.
   */
  readonly lanes?: number | undefined;
}

/** A record that can never be accepted. The error's kind is `rejected`. */
export interface Rejection {
  readonly envelope: Envelope;
  readonly error: SluiceError;
}

/** What became of a batch besides its rejections. */
export interface WriteResult {
  readonly delivered: number;
  /** Records that have no form in this sink (e.g. DDL events in a document format). */
  readonly filtered: number;
}

/** What the engine hands to one write. */
export interface WriteContext {
  /** The checkpoint that stands behind this batch; a sink that keeps checkpoints stores it together with the data. */
  readonly checkpoint: Checkpoint;
  /**
   * Hands over what can never be accepted. Must be awaited before the checkpoint becomes durable, so that a crash in
   * between repeats a dead letter instead of losing it. Throws when there is nowhere to put them: then write nothing.
   */
  reject(rejections: readonly Rejection[]): Promise<void>;
  /**
   * Throws unless the batch is still this process's to write. Asked before the write; a sink that sends several requests
   * for one batch asks before each of them, because in between the process may have stood still.
   */
  readonly ensureOwned?: (() => void) | undefined;
  readonly signal: AbortSignal;
}

/** Writes batches of one partition, connected when handed out. */
export interface Sink extends AsyncDisposable {
  readonly limits: SinkLimits;
  /** Set when the sink keeps the checkpoint with the data: then `write` saves it, and `claim` fences older owners. */
  readonly checkpoints?: CheckpointStore | undefined;
  /**
   * Resolves with a classified error when the sink finds out by itself that no write can succeed any more, so that a
   * quiet pipeline does not look well until the next event. A disposal may resolve it too.
   */
  readonly broken?: Promise<SluiceError> | undefined;
  /** Where the last acknowledged records went, for people. */
  offsets?(): readonly PartOffset[];
  /**
   * When it resolves, every record of the batch is durable, filtered or was handed to `reject`. When it throws
   * (a classified `SluiceError`), any part may have been written; writes called after it fail too, unwritten,
   * and the sink is only good for disposal.
   */
  write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult>;
}
