import { crc32c, Writer } from '@platformatic/kafka';
import type { BufferPool } from './buffer-pool.ts';
import { varintLength, writeVarint } from './varint.ts';

/**
 * Kafka's record batch (format 2), written straight into one buffer. The client library builds every record from a
 * dozen small buffers, which costs several times as much as everything else on the way of an event.
 */

/** Size of the header of a batch; the records follow. */
export const BATCH_HEADER_BYTES = 61;

/** A record without headers: the encoded block is only their count. */
export const NO_HEADERS: HeaderBlock = { bytes: Buffer.from([0]), length: 1 };

/** The headers of a record as they are on the wire: their count, then names and values with their lengths. */
export interface HeaderBlock {
  /** Only the first `length` bytes count. */
  readonly bytes: Buffer;
  readonly length: number;
}

/** What goes into one record. */
export interface RecordParts {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: HeaderBlock;
}

/** Who writes a batch; changes between building and sending, so it is filled in last. */
export interface BatchOrigin {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly transactional: boolean;
}

const TRANSACTIONAL = 1 << 4;
const FORMAT = 2;
const OFFSET = {
  length: 8,
  leaderEpoch: 12,
  format: 16,
  crc: 17,
  attributes: 21,
  lastDelta: 23,
  firstTime: 27,
} as const;
const OFFSET_PRODUCER = { maxTime: 35, id: 43, epoch: 51, sequence: 53, count: 57 } as const;

/** Bytes that a record takes at place `index` of its batch. */
export function recordLength(record: RecordParts, index: number): number {
  const body = bodyLength(record, index);
  return varintLength(body) + body;
}

function bodyLength({ key, value, headers }: RecordParts, index: number): number {
  const keyBytes = key === null ? 1 : varintLength(key.length) + key.length;
  const valueBytes = value === null ? 1 : varintLength(value.length) + value.length;
  return 2 + varintLength(index) + keyBytes + valueBytes + headers.length;
}

/** Collects the records of one batch in a pooled buffer, behind room for the header. */
export class RecordBatchBuilder {
  readonly #pool: BufferPool;
  #buffer: Buffer;
  #length = BATCH_HEADER_BYTES;
  #count = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#buffer = pool.take(BATCH_HEADER_BYTES);
  }

  get count(): number {
    return this.#count;
  }

  /** Size of the batch as it is now, uncompressed and with its header. */
  get length(): number {
    return this.#length;
  }

  append(record: RecordParts): void {
    const { key, value, headers } = record;
    const body = bodyLength(record, this.#count);
    this.#reserve(body + 5);
    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#length, body);
    // Attributes are unused; all records have the time of the batch, so the difference is 0.
    buffer[at++] = 0;
    buffer[at++] = 0;
    at = writeVarint(buffer, at, this.#count);
    at = writeBytes(buffer, at, key);
    at = writeBytes(buffer, at, value);
    headers.bytes.copy(buffer, at, 0, headers.length);
    this.#length = at + headers.length;
    this.#count += 1;
  }

  /** The finished records (without the header) as a view; valid until `release`. */
  records(): Buffer {
    return this.#buffer.subarray(BATCH_HEADER_BYTES, this.#length);
  }

  /** The uncompressed batch with its header as a view, to be sealed; valid until `release`. */
  batch(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Gives the buffer back; the builder and its views must not be used again. */
  release(): void {
    this.#pool.give(this.#buffer);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = this.#pool.take(Math.max(this.#length + bytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#pool.give(this.#buffer);
    this.#buffer = larger;
  }
}

function writeBytes(target: Buffer, offset: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(target, offset, -1);
  const at = writeVarint(target, offset, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}

/** Fills in everything of the header that is known when the batch is built. `codec` is Kafka's compression number. */
export function writeBatchHeader(batch: Buffer, fields: { count: number; codec: number; timeMs: number }): void {
  batch.fill(0, 0, BATCH_HEADER_BYTES);
  batch.writeInt32BE(batch.length - OFFSET.leaderEpoch, OFFSET.length);
  batch.writeInt32BE(-1, OFFSET.leaderEpoch);
  batch[OFFSET.format] = FORMAT;
  batch.writeInt16BE(fields.codec, OFFSET.attributes);
  batch.writeInt32BE(fields.count - 1, OFFSET.lastDelta);
  const time = BigInt(fields.timeMs);
  batch.writeBigInt64BE(time, OFFSET.firstTime);
  batch.writeBigInt64BE(time, OFFSET_PRODUCER.maxTime);
  batch.writeInt32BE(fields.count, OFFSET_PRODUCER.count);
}

/** Fills in the producer and the checksum over everything behind it: the last step before sending. */
export function sealBatch(batch: Buffer, origin: BatchOrigin): void {
  const codec = batch.readInt16BE(OFFSET.attributes) & ~TRANSACTIONAL;
  batch.writeInt16BE(origin.transactional ? codec | TRANSACTIONAL : codec, OFFSET.attributes);
  batch.writeBigInt64BE(origin.producerId, OFFSET_PRODUCER.id);
  batch.writeInt16BE(origin.producerEpoch, OFFSET_PRODUCER.epoch);
  batch.writeInt32BE(origin.firstSequence, OFFSET_PRODUCER.sequence);
  // The library copies a plain buffer before it hashes; its own buffer type is hashed where it is.
  const hashed = Writer.create().append(batch.subarray(OFFSET.attributes)).dynamicBuffer;
  batch.writeUInt32BE(crc32c(hashed) >>> 0, OFFSET.crc);
}
