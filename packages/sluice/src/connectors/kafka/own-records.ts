import type { PackOptions } from './batch-packer.ts';
import { OpenBatch, type PackedBatch, sealOpenBatch } from './open-batch.ts';
import { NO_HEADERS, type RecordParts } from './record-batch.ts';
import type { TopicInfo } from './topics.ts';

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
  return Promise.all(all.map((batch) => sealOpenBatch(batch, options.codec)));
}
