import { asBuffer, BsonType, findField } from '../bson/elements.ts';
import { JavaJsonBuffer } from '../bson/foreign-text.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import type { ChangeEvent, Operation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import { DebeziumSource, type DebeziumTransaction } from './debezium-source.ts';
import { writeUpdateDescription } from './debezium-update.ts';
import type { FormatConfig } from './format-config.ts';
import { missingKey } from './record-keys.ts';
import { jsonSizeHint } from './value-encoder.ts';

const ENVELOPE_BYTES = 1024;

/**
 * `debezium`: the envelope of Debezium's MongoDB connector (documentation of 3.x), without schemas, as its JSON
 * converter writes it with `schemas.enable=false`; an envelope with schemas is not supported. Documents are JSON texts
 * inside the JSON. A replace is an update without an update description; DDL events have no form here.
 */
export function createDebeziumFormat(config: FormatConfig, nowMs: () => number): Format {
  const encoder = new DebeziumEncoder(config, nowMs);
  return {
    name: 'debezium',
    contentType: 'application/json',
    encode: ({ event }: Envelope) => encoder.encode(event),
  };
}

class DebeziumEncoder {
  readonly #nowMs: () => number;
  readonly #tombstones: boolean;
  readonly #output = new JsonBuffer();
  readonly #scratch = new JavaJsonBuffer();
  readonly #documents: DocumentWriter;
  readonly #updates: DocumentWriter;
  readonly #keys: DocumentWriter;
  readonly #source: DebeziumSource;
  #processedMs = Number.NaN;
  #processed: Buffer = Buffer.alloc(0);

  constructor(config: FormatConfig, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#tombstones = config.debezium?.tombstones ?? true;
    const style = config.debezium?.documents ?? 'legacy';
    this.#documents = new DocumentWriter(this.#scratch, { style, dialect: 'java-compact' });
    this.#updates = new DocumentWriter(this.#scratch, { style: 'relaxed', dialect: 'java-spaced' });
    this.#keys = new DocumentWriter(this.#scratch, { style: 'relaxed', dialect: 'java-compact' });
    this.#source = new DebeziumSource(config.identity);
  }

  encode(event: ChangeEvent): EncodedRecord | undefined {
    const op = operationCode(event.op);
    if (op === undefined) return undefined;
    const key = this.#key(event);
    const value = this.#value(event, op);
    return { key, value, headers: undefined, tombstoneFollows: this.#tombstones && op === 'd' };
  }

  /** `{"id":"<the _id as relaxed Extended JSON>"}`. */
  #key(event: ChangeEvent): Buffer {
    const documentKey = event.key();
    const id = documentKey === undefined ? undefined : findField(documentKey, '_id');
    if (id === undefined) throw missingKey();
    const source = asBuffer(id.bytes);
    const text = this.#text(source, () => this.#keys.value(id.type, source));
    const output = this.#output;
    output.begin(text.length * 2);
    output.ascii('{"id":');
    output.text(text, 0, text.length);
    output.ascii('}');
    return output.end();
  }

  #value(event: ChangeEvent, op: string): Buffer {
    const now = this.#nowMs();
    const output = this.#output;
    output.begin(event.size * 2 + ENVELOPE_BYTES);
    output.ascii('{"before":');
    this.#embed(output, event.before());
    output.ascii(',"after":');
    this.#embed(output, op === 'd' ? undefined : event.after());
    output.ascii(',"updateDescription":');
    this.#writeUpdate(output, event);
    output.ascii(',"source":');
    this.#source.write(output, event, this.#transaction(event));
    output.ascii(`,"op":"${op}"`);
    output.raw(this.#processedAt(now));
    return output.end();
  }

  /** The end of the envelope, which stays the same for all events of one millisecond. */
  #processedAt(now: number): Buffer {
    if (this.#processedMs !== now) {
      this.#processed = Buffer.from(`,"ts_ms":${now},"transaction":null}`);
      this.#processedMs = now;
    }
    return this.#processed;
  }

  #writeUpdate(output: JsonBuffer, event: ChangeEvent): void {
    const update = event.update();
    if (update === undefined) return output.ascii('null');
    const updated = findField(update, 'updatedFields');
    const updatedFields =
      updated?.type === BsonType.document
        ? this.#text(updated.bytes, () => this.#updates.document(asBuffer(updated.bytes)))
        : undefined;
    writeUpdateDescription(output, asBuffer(update), updatedFields);
  }

  #transaction(event: ChangeEvent): DebeziumTransaction | undefined {
    const number = event.field('txnNumber');
    const lsid = number?.type === BsonType.int64 ? event.field('lsid') : undefined;
    if (number === undefined || lsid?.type !== BsonType.document) return undefined;
    const source = asBuffer(lsid.bytes);
    return {
      session: this.#text(source, () => this.#documents.document(source)),
      number: asBuffer(number.bytes),
    };
  }

  /** A document as a JSON string that holds its JSON. */
  #embed(output: JsonBuffer, document: Uint8Array | undefined): void {
    if (document === undefined) return output.ascii('null');
    const source = asBuffer(document);
    const text = this.#text(source, () => this.#documents.document(source));
    output.text(text, 0, text.length);
  }

  /** What `write` puts into the scratch buffer; only valid until the next call. */
  #text(source: Uint8Array, write: () => void): Buffer {
    this.#scratch.rewind();
    this.#scratch.begin(jsonSizeHint(source));
    write();
    return this.#scratch.end();
  }
}

function operationCode(op: Operation): string | undefined {
  switch (op) {
    case 'insert':
      return 'c';
    case 'update':
    case 'replace':
      return 'u';
    case 'delete':
      return 'd';
    case 'snapshot':
      return 'r';
    default:
      return undefined;
  }
}
