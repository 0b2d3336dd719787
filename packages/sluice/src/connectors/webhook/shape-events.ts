import { formatNamespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import type { Rejection } from '../../core/sink.ts';
import type { WebhookSinkConfig } from './config.ts';
import { eventHeaders, versionText } from './headers.ts';
import { webhookId } from './signature.ts';
import type { UrlTemplate } from './url-template.ts';

/** An event that only needs to be sent. */
export interface ShapedEvent {
  readonly envelope: Envelope;
  /** Its `webhook-id`: stable over tries and restarts. */
  readonly id: string;
  /** Path and query of where it goes. */
  readonly path: string;
  /** Equal for all events of one document; undefined when there is no key. */
  readonly document: string | undefined;
  /** The body of its own request, or its place in the body of a batch. */
  readonly body: Buffer;
  /** Of a request with this event alone; empty in batches. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A write that only needs to be sent. `envelopes` = `events` + rejected + filtered. */
export interface ShapedWrite {
  readonly events: readonly ShapedEvent[];
  readonly rejections: readonly Rejection[];
  readonly filtered: number;
}

/** What events are shaped with. */
export interface ShapeParts {
  readonly format: Format;
  readonly template: UrlTemplate;
  readonly idPrefix: string;
  readonly batch: WebhookSinkConfig['batch'];
}

const NOTHING = Buffer.alloc(0);

/** Runs the format over the events, in order. Only `rejected` errors are kept; others are thrown. */
export function shapeEvents(envelopes: readonly Envelope[], parts: ShapeParts): ShapedWrite {
  const events: ShapedEvent[] = [];
  const rejections: Rejection[] = [];
  for (const envelope of envelopes) {
    try {
      const record = parts.format.encode(envelope);
      if (record !== undefined) events.push(shaped(envelope, record, parts));
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { events, rejections, filtered: envelopes.length - events.length - rejections.length };
}

/** Nothing is compacted at an endpoint, so no tombstone is sent behind a delete. */
function shaped(envelope: Envelope, record: EncodedRecord, { template, idPrefix, batch }: ShapeParts): ShapedEvent {
  const id = webhookId(idPrefix, envelope.event.id);
  const path = template.pathOf(envelope.namespace);
  const namespace = formatNamespace(envelope.event.namespace);
  const document = record.key === null ? undefined : `${namespace}\0${record.key.toString('latin1')}`;
  if (batch !== undefined) return { envelope, id, path, document, body: itemOf(envelope, id, record), headers: {} };
  return { envelope, id, path, document, body: record.value ?? NOTHING, headers: eventHeaders(envelope, record) };
}

/**
 * An event in the body of a batch: `{"id","op","ns","version","key","value","headers"?}`. Key and value are the JSON of the
 * format, so the value of a delete may be null; `headers` is what the format would have as headers.
 */
function itemOf(envelope: Envelope, id: string, record: EncodedRecord): Buffer {
  const { op, namespace } = envelope.event;
  const head = JSON.stringify({ id, op, ns: formatNamespace(namespace), version: versionText(envelope) });
  const headers = record.headers === undefined ? '' : `,"headers":${JSON.stringify(record.headers)}`;
  return Buffer.concat([
    Buffer.from(`${head.slice(0, -1)},"key":`),
    record.key === null ? Buffer.from('null') : jsonKey(record.key),
    Buffer.from(`${headers},"value":`),
    record.value ?? Buffer.from('null'),
    Buffer.from('}'),
  ]);
}

/** Keys are JSON in nearly every format; what is not becomes text. */
function jsonKey(key: Buffer): Buffer {
  try {
    JSON.parse(key.toString());
    return key;
  } catch {
    return Buffer.from(JSON.stringify(key.toString()));
  }
}
