import { asBuffer, BsonType, findField } from './elements.ts';
import { JsonBuffer } from './json-buffer.ts';
import { KeyWriter } from './json-key.ts';
import { cut, printable } from './readable-text.ts';

const CHUNK_BYTES = 1024;
const DEFAULT_WIDTH = 200;
/** More of a text than this never shows. */
const BYTES_PER_CHARACTER = 4;

/**
 * A document key for people, e.g. in dead letters: relaxed Extended JSON in at most `width` characters, without
 * anything a terminal would act on. Never throws; empty when there is no key.
 */
export function keyText(key: Uint8Array | undefined, width = DEFAULT_WIDTH): string {
  if (key === undefined) return '';
  return cut(printable(json(asBuffer(key), (writer, source) => writer.document(source))), width);
}

/**
 * The shortest readable form of a document key: a text or ObjectId `_id` bare, any other `_id` as JSON, and the whole
 * key when it has more fields than `_id`. Never throws.
 */
export function shownId(key: Uint8Array | undefined, width = DEFAULT_WIDTH): string {
  if (key === undefined) return '';
  const id = findId(key);
  // Length, type byte, `_id` with its end, value and closing zero: nothing but the `_id`.
  if (id === undefined || key.length !== id.bytes.length + 10) return keyText(key, width);
  const source = asBuffer(id.bytes);
  if (id.type === BsonType.objectId) return cut(source.toString('hex'), width);
  if (id.type === BsonType.string) {
    const end = Math.min(source.length - 1, 4 + (width + 1) * BYTES_PER_CHARACTER);
    return cut(printable(source.toString('utf8', 4, end)), width);
  }
  return cut(printable(json(source, (writer) => writer.value(id.type, source))), width);
}

function findId(key: Uint8Array): ReturnType<typeof findField> {
  try {
    return findField(key, '_id');
  } catch {
    return undefined;
  }
}

function json(source: Buffer, write: (writer: KeyWriter, source: Buffer) => void): string {
  const buffer = new JsonBuffer(CHUNK_BYTES);
  const writer = new KeyWriter(buffer, { style: 'relaxed' });
  try {
    buffer.begin(source.length);
    write(writer, source);
    return buffer.end().toString();
  } catch {
    return `<not readable, ${source.length} bytes>`;
  }
}
