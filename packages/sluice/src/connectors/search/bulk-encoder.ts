import { asBuffer, findField } from '../../bson/elements.ts';
import { JsonBuffer } from '../../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../../bson/plain-document.ts';
import { SluiceError } from '../../core/failure.ts';
import type { BulkItem, BulkRequest } from './bulk-request.ts';

/** An item that is no part of the index, and why. The error's kind is `rejected`. */
export interface Refusal<Item extends BulkItem = BulkItem> {
  readonly item: Item;
  readonly error: SluiceError;
}

/** How items are written. */
export interface EncoderOptions {
  /** Most bytes of a request; a larger item goes alone. */
  readonly bytes: number;
  /** Field of the document that gets the id, too. */
  readonly idField?: string | undefined;
}

/** Above the limit of a request there is room for one more item of usual size, so that the buffer seldom grows. */
const MARGIN_BYTES = 64 * 1024;
/** Texts that are the same in JSON. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const ASCII = /^[^\u0080-\uffff]*$/;
const NEWLINE = 0x0a;
const CLOSE_OBJECT = 0x7d;

/** Writes items as the lines of bulk requests, straight into one buffer that is used again for the next request. */
export class BulkEncoder {
  readonly #buffer: JsonBuffer;
  readonly #documents: PlainDocumentWriter;
  readonly #idField: Buffer | undefined;
  readonly #idFieldName: string | undefined;

  constructor({ bytes, idField }: EncoderOptions) {
    this.#buffer = new JsonBuffer(bytes + MARGIN_BYTES);
    // Texts of decimals keep all digits, and every numeric type of both products takes them.
    this.#documents = new PlainDocumentWriter(this.#buffer, {
      decimals: 'text',
      nonFinite: 'text',
      nul: 'keep',
      omitTop: '_id',
    });
    this.#idFieldName = idField;
    this.#idField = idField === undefined ? undefined : Buffer.from(`${JSON.stringify(idField)}:`);
  }

  /**
   * The items in requests of at most `bytes` each, in their order. A request is only good until the next one is asked for.
   * Items that cannot be written are added to `refusals`.
   */
  *requests<Item extends BulkItem>(
    all: readonly Item[],
    bytes: number,
    refusals: Refusal<Item>[],
  ): Generator<BulkRequest<Item>> {
    const [first] = all;
    const index = all.every((item) => item.index === first?.index) ? first?.index : undefined;
    let items: Item[] = [];
    let ends: number[] = [];
    this.#buffer.rewind();
    this.#buffer.begin(0);
    for (const item of all) {
      const start = this.#buffer.at;
      if (!this.#write(item, index === undefined, refusals)) continue;
      if (this.#buffer.at > bytes && items.length > 0) {
        const carried = Buffer.from(this.#buffer.bytes.subarray(start, this.#buffer.at));
        yield { items, ends, body: this.#buffer.bytes.subarray(0, start), index };
        [items, ends] = [[], []];
        this.#buffer.rewind();
        this.#buffer.begin(0);
        this.#buffer.raw(carried);
      }
      items.push(item);
      ends.push(this.#buffer.at);
    }
    if (items.length > 0) yield { items, ends, body: this.#buffer.bytes.subarray(0, this.#buffer.at), index };
  }

  /** False when the item cannot be written; then nothing is. */
  #write<Item extends BulkItem>(item: Item, withIndex: boolean, refusals: Refusal<Item>[]): boolean {
    const buffer = this.#buffer;
    const start = buffer.at;
    try {
      this.#action(item, withIndex);
      if (item.bson !== undefined) this.#document(item.bson, item.id);
      else if (item.json !== undefined) buffer.raw(item.json);
      else return true;
      buffer.reserve();
      buffer.bytes[buffer.at++] = NEWLINE;
      return true;
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      buffer.at = start;
      refusals.push({ item, error });
      return false;
    }
  }

  #action({ index, id, version, routing, bson, json }: BulkItem, withIndex: boolean): void {
    const buffer = this.#buffer;
    buffer.ascii(bson === undefined && json === undefined ? '{"delete":{"_id":' : '{"index":{"_id":');
    this.#text(id);
    if (withIndex) {
      buffer.ascii(',"_index":');
      this.#text(index);
    }
    if (routing !== undefined) {
      buffer.ascii(',"routing":');
      this.#text(routing);
    }
    // What is JSON already was made here, or has been through the pipeline before.
    if (json !== undefined) buffer.ascii(',"pipeline":"_none"');
    // Among versions that have the same number, the later one counts.
    const type = version.exact ? 'external' : 'external_gte';
    buffer.ascii(`,"version":${version.value},"version_type":"${type}"}}\n`);
  }

  #text(text: string): void {
    const json = PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
    if (ASCII.test(json)) this.#buffer.ascii(json);
    else this.#buffer.raw(Buffer.from(json));
  }

  #document(bson: Uint8Array, id: string): void {
    const buffer = this.#buffer;
    const start = buffer.at;
    buffer.reserve();
    this.#documents.document(asBuffer(bson));
    if (this.#idField === undefined || this.#idFieldName === undefined) return;
    if (findField(bson, this.#idFieldName) !== undefined) throw idFieldTaken(this.#idFieldName);
    buffer.reserve();
    buffer.at -= 1;
    if (buffer.at - start > 1) buffer.ascii(',');
    buffer.raw(this.#idField);
    this.#text(id);
    buffer.reserve();
    buffer.bytes[buffer.at++] = CLOSE_OBJECT;
  }
}

function idFieldTaken(name: string): SluiceError {
  return new SluiceError(`the document has a field "${name}" of its own, which \`idField\` would write again`, {
    kind: 'rejected',
    code: 'search.id-field-taken',
    hint: 'Choose a name for `idField` that no document has, or rename the field with a transform.',
  });
}
