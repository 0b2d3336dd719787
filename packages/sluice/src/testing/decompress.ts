/** Reads what the two compressions of Kafka hold that neither kafkajs nor Node can read: lz4 frames and snappy. */

const LZ4_MAGIC = 0x184d2204;
const LZ4_SHORTEST_MATCH = 4;
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

/** Unpacks an lz4 frame (LZ4 frame format 1.6). Checksums are not checked. */
export function decompressLz4(frame: Buffer): Buffer {
  if (frame.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('not an lz4 frame');
  const flags = frame.readUInt8(4);
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  // Magic, flags, block size, then content size and dictionary id if announced, then the header's checksum.
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  const output = new Output(frame.length * 4);
  for (;;) {
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) return output.finish();
    const end = at + (size & 0x7fffffff);
    const block = frame.subarray(at, end);
    if (size >= 0x80000000) output.append(block);
    else unpackLz4Block(block, output);
    at = end + blockChecksumBytes;
  }
}

/** Unpacks snappy: plain, or in the frames of snappy-java. */
export function decompressSnappy(packed: Buffer): Buffer {
  const output = new Output(packed.length * 4);
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    unpackSnappyBlock(packed, output);
    return output.finish();
  }
  for (let at = XERIAL_HEADER_BYTES; at < packed.length; ) {
    const size = packed.readUInt32BE(at);
    const block = new Output(size * 4);
    unpackSnappyBlock(packed.subarray(at + 4, at + 4 + size), block);
    output.append(block.finish());
    at += 4 + size;
  }
  return output.finish();
}

function unpackLz4Block(block: Buffer, output: Output): void {
  let at = 0;
  /** A length of 15 goes on in the following bytes, up to the first that is not 255. */
  const extended = (length: number) => {
    if (length < 15) return length;
    let total = length;
    for (;;) {
      const more = block.readUInt8(at++);
      total += more;
      if (more !== 255) return total;
    }
  };
  while (at < block.length) {
    const token = block.readUInt8(at++);
    const literals = extended(token >> 4);
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at >= block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, extended(token & 0x0f) + LZ4_SHORTEST_MATCH);
  }
}

function unpackSnappyBlock(block: Buffer, output: Output): void {
  let at = 0;
  while (block.readUInt8(at++) >= 0x80);
  while (at < block.length) {
    const tag = block.readUInt8(at++);
    const kind = tag & 0x03;
    if (kind === 0) {
      const short = tag >> 2;
      const lengthBytes = short < 60 ? 0 : short - 59;
      const length = (lengthBytes === 0 ? short : block.readUIntLE(at, lengthBytes)) + 1;
      at += lengthBytes;
      output.append(block.subarray(at, at + length));
      at += length;
    } else if (kind === 1) {
      output.repeat(((tag >> 5) << 8) | block.readUInt8(at++), ((tag >> 2) & 0x07) + 4);
    } else {
      const distanceBytes = kind === 2 ? 2 : 4;
      output.repeat(block.readUIntLE(at, distanceBytes), (tag >> 2) + 1);
      at += distanceBytes;
    }
  }
}

/** Bytes that grow, and can repeat what they end with. */
class Output {
  #bytes: Buffer;
  #length = 0;

  constructor(expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(64, expectedBytes));
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Copies byte by byte: the copied range may reach into what is being written. */
  repeat(distance: number, length: number): void {
    if (distance === 0 || distance > this.#length) throw new Error('the compressed data is damaged');
    this.#reserve(length);
    for (let left = length; left > 0; left--) {
      this.#bytes[this.#length] = this.#bytes[this.#length - distance] ?? 0;
      this.#length += 1;
    }
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
