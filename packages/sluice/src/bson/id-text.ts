import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { asBuffer, BsonType, findField, stringEnd } from './elements.ts';
import { JsonBuffer } from './json-buffer.ts';
import { KeyWriter } from './json-key.ts';
import { incompleteEvent } from './malformed.ts';

/** Elasticsearch and OpenSearch take ids up to here, counted in bytes of UTF-8. */
const MAX_BYTES = 512;
const TILDE = 0x7e;
const FIRST_NON_ASCII = 0x80;
const OBJECT_ID_DIGITS = 24;
/** 1 for the digits, in both cases. */
const HEX_DIGITS = new Uint8Array(256);
for (const digit of '0123456789abcdefABCDEF') HEX_DIGITS[digit.charCodeAt(0)] = 1;
/** Where the text of a BSON string begins, behind its length. */
const TEXT_AT = 4;
const CHUNK_BYTES = 4096;

const buffer = new JsonBuffer(CHUNK_BYTES);
const writer = new KeyWriter(buffer, { style: 'relaxed' });

/**
 * The text by which targets know the document with this `_id`, given as BSON type and payload. Two ids have the same
 * text exactly when MongoDB takes them for the same: 1, 1.0, NumberLong(1) and NumberDecimal("1.0") are one.
 *
 * An ObjectId is its 24 hex digits and a string is itself. Any other value is `~` and its relaxed Extended JSON, e.g.
 * `~1` or `~{"a":1}`; so is a string that is empty, begins with `~`, holds a NUL character or looks like an ObjectId. What
 * would be longer than 512 bytes is `~#` and the SHA-256 of that text in hex. Never has NUL characters or lone
 * surrogates. Throws `bson.invalid-utf8`, `bson.malformed` and `bson.too-deep`.
 */
export function idText(type: number, bytes: Buffer): string {
  if (type === BsonType.objectId && bytes.length === 12) return bytes.toString('hex');
  if (type === BsonType.string || type === BsonType.symbol) {
    const text = bareText(bytes);
    if (text !== undefined) return text;
  }
  buffer.rewind();
  buffer.begin(bytes.length);
  buffer.bytes[buffer.at++] = TILDE;
  writer.value(type, bytes);
  const text = buffer.end();
  return text.length > MAX_BYTES ? hashed(text) : text.toString();
}

/** The text of the `_id` of a document key. Throws `change-event.incomplete` when it has none, and like `idText`. */
export function idTextOf(key: Uint8Array): string {
  const id = findField(key, '_id');
  if (id === undefined) throw incompleteEvent('its documentKey has no _id');
  return idText(id.type, asBuffer(id.bytes));
}

/** A string that is its own text; undefined when it needs another form, or might, or cannot be read. */
function bareText(bytes: Buffer): string | undefined {
  const end = stringEnd(bytes, 0, bytes.length) - 1;
  const length = end - TEXT_AT;
  if (length === 0 || bytes[TEXT_AT] === TILDE) return undefined;
  if (length === OBJECT_ID_DIGITS && isHex(bytes, TEXT_AT, end)) return undefined;
  if (length <= MAX_BYTES && isAscii(bytes, TEXT_AT, end)) return bytes.toString('latin1', TEXT_AT, end);
  const text = bytes.subarray(TEXT_AT, end);
  if (text.includes(0) || !isUtf8(text)) return undefined;
  return length > MAX_BYTES ? hashed(text) : text.toString();
}

/** Without NUL characters. */
function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === 0 || byte >= FIRST_NON_ASCII) return false;
  }
  return true;
}

function isHex(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (HEX_DIGITS[bytes[i]!] === 0) return false;
  return true;
}

function hashed(text: Uint8Array): string {
  return `~#${hash('sha256', text)}`;
}
