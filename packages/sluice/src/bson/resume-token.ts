import type { ClusterTime } from '../core/cluster-time.ts';
import { SluiceError } from '../core/failure.ts';

/*
 * The `_data` of a resume token is a KeyString in hex. Its leading fields, seen on servers from 4.2 on:
 *   82 + 8 bytes     cluster time: seconds and increment, big-endian
 *   integer          version of the token
 *   integer          type: 0 high-water mark, 128 event (only in tokens of version 1 and later)
 *   integer          index of the operation in its transaction
 * An integer is 29 for zero, else 2A + n and n bytes, big-endian, holding twice the value (so that fractions sort).
 * What follows (UUID, document key) is not needed here.
 */
const CLUSTER_TIME_DIGITS = 18;
const NUMERIC_ZERO = 0x29;
const NUMERIC_POSITIVE_0_BYTES = 0x2a;
const MAX_SAFE_INT_BYTES = 6;
const HIGH_WATER_MARK = 0;

/** The parts of a resume token that mean something outside the server. */
export interface ResumeTokenParts {
  readonly clusterTime: ClusterTime;
  /** A token between events (a post-batch token); it orders before every event of its cluster time. */
  readonly highWaterMark: boolean;
  /** Index of the operation in its transaction or grouped write; 0 for a single operation. */
  readonly ordinal: number;
}

/** Decodes the leading fields of a token's `_data`. Throws `config` when it is not a token MongoDB could have issued. */
export function decodeResumeToken(data: string): ResumeTokenParts {
  const clusterTime = clusterTimeOfToken(data);
  const version = readInteger(data, CLUSTER_TIME_DIGITS);
  let at = version.next;
  let highWaterMark = false;
  if (version.value >= 1) {
    const type = readInteger(data, at);
    highWaterMark = type.value === HIGH_WATER_MARK;
    at = type.next;
  }
  return { clusterTime, highWaterMark, ordinal: readInteger(data, at).value };
}

/** The cluster time of a token's `_data`. Throws `config` when it is not a resume token. */
export function clusterTimeOfToken(data: string): ClusterTime {
  const t = Number.parseInt(data.slice(2, 10), 16);
  const i = Number.parseInt(data.slice(10, CLUSTER_TIME_DIGITS), 16);
  if (!/^82[0-9a-f]{16}/i.test(data)) throw notAToken();
  return { t, i };
}

/** True for a token that stands between events. Throws `config` when it is not a resume token. */
export function isHighWaterMark(data: string): boolean {
  return decodeResumeToken(data).highWaterMark;
}

function readInteger(data: string, at: number): { value: number; next: number } {
  const type = hexByte(data, at);
  if (type === NUMERIC_ZERO) return { value: 0, next: at + 2 };
  const bytes = type - NUMERIC_POSITIVE_0_BYTES;
  if (bytes < 1 || bytes > MAX_SAFE_INT_BYTES) throw notAToken();
  let twice = 0;
  for (let i = 1; i <= bytes; i++) twice = twice * 256 + hexByte(data, at + i * 2);
  return { value: Math.floor(twice / 2), next: at + 2 + bytes * 2 };
}

function hexByte(data: string, at: number): number {
  return hexDigit(data.charCodeAt(at)) * 16 + hexDigit(data.charCodeAt(at + 1));
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  throw notAToken();
}

function notAToken(): SluiceError {
  return new SluiceError('this is not a resume token of a MongoDB change stream', {
    kind: 'config',
    code: 'mongodb.bad-token',
    hint: 'A token is the `_data` text of a change event, e.g. 8265…; copy all of it.',
  });
}
