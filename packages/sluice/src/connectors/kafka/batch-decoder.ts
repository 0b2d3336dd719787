import { crc32c } from '@platformatic/kafka';
import { SluiceError } from '../../core/failure.ts';
import { ByteReader } from './byte-reader.ts';
import { COMPRESSIONS, decompress, UnpacksTooLarge } from './decompression.ts';

/** The header of a record batch, and where its records are. */
export interface BatchView {
  readonly topic: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly attributes: number;
  readonly firstTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: bigint;
  readonly count: number;
  readonly checksum: number;
  /** What the checksum is over: the rest of the header, and the records. */
  readonly checked: Buffer;
  /** The records as they are stored, perhaps compressed. */
  readonly records: Buffer;
}

/** One record of a topic. */
export interface ConsumedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: ReadonlyMap<string, Uint8Array>;
}

const LENGTH_AT = 8;
const MAGIC_AT = 16;
/** What comes before the part that the length counts. */
const PREFIX_BYTES = 12;
const CHECKED_FROM = 21;
const HEADER_BYTES = 61;
const MAGIC = 2;

const COMPRESSION = 0b111;
const LOG_APPEND_TIME = 1 << 3;
const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
const ABORT = 0;

/** Far more than topics take in one batch by default (1 MiB), compressed. */
const LARGEST_UNPACKED_BYTES = 128 * 1024 * 1024;

const NO_HEADERS: ReadonlyMap<string, Uint8Array> = new Map();
const NO_BYTES = new Uint8Array();

export function isTransactional(batch: BatchView): boolean {
  return (batch.attributes & TRANSACTIONAL) !== 0;
}

/** True for a batch that ends a transaction instead of holding data. */
export function isControl(batch: BatchView): boolean {
  return (batch.attributes & CONTROL) !== 0;
}

/** True when a control batch aborts its transaction. Compaction can leave one without its record. */
export function isAbortMarker({ records, count }: BatchView): boolean {
  if (count === 0) return false;
  const reader = new ByteReader(records);
  startRecord(reader);
  // The key of a control record: version and type, 16 bits each.
  return reader.varintBytes()?.readInt16BE(2) === ABORT;
}

/**
 * The complete record batches in `bytes`, in order; one that is cut off at the end is left out. Throws a `config` error
 * for batches of the formats before Kafka 0.11.
 */
export function* batchesIn(bytes: Buffer, topic: string): Generator<BatchView, void, void> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + Math.max(HEADER_BYTES, PREFIX_BYTES + bytes.readInt32BE(at + LENGTH_AT));
    if (end > bytes.length) return;
    if (bytes.readInt8(at + MAGIC_AT) !== MAGIC) throw oldFormat(topic);
    yield viewOf(bytes.subarray(at, end), topic);
    at = end;
  }
}

function viewOf(bytes: Buffer, topic: string): BatchView {
  const reader = new ByteReader(bytes);
  const firstOffset = reader.int64();
  reader.skip(9); // Length, leader epoch, magic.
  const checksum = reader.uint32();
  const attributes = reader.int16();
  const lastOffset = firstOffset + reader.int32();
  const firstTimestampMs = reader.int64();
  const maxTimestampMs = reader.int64();
  const producerId = reader.bigint64();
  reader.skip(6); // Producer epoch, sequence.
  const count = reader.int32();
  const records = bytes.subarray(HEADER_BYTES);
  const times = { firstTimestampMs, maxTimestampMs };
  const checked = bytes.subarray(CHECKED_FROM);
  return { topic, firstOffset, lastOffset, attributes, ...times, producerId, count, checksum, checked, records };
}

/**
 * The records of a batch of data. Throws classified errors when its bytes have changed since they were written, when they
 * are not what they say, and when they would fill the memory. Large zstd and gzip batches are unpacked in the thread pool.
 */
export async function recordsOf(batch: BatchView): Promise<ConsumedRecord[]> {
  // Compaction leaves batches without records, which are not compressed whatever they say.
  if (batch.count === 0) return [];
  if (crc32c(batch.checked) !== batch.checksum) throw damaged(batch);
  const reader = new ByteReader(await unpack(batch));
  const records: ConsumedRecord[] = [];
  try {
    while (records.length < batch.count) records.push(readRecord(reader, batch));
  } catch (error) {
    throw unreadable(batch, error);
  }
  return records;
}

function readRecord(reader: ByteReader, batch: BatchView): ConsumedRecord {
  const { timestampDelta, offsetDelta } = startRecord(reader);
  const key = reader.varintBytes();
  const value = reader.varintBytes();
  const headers = readHeaders(reader);
  const logTime = (batch.attributes & LOG_APPEND_TIME) !== 0;
  const timestampMs = logTime ? batch.maxTimestampMs : batch.firstTimestampMs + timestampDelta;
  return { offset: batch.firstOffset + offsetDelta, timestampMs, key, value, headers };
}

function startRecord(reader: ByteReader): { readonly timestampDelta: number; readonly offsetDelta: number } {
  reader.varint(); // Length.
  reader.skip(1); // Attributes, unused.
  return { timestampDelta: reader.varint(), offsetDelta: reader.varint() };
}

function readHeaders(reader: ByteReader): ReadonlyMap<string, Uint8Array> {
  const count = reader.varint();
  if (count <= 0) return NO_HEADERS;
  const headers = new Map<string, Uint8Array>();
  for (let left = count; left > 0; left--) {
    const name = reader.varintBytes()?.toString() ?? '';
    headers.set(name, reader.varintBytes() ?? NO_BYTES);
  }
  return headers;
}

async function unpack(batch: BatchView): Promise<Buffer> {
  const codec = batch.attributes & COMPRESSION;
  if (COMPRESSIONS[codec] === undefined) throw unknownCompression(codec);
  try {
    return await decompress(batch.records, codec, LARGEST_UNPACKED_BYTES);
  } catch (error) {
    throw error instanceof UnpacksTooLarge ? tooLarge(batch) : unreadable(batch, error);
  }
}

function unknownCompression(codec: number): SluiceError {
  return new SluiceError(`records are compressed in a way that is not known (${codec})`, {
    kind: 'config',
    code: 'kafka.compression',
    hint: 'Known are gzip, snappy, lz4 and zstd.',
  });
}

function tooLarge(batch: BatchView): SluiceError {
  const limit = `${LARGEST_UNPACKED_BYTES / 1024 ** 2} MiB`;
  return new SluiceError(`the ${placeOfBatch(batch)} unpack to more than ${limit}`, {
    kind: 'config',
    code: 'kafka.batch-too-large',
    hint: `No usual producer makes such a batch. ${passOver(batch)}`,
  });
}

/** Its checksum is right: its producer wrote it like this, and it will stay so. */
function unreadable(batch: BatchView, cause: unknown): SluiceError {
  const codec = COMPRESSIONS[batch.attributes & COMPRESSION];
  return new SluiceError(`the ${placeOfBatch(batch)} are not what their header says (compression: ${codec})`, {
    kind: 'config',
    code: 'kafka.records-unreadable',
    hint: `They were written like this. ${passOver(batch)}`,
    cause,
  });
}

function placeOfBatch({ topic, firstOffset }: BatchView): string {
  return `records from offset ${firstOffset} of the topic "${topic}"`;
}

function passOver({ lastOffset }: BatchView): string {
  return `To go on behind them, stop all workers of the group and set its offset to ${lastOffset + 1} (kafka-consumer-groups.sh --reset-offsets --to-offset).`;
}

function damaged({ firstOffset }: BatchView): SluiceError {
  return new SluiceError(`the checksum of the records at offset ${firstOffset} does not match`, {
    kind: 'transient',
    code: 'kafka.records-damaged',
    hint: 'If it stays, the log of the leader is damaged: let another replica lead the partition.',
  });
}

function oldFormat(topic: string): SluiceError {
  return new SluiceError(`the topic "${topic}" holds records in a format of before Kafka 0.11`, {
    kind: 'config',
    code: 'kafka.message-format',
    hint: 'Copy the topic with a newer Kafka, or start behind these records (`startAt`).',
  });
}
