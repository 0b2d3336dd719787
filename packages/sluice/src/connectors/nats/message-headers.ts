import { clusterTimeOf, formatNamespace, type Namespace, type Operation } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Format } from '../../core/format.ts';

/** Names of the headers that JetStream acts on. */
export const NatsHeader = {
  messageId: 'Nats-Msg-Id',
  expectedMessageId: 'Nats-Expected-Last-Msg-Id',
  expectedSubjectSequence: 'Nats-Expected-Last-Subject-Sequence',
  expectedSubject: 'Nats-Expected-Last-Subject-Sequence-Subject',
  batchId: 'Nats-Batch-Id',
  batchSequence: 'Nats-Batch-Sequence',
  batchCommit: 'Nats-Batch-Commit',
  timeToLive: 'Nats-TTL',
  rollup: 'Nats-Rollup',
} as const;

const VERSION_LINE = 'NATS/1.0\r\n';

/** One header as a line. Control characters, which would end it, are percent-encoded. */
export function headerLine(name: string, value: string | number): string {
  const text = String(value).replaceAll(
    /\p{Cc}/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return `${name}: ${text}\r\n`;
}

/** The block of these lines as it goes over the wire. */
export function headerBlock(...lines: readonly string[]): Buffer {
  return Buffer.from(`${VERSION_LINE}${lines.join('')}\r\n`);
}

/** How the headers of this sink are written. */
export interface HeaderOptions {
  readonly enabled: boolean;
  readonly prefix: string;
  /** What the format gives and asks for. */
  readonly format: Pick<Format, 'name' | 'contentType'>;
  readonly messageIdPrefix: string;
}

/**
 * Writes the headers of messages as lines. Every message has `Nats-Msg-Id` (prefix and event id), `<prefix>op`
 * (operation), `<prefix>ns` (`db.coll` at the source), `<prefix>ts` (cluster time as `seconds,increment`), `<prefix>id`
 * (event id, stable over replays) and `content-type`; CloudEvents in binary mode add their attributes as `ce-…`.
 */
export class HeaderWriter {
  readonly #options: HeaderOptions;
  readonly #contentType: string;
  #constant: { readonly namespace: Namespace; readonly op: Operation; readonly lines: string } | undefined;

  constructor(options: HeaderOptions) {
    this.#options = options;
    this.#contentType = headerLine('content-type', options.format.contentType);
  }

  /** The message id of an event: unique in a stream that several pipelines share. */
  messageId(eventId: string): string {
    return `${this.#options.messageIdPrefix}${eventId}`;
  }

  /** The lines for a message. `extra` is what the format asks for; without a value there is no `content-type`. */
  lines({ event }: Envelope, extra: Readonly<Record<string, string>> | undefined, withValue: boolean): string {
    const { enabled, prefix, format } = this.#options;
    let lines = `${NatsHeader.messageId}: ${this.messageId(event.id)}\r\n`;
    if (enabled) {
      const { t, i } = clusterTimeOf(event);
      lines += `${this.#constantLines(event.namespace, event.op)}${prefix}ts: ${t},${i}\r\n${prefix}id: ${event.id}\r\n`;
    }
    if (withValue) lines += this.#contentType;
    for (const [name, value] of Object.entries(extra ?? {})) {
      lines += headerLine(format.name === 'cloudevents' ? `ce-${name}` : name, value);
    }
    return lines;
  }

  /** Operation and namespace stay the same for long runs of events. */
  #constantLines(namespace: Namespace, op: Operation): string {
    const last = this.#constant;
    if (last !== undefined && last.namespace === namespace && last.op === op) return last.lines;
    const { prefix } = this.#options;
    const lines = headerLine(`${prefix}op`, op) + headerLine(`${prefix}ns`, formatNamespace(namespace));
    this.#constant = { namespace, op, lines };
    return lines;
  }
}
