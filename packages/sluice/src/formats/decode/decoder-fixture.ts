import assert from 'node:assert/strict';
import { NamespaceCache } from '../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../bson/raw-change-event.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import { type ChangeEvent, clusterTimeOf, formatNamespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord } from '../../core/format.ts';
import type { Encoding } from '../format-config.ts';
import { createFormat } from '../formats.ts';
import { documentEncoder } from '../value-encoder.ts';

export const identity = { cluster: 'rs0', connector: 'shop', version: '1.2.3' };

/** A message of the topic `shop.orders`. */
export function message(parts: {
  readonly key?: string | Uint8Array | null;
  readonly value?: string | Uint8Array | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly topic?: string;
  readonly sequence?: number;
  readonly timestampMs?: number;
  readonly partition?: number;
}): BrokerMessage {
  const { key = null, value = null, headers = {}, topic = 'shop.orders', sequence = 5, partition = 0 } = parts;
  return {
    topic,
    place: `${topic}/${partition}@${sequence}`,
    sequence,
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    timestampMs: parts.timestampMs ?? 1_795_238_841_000,
    position: { token: String(sequence).padStart(12, '0'), clusterTime: { t: 1_795_238_841, i: 0 } },
  };
}

/** The headers that the sinks of this program write. */
export function sluiceHeaders(event: ChangeEvent): Record<string, string> {
  const { t, i } = clusterTimeOf(event);
  return {
    'sluice.op': event.op,
    'sluice.ns': formatNamespace(event.namespace),
    'sluice.ts': `${t},${i}`,
    'sluice.id': event.id,
  };
}

/** The message that a sink makes of a record. */
export function sentMessage(event: ChangeEvent, record: EncodedRecord, withHeaders: boolean): BrokerMessage {
  const extra = Object.entries(record.headers ?? {}).map(([name, text]) => [`ce_${name}`, text]);
  const headers = { ...(withHeaders ? sluiceHeaders(event) : {}), ...Object.fromEntries(extra) };
  return message({ key: record.key, value: record.value, headers });
}

export function eventOf(raw: Uint8Array): ChangeEvent {
  return parseChangeEvent(raw, new NamespaceCache());
}

/** A document as text, for comparing and for messages of failed tests. */
export function text(document: Uint8Array | undefined, encoding: Encoding = 'canonical'): string | undefined {
  return document === undefined ? undefined : documentEncoder(encoding)(document).toString();
}

export function encoded(event: ChangeEvent, json: Encoding): EncodedRecord {
  const record = createFormat({ name: 'change', json, identity }).encode({ event, namespace: event.namespace });
  assert.ok(record);
  return record;
}

/** Asserts that the event stands for a message that could not be decoded, with this code. */
export function assertUndecodable(event: ChangeEvent | undefined, code: string): void {
  assert.ok(event);
  const rejected = (error: unknown) =>
    error instanceof SluiceError && error.kind === 'rejected' && error.code === code && error.hint !== undefined;
  for (const member of ['key', 'after', 'before', 'update'] as const) assert.throws(() => event[member](), rejected);
  assert.throws(() => event.field('ns'), rejected);
}
