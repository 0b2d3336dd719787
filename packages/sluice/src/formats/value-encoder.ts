import { asBuffer } from '../bson/elements.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import type { Encoding } from './format-config.ts';

/** JSON of a change event is a little longer than its BSON; a record that needs more is written twice. */
const OVERHEAD_BYTES = 512;

/** Turns a BSON document into the bytes of a value. The bytes may be kept: their memory is not used again. */
export type EncodeDocument = (document: Uint8Array) => Buffer;

/** The encoder of whole documents. It throws `rejected` errors; `bson` hands the bytes on as they are. */
export function documentEncoder(encoding: Encoding): EncodeDocument {
  if (encoding === 'bson') return asBuffer;
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style: encoding });
  return (document) => {
    const source = asBuffer(document);
    for (;;) {
      buffer.begin(source.length + (source.length >> 2) + OVERHEAD_BYTES);
      writer.document(source);
      const bytes = buffer.end();
      if (bytes !== undefined) return bytes;
    }
  };
}

/** MIME type of what `documentEncoder` produces. */
export function contentTypeOf(encoding: Encoding): string {
  return encoding === 'bson' ? 'application/bson' : 'application/json';
}
