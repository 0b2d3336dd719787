import { createHash } from 'node:crypto';
import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import { JsonBuffer } from '../../bson/json-buffer.ts';
import { KeyWriter } from '../../bson/json-key.ts';

/** A subject may have some KiB in all (`max_control_line`), so each token is kept far below. */
export const LONGEST_TOKEN = 200;

const HASH_LENGTH = 32;
const CHUNK_BYTES = 1024;
const PLAIN = /^[A-Za-z0-9_-]+$/;
/** What a string must not look like to be written bare: the forms of all other types. */
const LIKE_ANOTHER_TYPE = /^([0-9[{"-]|[0-9a-f]{24}$|(true|false|null|NaN|Infinity)$)/;
/** Length, type byte, `_id` with its end, value, closing zero. */
const BYTES_AROUND_ID = 10;

/**
 * Text as one legal token of a subject. Letters, digits, `_` and `-` stay; other characters are percent-encoded as
 * UTF-8; nothing at all is `_`. Different texts give different tokens: what would get longer than `LONGEST_TOKEN` is
 * cut and ends in `~` and a hash of the whole.
 */
export function subjectToken(text: string): string {
  if (text === '') return '_';
  if (text === '_') return '%5F';
  return capped(PLAIN.test(text) ? text : percentEncoded(text));
}

/**
 * A document key as one legal token, the same for keys that MongoDB takes for the same and different for others: an
 * ObjectId as hex, a string bare where it cannot be mistaken for another type (else in quotes), everything else as
 * relaxed Extended JSON, all percent-encoded. A key of several fields is `~` and its JSON. No key is `_`.
 */
export function keyToken(key: Uint8Array | undefined): string {
  if (key === undefined) return '_';
  const id = findField(key, '_id');
  if (id === undefined || key.length !== id.bytes.length + BYTES_AROUND_ID) {
    return capped(`~${percentEncoded(json(key, (writer, source) => writer.document(source)))}`);
  }
  if (id.type === BsonType.objectId) return Buffer.from(id.bytes).toString('hex');
  if (id.type !== BsonType.string && id.type !== BsonType.symbol) {
    return subjectToken(json(id.bytes, (writer, source) => writer.value(id.type, source)));
  }
  const text = Buffer.from(id.bytes.subarray(4, -1)).toString();
  return text !== '' && !LIKE_ANOTHER_TYPE.test(text) ? subjectToken(text) : subjectToken(JSON.stringify(text));
}

function capped(token: string): string {
  if (token.length <= LONGEST_TOKEN) return token;
  const hash = createHash('sha256').update(token).digest('hex').slice(0, HASH_LENGTH);
  return `${token.slice(0, LONGEST_TOKEN - HASH_LENGTH - 1)}~${hash}`;
}

function percentEncoded(text: string): string {
  const encode = (byte: number) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text.replaceAll(/[^A-Za-z0-9_-]+/gu, (run) => Array.from(Buffer.from(run), encode).join(''));
}

function json(bytes: Uint8Array, write: (writer: KeyWriter, source: Buffer) => void): string {
  const buffer = new JsonBuffer(CHUNK_BYTES);
  buffer.begin(bytes.length * 2);
  write(new KeyWriter(buffer, { style: 'relaxed' }), asBuffer(bytes));
  return buffer.end().toString();
}
