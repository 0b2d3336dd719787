import type { Envelope } from '../../core/envelope.ts';
import type { OutgoingBatch } from './batch-producer.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Codec } from './compression.ts';
import {
  BATCH_HEADER_BYTES,
  RecordBatchBuilder,
  type RecordParts,
  recordLength,
  writeBatchHeader,
} from './record-batch.ts';
import type { TopicInfo } from './topics.ts';

/** Records of one partition, ready to be sent. */
export interface PackedBatch extends OutgoingBatch {
  /** The events behind the records, in order; several records of one event count once. */
  readonly envelopes: readonly Envelope[];
  /** Call it when the bytes are no longer needed. */
  release(): void;
}

/** A batch of one partition that is being filled. */
export class OpenBatch {
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

/** Compresses the batch, unless that makes it larger, and writes its header. */
export async function sealOpenBatch(batch: OpenBatch, codec: Codec): Promise<PackedBatch> {
  const { builder, topic, partition, envelopes } = batch;
  const { count } = builder;
  const timeMs = Date.now();
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
