import type { BsonValue } from '../core/change-event.ts';
import { BsonType } from './elements.ts';

/** Collects the elements of a document or an array and puts them together; nothing is copied before that. */
export class DocumentBuilder {
  readonly #chunks: Uint8Array[] = [];
  #length = 5;

  /** Elements as they stand in another document: type, name and value, any number of them. */
  elements(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** One field; `name` is UTF-8 without its end. */
  field(name: Uint8Array, { type, bytes }: BsonValue): void {
    const head = Buffer.allocUnsafe(name.length + 2);
    head[0] = type;
    head.set(name, 1);
    head[name.length + 1] = 0;
    this.#chunks.push(head, bytes);
    this.#length += head.length + bytes.length;
  }

  build(): Buffer {
    const document = Buffer.allocUnsafe(this.#length);
    let at = document.writeInt32LE(this.#length, 0);
    for (const chunk of this.#chunks) {
      document.set(chunk, at);
      at += chunk.length;
    }
    document[at] = 0;
    return document;
  }
}

/** The document of these fields, as a value. Fields without a value are left out. */
export function documentValue(fields: Iterable<readonly [string, BsonValue | undefined]>): BsonValue {
  const builder = new DocumentBuilder();
  for (const [name, value] of fields) if (value !== undefined) builder.field(Buffer.from(name), value);
  return { type: BsonType.document, bytes: builder.build() };
}

/** The array of these values, as a value. */
export function arrayValue(values: Iterable<BsonValue>): BsonValue {
  const builder = new DocumentBuilder();
  let index = 0;
  for (const value of values) builder.field(Buffer.from(String(index++)), value);
  return { type: BsonType.array, bytes: builder.build() };
}
