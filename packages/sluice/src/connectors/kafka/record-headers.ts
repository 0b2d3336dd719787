import { clusterTimeOf, formatNamespace, type Namespace, type Operation } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Format } from '../../core/format.ts';
import type { HeaderBlock } from './record-batch.ts';
import { varintLength, writeVarint } from './varint.ts';

/** Longest UTF-8 form of a UTF-16 code unit. */
const UTF8_BYTES = 3;

/** Room for a length or a count. */
const VARINT_BYTES = 5;

/** Their count is one byte, as a varint. */
const MOST_HEADERS = 63;

const NO_NAMES: readonly string[] = [];

/** How the headers of this sink are written. */
export interface HeaderOptions {
  readonly enabled: boolean;
  readonly prefix: string;
  /** What the format gives and asks for. */
  readonly format: Pick<Format, 'name' | 'contentType'>;
}

/**
 * Writes the headers of records as they are on the wire. Every record has `<prefix>op` (operation), `<prefix>ns`
 * (`db.coll` at the source), `<prefix>ts` (cluster time as `seconds,increment`), `<prefix>id` (event id, stable over
 * replays) and `content-type`; CloudEvents in binary mode add their attributes as `ce_…`.
 *
 * The block is built in one buffer that is used again: it holds until the next call.
 */
export class HeaderWriter {
  readonly #options: HeaderOptions;
  readonly #timeName: Buffer;
  readonly #idName: Buffer;
  readonly #contentType: Buffer;
  #buffer = Buffer.allocUnsafe(1024);
  /** What the constant start of the block was written for, and where it ends. */
  #namespace: Namespace | undefined;
  #op: Operation | undefined;
  #constantEnd = 0;
  #extraNames = new Map<string, Buffer>();

  constructor(options: HeaderOptions) {
    this.#options = options;
    this.#timeName = lengthAndText(`${options.prefix}ts`);
    this.#idName = lengthAndText(`${options.prefix}id`);
    this.#contentType = Buffer.concat([lengthAndText('content-type'), lengthAndText(options.format.contentType)]);
  }

  /**
   * The headers for a record of this event. `extra` is what the format asks for; `withValue` is false for a tombstone,
   * which has no content and so no `content-type`.
   */
  write({ event }: Envelope, extra: Readonly<Record<string, string>> | undefined, withValue: boolean): HeaderBlock {
    const names = extra === undefined ? NO_NAMES : Object.keys(extra);
    const count = (this.#options.enabled ? 4 : 0) + (withValue ? 1 : 0) + names.length;
    if (count > MOST_HEADERS) throw new RangeError(`${count} headers are too many`);
    this.#constant(event.namespace, event.op);
    this.#buffer[0] = count * 2;
    let at = this.#constantEnd;
    if (this.#options.enabled) {
      const { t, i } = clusterTimeOf(event);
      at = this.#text(at, this.#timeName, `${t},${i}`);
      at = this.#text(at, this.#idName, event.id);
    }
    if (withValue) at = this.#bytes(at, this.#contentType);
    for (const name of names) at = this.#text(at, this.#extraName(name), extra?.[name] ?? '');
    return { bytes: this.#buffer, length: at };
  }

  /** Operation and namespace stay the same for long runs of events: then they are still there from the last record. */
  #constant(namespace: Namespace, op: Operation): void {
    if (this.#namespace === namespace && this.#op === op) return;
    this.#namespace = namespace;
    this.#op = op;
    this.#constantEnd = 1;
    if (!this.#options.enabled) return;
    const { prefix } = this.#options;
    this.#constantEnd = this.#text(this.#constantEnd, lengthAndText(`${prefix}op`), op);
    this.#constantEnd = this.#text(this.#constantEnd, lengthAndText(`${prefix}ns`), formatNamespace(namespace));
  }

  #extraName(name: string): Buffer {
    let encoded = this.#extraNames.get(name);
    if (encoded === undefined) {
      encoded = lengthAndText(this.#options.format.name === 'cloudevents' ? `ce_${name}` : name);
      this.#extraNames.set(name, encoded);
    }
    return encoded;
  }

  #text(offset: number, name: Buffer, value: string): number {
    this.#reserve(offset, name.length + VARINT_BYTES + value.length * UTF8_BYTES);
    let at = this.#bytes(offset, name);
    // The length comes first: right as it is for ASCII, otherwise the text is written again behind the true one.
    const guess = writeVarint(this.#buffer, at, value.length);
    const bytes = this.#buffer.write(value, guess, 'utf8');
    if (bytes === value.length) return guess + bytes;
    at = writeVarint(this.#buffer, at, bytes);
    return at + this.#buffer.write(value, at, 'utf8');
  }

  #bytes(offset: number, bytes: Buffer): number {
    this.#reserve(offset, bytes.length);
    this.#buffer.set(bytes, offset);
    return offset + bytes.length;
  }

  #reserve(offset: number, bytes: number): void {
    if (offset + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe((offset + bytes) * 2);
    this.#buffer.copy(larger, 0, 0, offset);
    this.#buffer = larger;
  }
}

function lengthAndText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const encoded = Buffer.alloc(varintLength(bytes.length) + bytes.length);
  bytes.copy(encoded, writeVarint(encoded, 0, bytes.length));
  return encoded;
}
