import type { Envelope } from './envelope.ts';
import type { SluiceError } from './failure.ts';

/**
 * What became of one envelope: itself or a changed one, `undefined` when it is dropped (counts as filtered), or the
 * `rejected` error because of which it ends as a dead letter.
 */
export type Transformed = Envelope | undefined | SluiceError;

/**
 * One step between source and sink, over whole batches because that is several times faster. It may look at, change or
 * drop what an envelope carries; its event's id, key, version and position stay what they were.
 */
export interface Transform {
  /**
   * One result for each envelope, in the same order. What is wrong with one event is its result; what is thrown (a
   * classified error) ends the attempt.
   */
  apply(batch: readonly Envelope[], signal: AbortSignal): readonly Transformed[] | Promise<readonly Transformed[]>;
  /** Called after the last `apply` of an attempt. */
  [Symbol.asyncDispose]?(): Promise<void>;
}
