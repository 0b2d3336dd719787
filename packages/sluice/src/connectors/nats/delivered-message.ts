import type { Msg, MsgHdrs } from '@nats-io/transport-node';

const NANOS_PER_MS = 1_000_000n;
/** Tokens of `$JS.ACK.<stream>.<consumer>.…`, and of the longer form with domain and account in front of them. */
const SHORT_FORM = 9;
const LONG_FORM = 11;

/** A message as the server handed it to this client. */
export interface DeliveredMessage {
  /** In the stream. */
  readonly sequence: number;
  /** Each delivery of the consumer has the next number. */
  readonly delivery: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** When the stream stored it. */
  readonly timestampMs: number;
  /** How many messages the consumer had behind it. */
  readonly pending: number;
  /** About what it takes of memory. */
  readonly bytes: number;
  /** Where the server listens for its acknowledgement. */
  readonly reply: string;
  /** When the server heard of it last. */
  touchedMs: number;
}

/** What the server says in the reply subject (its form: ADR-15 of NATS). Undefined: not a message of JetStream. */
export function deliveredMessage({ subject, data, headers, reply = '' }: Msg): DeliveredMessage | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  if (tokens.length !== SHORT_FORM && tokens.length < LONG_FORM) return undefined;
  const first = tokens.length === SHORT_FORM ? 5 : 7;
  return {
    sequence: Number(tokens[first]),
    delivery: Number(tokens[first + 1]),
    subject,
    payload: data,
    headers,
    timestampMs: Number(BigInt(tokens[first + 2] ?? 0) / NANOS_PER_MS),
    pending: Number(tokens[first + 3]),
    bytes: subject.length + reply.length + data.length,
    reply,
    touchedMs: performance.now(),
  };
}

/** Headers with their last values. */
export function headersOf(headers: MsgHdrs | undefined): ReadonlyMap<string, Uint8Array> {
  const all = new Map<string, Uint8Array>();
  for (const name of headers?.keys() ?? []) all.set(name, Buffer.from(headers?.values(name).at(-1) ?? ''));
  return all;
}
