import { isUtf8 } from 'node:buffer';
import { malformedJson, noBsonForm } from './malformed-json.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const FIRST_HIGH = 0x80;
const NOTHING = Buffer.alloc(0);
/** Below this length a loop is faster than a call into the runtime. */
const SHORT_TEXT = 32;
const FIRST_SCRATCH_BYTES = 64 * 1024;
/** A larger scratch is given back after the record that needed it. */
const KEPT_SCRATCH_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** No event is that large; what grows to it only wants to fill the memory. */
const MAX_BYTES = 256 * 1024 * 1024;
/** What is free before an element: its type, the number of an array element, the start of a text, a value of fixed length. */
export const ELEMENT_BYTES = 64;
const ROOM_FOR_TEXT = 40;
/** Longest UTF-8 form of an escape. */
const ESCAPE_BYTES = 8;

/** 1 for the bytes that stand for themselves inside a JSON string: printable ASCII without quote and backslash. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte < FIRST_HIGH && byte !== QUOTE && byte !== BACKSLASH),
);
/** What the letter behind a backslash stands for. */
const ESCAPES = new Uint8Array(256);
for (const pair of ['""', '\\\\', '//', 'b\b', 't\t', 'n\n', 'f\f', 'r\r']) {
  ESCAPES[pair.charCodeAt(0)] = pair.charCodeAt(1);
}

/**
 * The input and the output of a transcoder from JSON to BSON, and everything about text. Output is written to a scratch
 * that is used again; `taken` copies what is done into memory that is not.
 */
export class JsonText {
  protected source: Buffer = NOTHING;
  /** The next byte of the input. */
  protected in = 0;
  protected out: Buffer = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);
  /** The next byte of the output. */
  protected at = 0;
  #chunk: Buffer = NOTHING;
  #chunkAt = 0;

  protected begin(source: Buffer): void {
    if (this.out.length > KEPT_SCRATCH_BYTES) this.out = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);
    this.source = source;
    this.in = 0;
    this.at = 0;
  }

  /** A copy of the output from `start` on. */
  protected taken(start: number): Buffer {
    const length = this.at - start;
    this.source = NOTHING;
    if (length > CHUNK_BYTES >> 2) return Buffer.from(this.out.subarray(start, this.at));
    if (length > this.#chunk.length - this.#chunkAt) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#chunkAt = 0;
    }
    const from = this.#chunkAt;
    this.#chunkAt += length;
    this.out.copy(this.#chunk, from, start, this.at);
    return this.#chunk.subarray(from, this.#chunkAt);
  }

  /** Makes room for `bytes` more. */
  protected reserve(bytes: number): void {
    if (this.at + bytes > this.out.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    if (this.at + bytes > MAX_BYTES) throw noBsonForm(`it is larger than ${MAX_BYTES} bytes`);
    const larger = Buffer.allocUnsafeSlow((this.at + bytes) * 2);
    this.out.copy(larger, 0, 0, this.at);
    this.out = larger;
  }

  /** Writes a little-endian int32 at an offset of the output. */
  protected int32(at: number, value: number): void {
    const { out } = this;
    out[at] = value;
    out[at + 1] = value >>> 8;
    out[at + 2] = value >>> 16;
    out[at + 3] = value >>> 24;
  }

  /** Reads exactly these bytes. */
  protected literal(expected: Buffer): void {
    const { source } = this;
    const start = this.in;
    for (let i = 0; i < expected.length; i++) {
      if (source[start + i] !== expected[i]) throw malformedJson('a value is expected', start);
    }
    this.in = start + expected.length;
  }

  /** Reads a JSON string as a name with its end. */
  protected name(): void {
    const start = this.at;
    const escaped = this.#characters();
    // Only an escape can make a zero byte.
    if (escaped && this.out.subarray(start, this.at).includes(0)) throw noBsonForm('a name holds a zero character');
    this.out[this.at++] = 0;
  }

  /** Reads a JSON string as a BSON string with its length. */
  protected string(): void {
    const start = this.at;
    this.at = start + 4;
    this.#characters();
    this.out[this.at++] = 0;
    this.int32(start, this.at - start - 4);
  }

  /** Reads the JSON string at `in`; room for a few more bytes is left. True when it was not only plain ASCII. */
  #characters(): boolean {
    const { source, out } = this;
    const start = this.in + 1;
    let i = start;
    let { at } = this;
    // Most texts are short: they are copied on the way, into room that is there before every element.
    for (const stop = start + ROOM_FOR_TEXT; i < stop && PLAIN[source[i]!] === 1; i++) out[at++] = source[i]!;
    if (source[i] === QUOTE) {
      this.at = at;
      this.in = i + 1;
      return false;
    }
    while (PLAIN[source[i]!] === 1) i++;
    if (source[i] !== QUOTE) {
      this.#anyCharacters(start, i);
      return true;
    }
    this.#copy(start, i);
    this.in = i + 1;
    return false;
  }

  #copy(from: number, to: number): void {
    const length = to - from;
    this.reserve(length + ESCAPE_BYTES);
    const { source, out, at } = this;
    if (length < SHORT_TEXT) for (let i = 0; i < length; i++) out[at + i] = source[from + i]!;
    else source.copy(out, at, from, to);
    this.at = at + length;
  }

  /** A string with escapes or characters outside of ASCII. */
  #anyCharacters(start: number, firstOther: number): void {
    const { source } = this;
    const textAt = this.at;
    let runStart = start;
    let high = false;
    let i = firstOther;
    for (;;) {
      const byte = source[i];
      if (byte === undefined) throw malformedJson('a text has no end', i);
      if (byte >= FIRST_HIGH) high = true;
      else if (byte === QUOTE) break;
      else if (byte < 0x20) throw malformedJson('a text holds a control character', i);
      else if (byte === BACKSLASH) {
        this.#copy(runStart, i);
        i = this.#escape(i + 1);
        runStart = i;
        continue;
      }
      i++;
    }
    this.#copy(runStart, i);
    this.in = i + 1;
    if (high && !isUtf8(this.out.subarray(textAt, this.at))) throw malformedJson('a text is not valid UTF-8', start);
  }

  /** Writes what the escape stands for whose letter is at `at`; returns what is behind it. */
  #escape(at: number): number {
    const letter = this.source[at] ?? 0;
    if (letter !== LETTER_U) {
      const byte = ESCAPES[letter]!;
      if (byte === 0) throw malformedJson('a text holds an unknown escape', at);
      this.out[this.at++] = byte;
      return at + 1;
    }
    const unit = this.#unit(at);
    if (unit < 0xd800 || unit > 0xdfff) {
      this.#codePoint(unit);
      return at + 5;
    }
    const second = unit < 0xdc00 && this.source[at + 5] === BACKSLASH && this.source[at + 6] === LETTER_U;
    const low = second ? this.#unit(at + 6) : 0;
    if (low < 0xdc00 || low > 0xdfff) throw noBsonForm('a text holds half of a character (a lone surrogate)');
    this.#codePoint(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    return at + 11;
  }

  /** The four hex digits behind the `u` at `at`. */
  #unit(at: number): number {
    let unit = 0;
    for (let i = 1; i <= 4; i++) {
      const byte = this.source[at + i] ?? 0;
      const lower = byte | 0x20;
      const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
      if (digit < 0) throw malformedJson('a text holds a broken escape', at);
      unit = unit * 16 + digit;
    }
    return unit;
  }

  #codePoint(code: number): void {
    const { out } = this;
    if (code < 0x80) out[this.at++] = code;
    else if (code < 0x800) {
      out[this.at++] = 0xc0 | (code >> 6);
      out[this.at++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      out[this.at++] = 0xe0 | (code >> 12);
      out[this.at++] = 0x80 | ((code >> 6) & 0x3f);
      out[this.at++] = 0x80 | (code & 0x3f);
    } else {
      out[this.at++] = 0xf0 | (code >> 18);
      out[this.at++] = 0x80 | ((code >> 12) & 0x3f);
      out[this.at++] = 0x80 | ((code >> 6) & 0x3f);
      out[this.at++] = 0x80 | (code & 0x3f);
    }
  }
}
