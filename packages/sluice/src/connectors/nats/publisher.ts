import type { Ownership } from './ownership.ts';

/** A message to publish. */
export interface OutgoingMessage {
  readonly subject: string;
  /** The subjects of its like, with `*` where operation and key are. */
  readonly filter: string;
  readonly payload: Uint8Array;
  /** Its own header lines; a publisher adds those that say under which conditions it may be stored. */
  readonly lines: string;
  /** The message id that `lines` give it; records of Sluice have none. */
  readonly messageId: string | undefined;
}

/** Publishes under the fence of an owner. One call at a time; after an error it must not be used again. */
export interface Publisher {
  /**
   * When it resolves, all messages are stored, in their order. When it throws, the first ones may be, without a gap.
   * Throws classified errors; a fence that does not hold comes out as `nats.wrong-sequence`.
   */
  publish(messages: readonly OutgoingMessage[], owner: Ownership, signal: AbortSignal): Promise<void>;
}
