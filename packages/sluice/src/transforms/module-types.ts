import type { Document, Timestamp } from 'bson';

/**
 * A change as a function of the user's gets it: int32 and double are numbers, int64 is a bigint, dates are `Date`, everything else
 * the classes of the `bson` package.
 */
export interface TransformEvent {
  readonly id: string;
  readonly op: string;
  readonly ns: { readonly db: string; readonly coll: string };
  /** Undefined for DDL events. */
  readonly key: Readonly<Document> | undefined;
  /** The document after the change. */
  after?: Document | null | undefined;
  /** The document before the change. */
  before?: Document | null | undefined;
  /** The update description; left out of what goes on when `after` was changed and this was not. */
  update?: Document | null | undefined;
  readonly ts: Timestamp;
  readonly time: Date;
}

/** What such a function gets besides the event. */
export interface TransformFunctionContext {
  readonly pipeline: string;
  /** Aborted when the pipeline stops. */
  readonly signal: AbortSignal;
}

/** The event as it goes on, which may be the same object, changed; or null to drop it. */
export type TransformFunction = (
  event: TransformEvent,
  context: TransformFunctionContext,
) => TransformEvent | null | Promise<TransformEvent | null>;
