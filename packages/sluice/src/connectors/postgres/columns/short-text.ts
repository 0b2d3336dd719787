import { readInt32, readUint32 } from '../../../bson/elements.ts';

/*
 * Texts of a few characters, put together faster than by a call into the runtime for each of them.
 */

const TWO_32 = 2 ** 32;
/** High words of integers that are exact as numbers. */
const SAFE_HIGH = 2 ** 21;
const MILLION = 1_000_000;
/** Numbers above have to be made of more than two parts. */
const LARGEST = MILLION * 2 ** 31;
const THREE_DIGITS = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));

/** Whether the int64 at `at` is exact as a number: of at most 53 bits. */
export function isSafeInt64(source: Uint8Array, at: number): boolean {
  const high = readInt32(source, at + 4);
  return high >= -SAFE_HIGH && high < SAFE_HIGH;
}

/** The int64 at `at` in decimal, every digit. */
export function int64Text(source: Buffer, at: number): string {
  if (!isSafeInt64(source, at)) return source.readBigInt64LE(at).toString();
  const value = readInt32(source, at + 4) * TWO_32 + readUint32(source, at);
  // The runtime is fast with small integers and slow with those that it keeps as doubles.
  if (value < MILLION || value >= LARGEST) return String(value);
  const millions = Math.floor(value / MILLION);
  const rest = value - millions * MILLION;
  const thousands = (rest / 1000) | 0;
  return String(millions) + THREE_DIGITS[thousands]! + THREE_DIGITS[rest - thousands * 1000]!;
}

/** The ASCII characters from `start` to `end`. */
export function asciiText(source: Uint8Array, start: number, end: number): string {
  let text = '';
  let at = start;
  for (; at + 4 <= end; at += 4) {
    text += String.fromCharCode(source[at]!, source[at + 1]!, source[at + 2]!, source[at + 3]!);
  }
  for (; at < end; at++) text += String.fromCharCode(source[at]!);
  return text;
}
