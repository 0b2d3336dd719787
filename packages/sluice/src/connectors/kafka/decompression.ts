import { promisify } from 'node:util';
import { gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import { ByteReader } from './byte-reader.ts';

/** Kafka's names of the compressions by number. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Below this size going to another thread costs more than it saves (compression.ts has the measurement). */
const THREAD_POOL_FROM_BYTES = 64 * 1024;

/** What producers of `snappy` from Java put in front: this mark and two versions, then chunks behind their lengths. */
const XERIAL_MARK = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

const LZ4_FLAGS_AT = 4;
const LZ4_BLOCK_CHECKSUM = 1 << 4;
const LZ4_CONTENT_SIZE = 1 << 3;
const LZ4_DICTIONARY = 1;
const LZ4_STORED_BLOCK = 0x8000_0000;
/** One byte stands for 255 at most. */
const LZ4_HIGHEST_RATIO = 255;

const gunzipInPool = promisify(gunzip);
const zstdInPool = promisify(zstdDecompress);

/** The bytes would become more than the limit. */
export class UnpacksTooLarge extends Error {}

/**
 * Unpacks what is compressed in one of `COMPRESSIONS`, large gzip and zstd in the thread pool. Throws `UnpacksTooLarge`
 * before more than `limitBytes` are taken up, and errors of the libraries for what is not compressed in that way.
 */
export async function decompress(bytes: Buffer, codec: number, limitBytes: number): Promise<Buffer> {
  const large = bytes.length >= THREAD_POOL_FROM_BYTES;
  const limit = { maxOutputLength: limitBytes };
  const { snappy, lz4 } = compressionsAlgorithms;
  try {
    if (codec === 1) return await (large ? gunzipInPool(bytes, limit) : gunzipSync(bytes, limit));
    if (codec === 4) return await (large ? zstdInPool(bytes, limit) : zstdDecompressSync(bytes, limit));
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? new UnpacksTooLarge() : error;
  }
  if (codec === 0) return bytes;
  // These two have no limit of their own.
  const expected = codec === 2 ? snappyBytes(bytes) : lz4Bytes(bytes);
  if (expected > limitBytes) throw new UnpacksTooLarge();
  return codec === 2 ? snappy.decompressSync(bytes) : lz4.decompressSync(bytes);
}

/** What the bytes say that they become; the library takes up that much at once. */
function snappyBytes(bytes: Buffer): number {
  if (!bytes.subarray(0, XERIAL_MARK.length).equals(XERIAL_MARK)) return new ByteReader(bytes).unsignedVarint();
  let sum = 0;
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    sum += new ByteReader(bytes.subarray(at + 4, at + 4 + length)).unsignedVarint();
    at += 4 + length;
  }
  return sum;
}

/** The most that the blocks of the frame can become. */
function lz4Bytes(bytes: Buffer): number {
  const flags = bytes.readUInt8(LZ4_FLAGS_AT);
  // 4 to 7: 64 KiB, 256 KiB, 1 MiB, 4 MiB.
  const largestBlock = 2 ** (8 + 2 * ((bytes.readUInt8(LZ4_FLAGS_AT + 1) >> 4) & 0b111));
  const optional = (flags & LZ4_CONTENT_SIZE ? 8 : 0) + (flags & LZ4_DICTIONARY ? 4 : 0);
  const checksum = flags & LZ4_BLOCK_CHECKSUM ? 4 : 0;
  let sum = 0;
  for (let at = LZ4_FLAGS_AT + 3 + optional; at + 4 <= bytes.length; ) {
    const size = bytes.readUInt32LE(at);
    if (size === 0) break;
    const stored = size >= LZ4_STORED_BLOCK ? size - LZ4_STORED_BLOCK : size;
    sum += Math.min(largestBlock, size >= LZ4_STORED_BLOCK ? stored : stored * LZ4_HIGHEST_RATIO);
    at += 4 + stored + checksum;
  }
  return sum;
}
