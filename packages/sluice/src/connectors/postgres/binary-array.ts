import type { Version } from '../../core/change-event.ts';

/*
 * Arrays in the binary form of parameters (`array_recv` of the server): number of dimensions, whether it has nulls, the
 * type of its elements, length and lower bound, then each element behind its length, -1 for null; all big-endian.
 * Servers read it without parsing, and documents go into it as the bytes that they are.
 */

/** Types by their numbers, which no server changes (`pg_type.dat`). */
const Oid = { bigint: 20, text: 25, jsonb: 3802 } as const;
const HEAD_BYTES = 20;
const LENGTH_BYTES = 4;
const BIGINT_BYTES = 8;
/** `jsonb` begins with the version of its form. */
const JSONB_VERSION = 1;
const NULL_LENGTH = -1;
/** 2020-01-01: the seconds since then fit the upper half until January 2088. */
const FIRST_SECOND = 1_577_836_800;
const MAX_SECONDS = 2 ** 31 - 1;

/** An array for a `$n::text[]`. */
export function textArray(texts: readonly (string | null)[]): Buffer {
  let bytes = HEAD_BYTES;
  let hasNull = false;
  for (const text of texts) {
    bytes += LENGTH_BYTES;
    if (text === null) hasNull = true;
    else bytes += Buffer.byteLength(text);
  }
  const array = head(Oid.text, texts.length, bytes, hasNull);
  let at = HEAD_BYTES;
  for (const text of texts) {
    if (text === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const written = array.write(text, at + LENGTH_BYTES);
    at = array.writeInt32BE(written, at) + written;
  }
  return array;
}

/** An array for a `$n::jsonb[]` of JSON texts. */
export function jsonbArray(documents: readonly Uint8Array[]): Buffer {
  let bytes = HEAD_BYTES;
  for (const { length } of documents) bytes += LENGTH_BYTES + 1 + length;
  const array = head(Oid.jsonb, documents.length, bytes, false);
  let at = HEAD_BYTES;
  for (const document of documents) {
    at = array.writeInt32BE(document.length + 1, at);
    array[at++] = JSONB_VERSION;
    array.set(document, at);
    at += document.length;
  }
  return array;
}

/** An array for a `$n::bigint[]` of the times of versions: seconds since 2020 in the upper half, increment in the lower. */
export function timeArray(versions: readonly Version[]): Buffer {
  const array = head(Oid.bigint, versions.length, HEAD_BYTES + versions.length * (LENGTH_BYTES + BIGINT_BYTES), false);
  let at = HEAD_BYTES;
  for (const { clusterTime } of versions) {
    at = array.writeInt32BE(BIGINT_BYTES, at);
    at = array.writeInt32BE(secondsOf(clusterTime.t), at);
    at = array.writeUInt32BE(clusterTime.i, at);
  }
  return array;
}

/** An array for a `$n::bigint[]` of the ordinals of versions. */
export function ordinalArray(versions: readonly Version[]): Buffer {
  const array = head(Oid.bigint, versions.length, HEAD_BYTES + versions.length * (LENGTH_BYTES + BIGINT_BYTES), false);
  let at = HEAD_BYTES;
  for (const { ordinal } of versions) {
    at = array.writeInt32BE(BIGINT_BYTES, at);
    at = array.writeInt32BE(Math.floor(ordinal / 2 ** 32), at);
    at = array.writeUInt32BE(ordinal % 2 ** 32, at);
  }
  return array;
}

/** The time of a version as it is stored in `_ts`, as text. */
export function timeText({ clusterTime }: Version): string {
  return String((BigInt(secondsOf(clusterTime.t)) << 32n) + BigInt(clusterTime.i));
}

/** Exact for all times up to 2088; later ones are taken for the last. */
function secondsOf(t: number): number {
  return Math.min(t - FIRST_SECOND, MAX_SECONDS);
}

function head(type: number, count: number, bytes: number, hasNull: boolean): Buffer {
  const array = Buffer.allocUnsafe(count === 0 ? HEAD_BYTES - 8 : bytes);
  array.writeInt32BE(count === 0 ? 0 : 1, 0);
  array.writeInt32BE(Number(hasNull), 4);
  array.writeInt32BE(type, 8);
  if (count === 0) return array;
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}
