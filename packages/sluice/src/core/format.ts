import type { Envelope } from './envelope.ts';

/** One record as bytes. A null value is a tombstone. */
export interface EncodedRecord {
  /**
   * Equal for every event of one document; null when the event has no key. Equal across numerically equal ids too,
   * except in formats that copy another tool.
   */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Further headers the format asks for (CloudEvents binary mode); undefined for none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** True when a tombstone with the same key must follow (Debezium's delete). */
  readonly tombstoneFollows: boolean;
}

/** Turns envelopes into bytes. Pure; one instance per sink, not shared between threads. */
export interface Format {
  readonly name: string;
  /** MIME type of the value. */
  readonly contentType: string;
  /**
   * The record, or undefined when this event has no form here (counts as filtered). Throws `SluiceError` of kind
   * `rejected` when the bytes cannot be shaped (e.g. invalid UTF-8 in a JSON encoding).
   */
  encode(envelope: Envelope): EncodedRecord | undefined;
}
