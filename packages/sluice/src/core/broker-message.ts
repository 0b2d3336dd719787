import type { ChangeEvent } from './change-event.ts';
import type { Position } from './position.ts';

/** One record of a broker as a source read it. */
export interface BrokerMessage {
  /** Topic (Kafka) or subject (JetStream). */
  readonly topic: string;
  /** Its place in the broker, the same whenever it is read: `topic/partition@offset`, `stream@sequence`. */
  readonly place: string;
  /** Offset or sequence: grows with every message of one key. */
  readonly sequence: number;
  readonly key: Uint8Array | null;
  /** Null is a tombstone. */
  readonly value: Uint8Array | null;
  /** Names as they were sent; a name that comes more than once has its last value. */
  readonly headers: ReadonlyMap<string, Uint8Array>;
  /** When the broker stored it, in ms since the epoch. */
  readonly timestampMs: number;
  /** Its position in the pipeline's own order of reading. */
  readonly position: Position;
}

/** Makes change events out of messages that this or another tool has written. Pure; not shared between threads. */
export interface Decoder {
  readonly name: string;
  /**
   * The event, with the message's position. Never throws: the members of what cannot be read throw the `rejected` error that says
   * why, so that it ends as a dead letter. Undefined for what only accompanies another message (Debezium's tombstone).
   */
  decode(message: BrokerMessage): ChangeEvent | undefined;
  /**
   * The event of a dead letter from its `raw`: a message that could not be decoded before is tried again. Undefined for one that
   * now only accompanies another message. Throws `rejected` for bytes that are no event.
   */
  decodeStored?(raw: Uint8Array): ChangeEvent | undefined;
}
