import { formatNamespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Codec } from './compression.ts';
import { partitionOf } from './murmur2.ts';
import { OpenBatch, type PackedBatch, sealOpenBatch } from './open-batch.ts';
import { type HeaderBlock, type RecordParts, recordLength } from './record-batch.ts';
import type { HeaderWriter } from './record-headers.ts';
import type { ShapedRecord } from './shape-batch.ts';
import type { TopicInfo } from './topics.ts';

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

/** A place in a batch whose number takes as many bytes as any that occurs. */
const LARGEST_INDEX = 1 << 30;

/**
 * Puts records into one batch per partition, or several where the topic's limit would be passed (uncompressed, to be
 * sure), and compresses them. Records are copied before `add` returns. An event that is too large for any batch travels
 * alone and is rejected only when it stays too large compressed.
 */
export class BatchPacker {
  readonly #options: PackOptions;
  /** The batch that is being filled, by topic and partition. */
  readonly #open = new Map<string, (OpenBatch | undefined)[]>();
  /** All batches in the order in which they were begun. */
  readonly #all: { readonly batch: OpenBatch; sealed: Promise<PackedBatch> | undefined }[] = [];
  #topic: TopicInfo | undefined;
  #partitions: (OpenBatch | undefined)[] = [];

  constructor(options: PackOptions) {
    this.#options = options;
  }

  /** Adds the records in their order, behind those of earlier calls. */
  add(records: readonly ShapedRecord[]): void {
    const { headers } = this.#options;
    for (const shaped of records) {
      const parts = partsOf(shaped, headers);
      const batch = this.#batchFor(shaped, parts);
      batch.add(shaped.envelope, parts);
      if (shaped.record.tombstoneFollows) batch.add(shaped.envelope, tombstone(shaped, headers));
    }
  }

  /** The finished batches. Nothing may be added any more. */
  async finish(): Promise<PackedRecords> {
    const batches: PackedBatch[] = [];
    const rejections: Rejection[] = [];
    const sealed = this.#all.map((entry) => (entry.sealed ??= sealOpenBatch(entry.batch, this.#options.codec)));
    for (const batch of await Promise.all(sealed)) {
      const { maxMessageBytes, limitKnown } = this.#options.topicOf(batch.topic);
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

  #batchFor({ topic, record }: ShapedRecord, parts: RecordParts): OpenBatch {
    if (this.#topic?.name !== topic) this.#switchTo(topic);
    const info = this.#topic as TopicInfo;
    const partition = partitionOf(record.key, info.partitions);
    const open = this.#partitions[partition];
    if (open?.takes(parts, record.tombstoneFollows ? tombstoneRoom(parts) : 0) === true) return open;
    if (open !== undefined) this.#sealEarly(open);
    const batch = new OpenBatch(info, partition, this.#options.pool);
    this.#partitions[partition] = batch;
    this.#all.push({ batch, sealed: undefined });
    return batch;
  }

  #switchTo(topic: string): void {
    this.#topic = this.#options.topicOf(topic);
    this.#partitions = this.#open.get(topic) ?? [];
    this.#open.set(topic, this.#partitions);
  }

  /** A full batch is compressed while the next one is filled. */
  #sealEarly(full: OpenBatch): void {
    const entry = this.#all.findLast(({ batch }) => batch === full);
    if (entry === undefined) return;
    entry.sealed = sealOpenBatch(full, this.#options.codec);
    // It fails where it is awaited.
    entry.sealed.catch(() => {});
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
