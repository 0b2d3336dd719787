import { BsonType } from '../../bson/elements.ts';
import type { EncodedRecord } from '../../core/format.ts';

const ZERO = Buffer.from([0]);

/** `{key, headers, value}` as a BSON document: the key as JSON text, the headers as texts, the value as it is. */
export function bsonEnvelope({ key, value, headers }: EncodedRecord): Buffer {
  const elements = [key === null ? element(BsonType.null, 'key') : element(BsonType.string, 'key', textOf(key))];
  if (headers !== undefined) elements.push(element(BsonType.document, 'headers', headersDocument(headers)));
  elements.push(value === null ? element(BsonType.null, 'value') : element(BsonType.document, 'value', value));
  return document(elements);
}

function headersDocument(headers: Readonly<Record<string, string>>): Buffer {
  return document(
    Object.entries(headers).map(([name, text]) => element(BsonType.string, name, textOf(Buffer.from(text)))),
  );
}

function document(elements: readonly Buffer[]): Buffer {
  const body = Buffer.concat([...elements, ZERO]);
  return Buffer.concat([int32(body.length + 4), body]);
}

function element(type: number, name: string, payload: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from([type]), Buffer.from(name), ZERO, payload]);
}

function textOf(utf8: Buffer): Buffer {
  return Buffer.concat([int32(utf8.length + 1), utf8, ZERO]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
