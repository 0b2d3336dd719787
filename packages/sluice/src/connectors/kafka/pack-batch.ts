import { formatNamespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Codec } from './compression.ts';
import { partitionOf } from './murmur2.ts';
import type { OutgoingBatch } from './produce.ts';
import {
  BATCH_HEADER_BYTES,
  type HeaderBlock,
  NO_HEADERS,
  RecordBatchBuilder,
  type RecordParts,
  recordLength,
  writeBatchHeader,
} from './record-batch.ts';
import type { HeaderWriter } from './record-headers.ts';
import type { ShapedRecord } from './shape-batch.ts';
import type { TopicInfo } from './topics.ts';

/** Records of one partition, ready to be sent. */
export interface PackedBatch extends OutgoingBatch {
  /** The events behind the records, in order; several records of one event count once. */
  readonly envelopes: readonly Envelope[];
  /** Call it when the bytes are no longer needed. */
  release(): void;
}

/** Batches in an order that keeps each partition's own, and the events that no batch can hold. */
export interface PackedRecords {
  readonly batches: readonly PackedBatch[];
  readonly rejections: readonly Rejection[];
}

/** What packing needs besides the records. */
export interface PackOptions {
  readonly topicOf: (topic: string) => TopicInfo;
  readonly headers: HeaderWriter;
  readonly codec: Codec;
  readonly pool: BufferPool;
}

/**
 * Puts the records into one batch per partition, or several where the topic's limit would be passed (uncompressed, to
 * be sure), and compresses them. The records are copied before this returns; only the compression goes on afterwards.
 * An event that is too large for any batch travels alone and is rejected only when it stays too large compressed.
 */
export function packRecords(records: readonly ShapedRecord[], options: PackOptions): Promise<PackedRecords> {
  const open = new Map<string, (OpenBatch | undefined)[]>();
  const all: OpenBatch[] = [];
  const timeMs = Date.now();
  let topic: TopicInfo | undefined;
  let partitions: (OpenBatch | undefined)[] = [];
  for (const shaped of records) {
    if (topic?.name !== shaped.topic) {
      topic = options.topicOf(shaped.topic);
      partitions = open.get(topic.name) ?? [];
      open.set(topic.name, partitions);
    }
    const partition = partitionOf(shaped.record.key, topic.partitions);
    const parts = partsOf(shaped, options.headers);
    const tombstoneBytes = shaped.record.tombstoneFollows ? tombstoneRoom(parts) : 0;
    let batch = partitions[partition];
    if (batch === undefined || !batch.takes(parts, tombstoneBytes)) {
      batch = new OpenBatch(topic, partition, options.pool);
      partitions[partition] = batch;
      all.push(batch);
    }
    batch.add(shaped.envelope, parts);
    if (shaped.record.tombstoneFollows) batch.add(shaped.envelope, tombstone(shaped, options.headers));
  }
  return finish(all, options, timeMs);
}

/** A record of a topic that holds our own state: no headers, always in partition 0. */
export interface KeyedRecord {
  readonly key: string;
  readonly value: string | null;
}

/** Packs records of our own in their order, in as few batches as the topic takes; a single one may be too large. */
export function packKeyed(
  topic: TopicInfo,
  records: readonly KeyedRecord[],
  options: Pick<PackOptions, 'codec' | 'pool'>,
): Promise<PackedBatch[]> {
  const all: OpenBatch[] = [];
  for (const { key, value } of records) {
    const parts: RecordParts = {
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: NO_HEADERS,
    };
    let batch = all.at(-1);
    if (batch === undefined || !batch.takes(parts, 0)) {
      batch = new OpenBatch(topic, 0, options.pool);
      all.push(batch);
    }
    batch.builder.append(parts);
  }
  const timeMs = Date.now();
  return Promise.all(all.map((batch) => seal(batch, options.codec, timeMs)));
}

/** A place in a batch whose number takes as many bytes as any that occurs. */
const LARGEST_INDEX = 1 << 30;

/** A batch that is being filled. */
class OpenBatch {
  readonly topic: TopicInfo;
  readonly partition: number;
  readonly builder: RecordBatchBuilder;
  readonly envelopes: Envelope[] = [];

  constructor(topic: TopicInfo, partition: number, pool: BufferPool) {
    this.topic = topic;
    this.partition = partition;
    this.builder = new RecordBatchBuilder(pool);
  }

  /** True when one more event fits with everything that belongs to it: an event is never torn apart. */
  takes(parts: RecordParts, tombstoneBytes: number): boolean {
    const { length, count } = this.builder;
    return count === 0 || length + recordLength(parts, count) + tombstoneBytes <= this.topic.maxMessageBytes;
  }

  add(envelope: Envelope, parts: RecordParts): void {
    this.builder.append(parts);
    if (this.envelopes.at(-1) !== envelope) this.envelopes.push(envelope);
  }
}

function partsOf({ envelope, record }: ShapedRecord, headers: HeaderWriter): RecordParts {
  const block: HeaderBlock = headers.write(envelope, record.headers, record.value !== null);
  return { key: record.key, value: record.value, headers: block };
}

/** Upper bound of the size of the tombstone that follows a record: it has the same key and no more headers. */
function tombstoneRoom(parts: RecordParts): number {
  return recordLength({ ...parts, value: null }, LARGEST_INDEX);
}

function tombstone({ envelope, record }: ShapedRecord, headers: HeaderWriter): RecordParts {
  return { key: record.key, value: null, headers: headers.write(envelope, undefined, false) };
}

async function finish(open: readonly OpenBatch[], options: PackOptions, timeMs: number): Promise<PackedRecords> {
  const batches: PackedBatch[] = [];
  const rejections: Rejection[] = [];
  for (const batch of await Promise.all(open.map((each) => seal(each, options.codec, timeMs)))) {
    const { maxMessageBytes, limitKnown } = options.topicOf(batch.topic);
    const [envelope] = batch.envelopes;
    // With an unknown limit the broker decides: what it refuses is handed over as well.
    if (batch.bytes.length <= maxMessageBytes || !limitKnown || envelope === undefined) batches.push(batch);
    else {
      batch.release();
      rejections.push({ envelope, error: tooLarge(envelope, batch, maxMessageBytes) });
    }
  }
  return { batches, rejections };
}

/** Compresses the batch, unless that makes it larger, and writes its header. */
async function seal(batch: OpenBatch, codec: Codec, timeMs: number): Promise<PackedBatch> {
  const { builder, topic, partition, envelopes } = batch;
  const { count } = builder;
  const records = builder.records();
  const compressed = await codec.compress?.(records);
  const target = { topic: topic.name, partition, count, envelopes };
  if (compressed === undefined || compressed.length >= records.length) {
    const bytes = builder.batch();
    writeBatchHeader(bytes, { count, codec: 0, timeMs });
    return { ...target, bytes, release: () => builder.release() };
  }
  builder.release();
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + compressed.length);
  compressed.copy(bytes, BATCH_HEADER_BYTES);
  writeBatchHeader(bytes, { count, codec: codec.id, timeMs });
  return { ...target, bytes, release() {} };
}

function tooLarge({ event }: Envelope, batch: PackedBatch, limitBytes: number): SluiceError {
  return new SluiceError(
    `the ${event.op} in ${formatNamespace(event.namespace)} makes a record of ${batch.bytes.length} bytes; ` +
      `the topic "${batch.topic}" takes ${limitBytes}`,
    {
      kind: 'rejected',
      code: 'kafka.record-too-large',
      hint: 'Raise `max.message.bytes` of the topic, then replay the dead letter.',
    },
  );
}
