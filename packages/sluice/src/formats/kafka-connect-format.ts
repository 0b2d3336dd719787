import { asBuffer, BsonType, findField } from '../bson/elements.ts';
import { JavaJsonBuffer } from '../bson/foreign-text.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import { type ChangeEvent, isDataOperation } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import type { FormatConfig, KafkaConnectOptions } from './format-config.ts';
import { missingKey } from './record-keys.ts';
import { jsonSizeHint } from './value-encoder.ts';

const DEFAULTS: KafkaConnectOptions = { json: 'legacy', value: 'change', tombstones: false, key: 'document' };
/** The fixed parts of the event that stands for a copied row. */
const COPY_BYTES = 512;

/**
 * `kafka-connect`: what MongoDB's source connector for Kafka Connect writes as text (its release 2.0), byte for byte.
 * The key is the document key as it is, so that 1 and 1.0 differ; an event without one has its resume token. A row of
 * a snapshot is an insert whose `_id` says that it is a copy. In `legacy` NaN and the infinities are not JSON.
 */
export function createKafkaConnectFormat(config: FormatConfig): Format {
  const encoder = new KafkaConnectEncoder(config.kafkaConnect ?? DEFAULTS);
  return {
    name: 'kafka-connect',
    contentType: 'application/json',
    encode: ({ event }: Envelope) => encoder.encode(event),
  };
}

class KafkaConnectEncoder {
  readonly #options: KafkaConnectOptions;
  readonly #output = new JavaJsonBuffer();
  readonly #writer: DocumentWriter;

  constructor(options: KafkaConnectOptions) {
    this.#options = options;
    this.#writer = new DocumentWriter(this.#output, { style: options.json, dialect: 'java-spaced' });
  }

  encode(event: ChangeEvent): EncodedRecord | undefined {
    const value = this.#options.value === 'document' ? this.#documentOf(event) : this.#eventOf(event);
    if (value === undefined) return undefined;
    return { key: this.#key(event), value, headers: undefined, tombstoneFollows: false };
  }

  /** Null for a delete, undefined where the connector writes nothing. */
  #documentOf(event: ChangeEvent): Buffer | null | undefined {
    const document = isDataOperation(event.op) ? event.after() : undefined;
    if (document !== undefined) return this.#document(document);
    return event.op === 'delete' && this.#options.tombstones ? null : undefined;
  }

  #eventOf(event: ChangeEvent): Buffer {
    return event.op === 'snapshot' ? this.#copy(event) : this.#document(event.raw);
  }

  #key(event: ChangeEvent): Buffer {
    const key = event.key();
    if (this.#options.key === 'document' && key !== undefined) return this.#document(key);
    if (key === undefined && isDataOperation(event.op)) throw missingKey();
    const output = this.#output;
    output.begin(COPY_BYTES);
    output.ascii('{"_id": ');
    if (event.op === 'snapshot') this.#copyId(event);
    else this.#field(event, '_id');
    output.ascii('}');
    return output.end();
  }

  #copy(event: ChangeEvent): Buffer {
    const document = event.after();
    const key = event.key();
    if (document === undefined || key === undefined) throw missingKey();
    const output = this.#output;
    output.begin(jsonSizeHint(document) + COPY_BYTES);
    output.ascii('{"_id": ');
    this.#copyId(event);
    output.ascii(', "operationType": "insert", "documentKey": ');
    this.#writer.document(asBuffer(key));
    output.ascii(', "fullDocument": ');
    this.#writer.document(asBuffer(document));
    const { db, coll } = event.namespace;
    output.ascii(', "ns": {"db": ');
    this.#text(db);
    output.ascii(', "coll": ');
    this.#text(coll);
    output.ascii('}}');
    return output.end();
  }

  #copyId(event: ChangeEvent): void {
    const key = event.key();
    const id = key === undefined ? undefined : findField(key, '_id');
    if (id === undefined) throw missingKey();
    this.#output.ascii('{"_id": ');
    this.#writer.value(id.type, asBuffer(id.bytes));
    this.#output.ascii(', "copyingData": true}');
  }

  #field(event: ChangeEvent, name: string): void {
    const value = event.field(name);
    if (value?.type !== BsonType.document) throw missingKey();
    this.#writer.value(value.type, asBuffer(value.bytes));
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.#output.text(bytes, 0, bytes.length);
  }

  #document(document: Uint8Array): Buffer {
    const source = asBuffer(document);
    this.#output.begin(jsonSizeHint(source));
    this.#writer.document(source);
    return this.#output.end();
  }
}
