const PAD = 0x3d;
const NO_DIGIT = 0xff;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The value of each digit. */
const DIGITS = new Uint8Array(256).fill(NO_DIGIT);
for (let i = 0; i < ALPHABET.length; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

/** How many bytes the base64 text from `start` to `end` stands for; undefined when it is none, or has no padding. */
export function base64Size(bytes: Uint8Array, start: number, end: number): number | undefined {
  const length = end - start;
  if (length % 4 !== 0) return undefined;
  if (length === 0) return 0;
  const padding = bytes[end - 1] !== PAD ? 0 : bytes[end - 2] !== PAD ? 1 : 2;
  for (let i = start; i < end - padding; i++) if (DIGITS[bytes[i]!] === NO_DIGIT) return undefined;
  return (length / 4) * 3 - padding;
}

/** Decodes the text at `from`, which `base64Size` has accepted, to `to`, which must be in front of it. */
export function decodeBase64(bytes: Uint8Array, from: number, to: number, size: number): void {
  let i = from;
  let at = to;
  const end = to + size;
  while (at < end) {
    const group =
      (DIGITS[bytes[i]!]! << 18) |
      (DIGITS[bytes[i + 1]!]! << 12) |
      ((DIGITS[bytes[i + 2]!]! & 63) << 6) |
      (DIGITS[bytes[i + 3]!]! & 63);
    i += 4;
    bytes[at++] = group >> 16;
    if (at < end) bytes[at++] = group >> 8;
    if (at < end) bytes[at++] = group;
  }
}
