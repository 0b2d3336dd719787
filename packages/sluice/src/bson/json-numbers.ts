import { readInt32 } from './elements.ts';
import type { JsonBuffer } from './json-buffer.ts';

const ZERO = 0x30;
const MINUS = 0x2d;
const TWO_32 = 2 ** 32;
/** High words between which an int64 is a safe integer as a number. */
const SAFE_HIGH = 2 ** 21;

/** Number texts found again by their bits: documents of one collection repeat the same doubles over and over. */
const SLOTS = 1024;
const SLOT_BYTES = 32;
const slotBits = new Int32Array(SLOTS * 2);
const slotLengths = new Uint8Array(SLOTS);
const slotTexts = new Uint8Array(SLOTS * SLOT_BYTES);
const scratch = new DataView(new ArrayBuffer(8));

/** Writes an integer of at most 53 bits in decimal. */
export function writeInteger(target: JsonBuffer, value: number): void {
  let rest = value;
  const { bytes } = target;
  if (rest < 0) {
    bytes[target.at++] = MINUS;
    rest = -rest;
  }
  if (rest < 10) {
    bytes[target.at++] = ZERO + rest;
    return;
  }
  if (rest >= 2 ** 31) {
    target.ascii(String(rest));
    return;
  }
  const end = target.at + decimalDigits(rest);
  let at = end;
  while (at > target.at) {
    const quotient = (rest / 10) | 0;
    bytes[--at] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  target.at = end;
}

/** Writes the int64 at `at`, every digit. */
export function writeInt64(target: JsonBuffer, source: Buffer, at: number): void {
  const high = readInt32(source, at + 4);
  if (high >= -SAFE_HIGH && high < SAFE_HIGH) writeInteger(target, high * TWO_32 + (readInt32(source, at) >>> 0));
  else target.ascii(source.readBigInt64LE(at).toString());
}

/** The double at `at`. */
export function readDouble(source: Uint8Array, at: number): number {
  scratch.setInt32(0, readInt32(source, at), true);
  scratch.setInt32(4, readInt32(source, at + 4), true);
  return scratch.getFloat64(0, true);
}

/** Writes the finite double at `at`: the shortest digits that give it back, always with a point or an exponent. */
export function writeFiniteDouble(target: JsonBuffer, source: Uint8Array, at: number): void {
  const low = readInt32(source, at);
  const high = readInt32(source, at + 4);
  const slot = (low ^ high ^ (high >>> 11) ^ (low >>> 17)) & (SLOTS - 1);
  if (slotLengths[slot] === 0 || slotBits[slot * 2] !== low || slotBits[slot * 2 + 1] !== high) {
    const text = formatFiniteDouble(readDouble(source, at));
    slotBits[slot * 2] = low;
    slotBits[slot * 2 + 1] = high;
    slotLengths[slot] = text.length;
    for (let i = 0; i < text.length; i++) slotTexts[slot * SLOT_BYTES + i] = text.charCodeAt(i);
  }
  const { bytes } = target;
  let out = target.at;
  const end = slot * SLOT_BYTES + slotLengths[slot]!;
  for (let i = slot * SLOT_BYTES; i < end; i++) bytes[out++] = slotTexts[i]!;
  target.at = out;
}

/** The text of a finite double; `1.0` and `-0.0` keep their point. */
export function formatFiniteDouble(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text;
}

function decimalDigits(value: number): number {
  if (value < 100_000) return value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : 5;
  if (value < 10_000_000) return value < 1_000_000 ? 6 : 7;
  return value < 100_000_000 ? 8 : value < 1_000_000_000 ? 9 : 10;
}
