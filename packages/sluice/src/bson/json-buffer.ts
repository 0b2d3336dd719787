import { invalidUtf8 } from './malformed.ts';

const DEFAULT_CHUNK_BYTES = 128 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const LETTER_U = 0x75;
const HEX = Buffer.from('0123456789abcdef');

/** 1 for the bytes that stand for themselves inside a JSON string: printable ASCII without quote and backslash. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH),
);
/** The letter behind the backslash for the characters that have one, else 0. */
const ESCAPES = new Uint8Array(256);
for (const pair of ['""', '\\\\', '\bb', '\tt', '\nn', '\ff', '\rr']) ESCAPES[pair.charCodeAt(0)] = pair.charCodeAt(1);
const NOTHING = Buffer.alloc(0);
/**
 * What is always free before an element of a document is written: its fixed parts, and one closing bracket for each
 * level of nesting.
 */
const RESERVE_BYTES = 512;
/** Below this length a loop is faster than a call into the runtime. */
const SHORT_TEXT = 32;

/**
 * The output of an encoder: bytes of one record after the other, in chunks that are never written again once a record
 * is handed out, so that records can be kept without a copy. A record that outgrows its chunk moves to a larger one.
 *
 * Room is made in advance: `reserve` before each element covers its punctuation, numbers and other short parts, which
 * are stored through `bytes` and `at` without looking; whatever has no fixed length makes room for itself and leaves
 * the reserve behind it.
 */
export class JsonBuffer {
  bytes: Buffer = NOTHING;
  at = 0;
  readonly #chunkBytes: number;
  /** Up to here `at` leaves the reserve. */
  #limit = -RESERVE_BYTES;
  #start = 0;
  #done = 0;

  /** Chunks have this size, or that of a larger record. */
  constructor(chunkBytes = DEFAULT_CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** Starts a record that is likely to need `sizeHint` bytes; what an abandoned record has written is forgotten. */
  begin(sizeHint: number): void {
    if (this.#limit - this.#done < sizeHint) this.#renew(sizeHint + RESERVE_BYTES);
    this.#start = this.#done;
    this.at = this.#done;
  }

  /** The finished record. */
  end(): Buffer {
    // A chunk that was made for one large record is left to it, so that small ones do not keep it in memory.
    this.#done = this.bytes.length > this.#chunkBytes ? this.bytes.length : this.at;
    return this.bytes.subarray(this.#start, this.at);
  }

  /** Gives the space of all records back; for scratch buffers whose content is copied before the next `begin`. */
  rewind(): void {
    if (this.bytes.length > this.#chunkBytes) this.#use(NOTHING);
    this.#done = 0;
  }

  /** Makes room for the parts of an element that have no length of their own. */
  reserve(): void {
    if (this.at > this.#limit) this.#grow(0);
  }

  /** Writes bytes that are JSON already. */
  raw(source: Uint8Array): void {
    const { length } = source;
    if (this.at + length > this.#limit) this.#grow(length);
    const { bytes, at } = this;
    if (length < SHORT_TEXT) for (let i = 0; i < length; i++) bytes[at + i] = source[i]!;
    else bytes.set(source, at);
    this.at = at + length;
  }

  /** Writes ASCII text as it is. */
  ascii(text: string): void {
    const { length } = text;
    if (this.at + length > this.#limit) this.#grow(length);
    const { bytes, at } = this;
    if (length < SHORT_TEXT) for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    else bytes.write(text, at, 'latin1');
    this.at = at + length;
  }

  /** Writes the lower-case hex of a few bytes, from `start` to `end`. */
  hex(source: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    let { at } = this;
    for (let i = start; i < end; i++) {
      const byte = source[i]!;
      bytes[at] = HEX[byte >> 4]!;
      bytes[at + 1] = HEX[byte & 15]!;
      at += 2;
    }
    this.at = at;
  }

  /** Writes a number from 0 to 99 with two digits. */
  twoDigits(value: number): void {
    const tens = (value / 10) | 0;
    this.bytes[this.at] = ZERO + tens;
    this.bytes[this.at + 1] = ZERO + value - tens * 10;
    this.at += 2;
  }

  /** Writes the UTF-8 bytes from `start` to `end` as a JSON string. Throws `bson.invalid-utf8`. */
  text(source: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = QUOTE;
    const stop = Math.min(end, start + this.#limit - at);
    let i = start;
    while (i < stop) {
      const byte = source[i]!;
      if (PLAIN[byte] === 0) break;
      bytes[at++] = byte;
      i++;
    }
    this.at = at;
    if (i < end) this.#anyText(source, i, end);
    this.bytes[this.at++] = QUOTE;
  }

  /**
   * Writes the zero-terminated name at `start` as a JSON string and returns where it ends; the caller makes sure that
   * a zero byte follows. Throws `bson.invalid-utf8`.
   */
  name(source: Uint8Array, start: number): number {
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = QUOTE;
    const stop = start + this.#limit - at;
    let i = start;
    while (i < stop) {
      const byte = source[i]!;
      if (PLAIN[byte] === 0) break;
      bytes[at++] = byte;
      i++;
    }
    this.at = at;
    if (source[i] !== 0) {
      const end = source.indexOf(0, i);
      this.#anyText(source, i, end);
      i = end;
    }
    this.bytes[this.at++] = QUOTE;
    return i;
  }

  /** Goes on with a text that needs escapes, has characters outside of ASCII or does not fit the chunk. */
  #anyText(source: Uint8Array, start: number, end: number): void {
    let { bytes, at } = this;
    let i = start;
    while (i < end) {
      if (at > this.#limit) {
        this.at = at;
        this.#grow(end - i);
        bytes = this.bytes;
        at = this.at;
      }
      const byte = source[i]!;
      const letter = ESCAPES[byte]!;
      if (PLAIN[byte] !== 0) {
        bytes[at++] = byte;
        i++;
      } else if (letter !== 0) {
        bytes[at++] = BACKSLASH;
        bytes[at++] = letter;
        i++;
      } else if (byte < 0x20) {
        for (const digit of [BACKSLASH, LETTER_U, ZERO, ZERO, HEX[byte >> 4]!, HEX[byte & 15]!]) bytes[at++] = digit;
        i++;
      } else {
        const next = i + sequenceLength(source, i, end);
        while (i < next) bytes[at++] = source[i++]!;
      }
    }
    this.at = at;
    this.reserve();
  }

  /** Moves the record to a chunk where `more` bytes and the reserve are free. */
  #grow(more: number): void {
    const written = this.bytes.subarray(this.#start, this.at);
    this.#renew((written.length + more) * 2 + RESERVE_BYTES);
    this.bytes.set(written);
    this.#start = 0;
    this.at = written.length;
  }

  #renew(size: number): void {
    this.#use(Buffer.allocUnsafeSlow(Math.max(size, this.#chunkBytes)));
    this.#done = 0;
  }

  #use(chunk: Buffer): void {
    this.bytes = chunk;
    this.#limit = chunk.length - RESERVE_BYTES;
  }
}

/**
 * Length of the multi-byte UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF). Throws `bson.invalid-utf8`.
 */
function sequenceLength(source: Uint8Array, at: number, end: number): number {
  const first = source[at]!;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > end) throw invalidUtf8('text');
  const second = source[at + 1]!;
  let lowest = 0x80;
  let highest = 0xbf;
  if (first === 0xe0) lowest = 0xa0;
  else if (first === 0xed) highest = 0x9f;
  else if (first === 0xf0) lowest = 0x90;
  else if (first === 0xf4) highest = 0x8f;
  if (second < lowest || second > highest) throw invalidUtf8('text');
  for (let i = at + 2; i < at + length; i++) if ((source[i]! & 0xc0) !== 0x80) throw invalidUtf8('text');
  return length;
}
