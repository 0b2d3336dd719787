import { base64Size, decodeBase64 } from './base64.ts';
import { BsonType, readInt32 } from './elements.ts';
import { type Field, hexDigit, NO_WRAPPER, pairOf, pick, textOf, type Unwrap } from './extended-fields.ts';

const OLD_BINARY = 0x02;
const UUID = 0x04;
const UUID_BYTES = 16;
const OBJECT_ID_DIGITS = 24;
const UUID_TEXT = /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/;

/* Each takes the place of a wrapper by the value that it stands for; see `Unwrap`. */

export function objectId(out: Buffer, typeAt: number, start: number, { type, valueAt, end }: Field): number {
  if (type !== BsonType.string || end - 1 - valueAt - 4 !== OBJECT_ID_DIGITS) return NO_WRAPPER;
  const from = valueAt + 4;
  for (let i = 0; i < OBJECT_ID_DIGITS; i++) if (hexDigit(out[from + i]!) < 0) return NO_WRAPPER;
  // The text stands behind the place of the bytes, so reading stays ahead of writing.
  for (let i = 0; i < 12; i++) out[start + i] = hexDigit(out[from + i * 2]!) * 16 + hexDigit(out[from + i * 2 + 1]!);
  out[typeAt] = BsonType.objectId;
  return start + 12;
}

const BASE64_NAME = Buffer.from('base64');
const SUB_TYPE = Buffer.from('subType');

export function binary(out: Buffer, typeAt: number, start: number, first: Field): number {
  const pair = pairOf(out, first);
  const data = pair && pick(out, pair, BASE64_NAME);
  const subtype = pair && pick(out, pair, SUB_TYPE);
  return data && subtype ? writeBinary(out, typeAt, start, data, subtype) : NO_WRAPPER;
}

export function writeBinary(out: Buffer, typeAt: number, start: number, data: Field, subtypeField: Field): number {
  const subtype = subtypeOf(out, subtypeField);
  if (data.type !== BsonType.string || subtype === undefined) return NO_WRAPPER;
  const textAt = data.valueAt + 4;
  const size = base64Size(out, textAt, data.end - 1);
  if (size === undefined) return NO_WRAPPER;
  // Subtype 2 repeats the length inside, which Extended JSON leaves out. Writing never catches up with the text.
  const inner = subtype === OLD_BINARY ? 4 : 0;
  let at = out.writeInt32LE(size + inner, start);
  out[at++] = subtype;
  if (inner > 0) at = out.writeInt32LE(size, at);
  decodeBase64(out, textAt, at, size);
  out[typeAt] = BsonType.binary;
  return at + size;
}

/** One or two hex digits. */
function subtypeOf(out: Buffer, { type, valueAt, end }: Field): number | undefined {
  const digits = end - 1 - valueAt - 4;
  if (type !== BsonType.string || digits < 1 || digits > 2) return undefined;
  const last = hexDigit(out[end - 2]!);
  const first = digits === 2 ? hexDigit(out[end - 3]!) : 0;
  return first < 0 || last < 0 ? undefined : first * 16 + last;
}

export function uuid(out: Buffer, typeAt: number, start: number, first: Field): number {
  const text = textOf(out, first);
  if (text === undefined || !UUID_TEXT.test(text)) return NO_WRAPPER;
  const at = out.writeInt32LE(UUID_BYTES, start);
  out[at] = UUID;
  out.write(text.replaceAll('-', ''), at + 1, 'hex');
  out[typeAt] = BsonType.binary;
  return at + 1 + UUID_BYTES;
}

const PATTERN = Buffer.from('pattern');
const OPTIONS = Buffer.from('options');

export function regex(out: Buffer, typeAt: number, start: number, first: Field): number {
  const pair = pairOf(out, first);
  const pattern = pair && pick(out, pair, PATTERN);
  const options = pair && pick(out, pair, OPTIONS);
  return pattern && options ? writeRegex(out, typeAt, start, pattern, options) : NO_WRAPPER;
}

export function writeRegex(out: Buffer, typeAt: number, start: number, pattern: Field, options: Field): number {
  if (pattern.type !== BsonType.string || options.type !== BsonType.string) return NO_WRAPPER;
  // Both with their closing zero, which must be the only one.
  const bytes = Buffer.concat([
    out.subarray(pattern.valueAt + 4, pattern.end),
    out.subarray(options.valueAt + 4, options.end),
  ]);
  const patternEnd = bytes.indexOf(0);
  if (patternEnd !== pattern.end - pattern.valueAt - 5) return NO_WRAPPER;
  if (bytes.indexOf(0, patternEnd + 1) !== bytes.length - 1) return NO_WRAPPER;
  out.set(bytes, start);
  out[typeAt] = BsonType.regex;
  return start + bytes.length;
}

/** Symbol and code: the string with another type. */
export function textual(type: number): Unwrap {
  return (out, typeAt, start, first) => {
    if (first.type !== BsonType.string) return NO_WRAPPER;
    out.copyWithin(start, first.valueAt, first.end);
    out[typeAt] = type;
    return start + first.end - first.valueAt;
  };
}

export function codeWithScope(out: Buffer, typeAt: number, start: number, code: Field, scope: Field): number {
  if (code.type !== BsonType.string || scope.type !== BsonType.document) return NO_WRAPPER;
  const content = Buffer.concat([out.subarray(code.valueAt, code.end), out.subarray(scope.valueAt, scope.end)]);
  const at = out.writeInt32LE(content.length + 4, start);
  out.set(content, at);
  out[typeAt] = BsonType.codeWithScope;
  return at + content.length;
}

const REF = Buffer.from('$ref');
const POINTER_ID = Buffer.from('$id');

export function dbPointer(out: Buffer, typeAt: number, start: number, first: Field): number {
  const pair = pairOf(out, first);
  const ref = pair && pick(out, pair, REF);
  const id = pair && pick(out, pair, POINTER_ID);
  if (ref?.type !== BsonType.string || id?.type !== BsonType.objectId) return NO_WRAPPER;
  const content = Buffer.concat([out.subarray(ref.valueAt, ref.end), out.subarray(id.valueAt, id.end)]);
  out.set(content, start);
  out[typeAt] = BsonType.dbPointer;
  return start + content.length;
}

/** A type without content, if its mark is the only one that is written: `true` or 1. */
export function constant(type: number, markType: number): Unwrap {
  return (out, typeAt, start, first) => {
    if (first.type !== markType || out[first.valueAt] !== 1) return NO_WRAPPER;
    if (markType === BsonType.int32 && readInt32(out, first.valueAt) !== 1) return NO_WRAPPER;
    out[typeAt] = type;
    return start;
  };
}
