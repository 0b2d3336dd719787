import { asBuffer } from '../bson/elements.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { DocumentWriter } from '../bson/json-document.ts';
import type { Encoding } from './format-config.ts';

/** Turns a BSON document into the bytes of a value. The bytes may be kept: their memory is not used again. */
export type EncodeDocument = (document: Uint8Array) => Buffer;

/** The encoder of whole documents. It throws `rejected` errors; `bson` hands the bytes on as they are. */
export function documentEncoder(encoding: Encoding): EncodeDocument {
  if (encoding === 'bson') return asBuffer;
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style: encoding });
  return (document) => {
    const source = asBuffer(document);
    buffer.begin(jsonSizeHint(source));
    writer.document(source);
    return buffer.end();
  };
}

/** About the size of a document as JSON, which is a little longer than its BSON; one that needs more moves once. */
export function jsonSizeHint(document: Uint8Array): number {
  return document.length + (document.length >> 2);
}

/** MIME type of what `documentEncoder` produces. */
export function contentTypeOf(encoding: Encoding): string {
  return encoding === 'bson' ? 'application/bson' : 'application/json';
}
