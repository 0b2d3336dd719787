import { AbortedFilter } from './aborted-filter.ts';
import type { PartitionKey } from './assignment.ts';
import { type BatchView, batchesIn, type ConsumedRecord, recordsOf } from './batch-decoder.ts';
import type { FetchedSection } from './fetch-request.ts';
import type { PartitionProgress } from './offset-ledger.ts';

/** Names of a partition. */
export interface PartitionName {
  readonly key: PartitionKey;
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
}

/**
 * `topic/partition@offset#id`: the place of a message, the same whenever it is read. The id is that of the topic: another
 * one that is created with its name has other messages at the same offsets.
 */
export function placeOf({ topic, partition, topicId }: PartitionName, offset: number): string {
  return `${topic}/${partition}@${offset}#${topicId}`;
}

/** Records of one partition that are handed out together. */
export interface FeedChunk {
  readonly records: readonly ConsumedRecord[];
  /** The offset behind everything in it, including what is not to be read. */
  readonly nextOffset: number;
}

/** A chunk ends with the batch that makes it at least this large (unpacked keys and values). */
const CHUNK_BYTES = 1024 * 1024;
const CHUNK_RECORDS = 2000;

/** Fetched bytes on their way through the filter. */
interface Section {
  readonly bytes: Buffer;
  readonly batches: Iterator<BatchView>;
  readonly filter: AbortedFilter;
}

/**
 * What was fetched of one partition and is not handed out yet. It is kept as it came over the wire and unpacked when it
 * is taken, so that what waits stays small.
 */
export class PartitionFeed {
  readonly name: PartitionName;
  readonly progress: PartitionProgress;
  /** The next offset to fetch. */
  nextFetch: number;
  /** Bytes that wait here. */
  waitingBytes = 0;
  /** Ends of the partition: of what is written and of what is decided. Undefined before the first answer. */
  end: number | undefined;
  stableEnd: number | undefined;
  /** Behind the last chunk that was taken. */
  #taken: number;
  #sections: Section[] = [];
  #stopped = false;

  constructor(name: PartitionName, progress: PartitionProgress) {
    this.name = name;
    this.progress = progress;
    this.nextFetch = progress.handedOut;
    this.#taken = progress.handedOut;
  }

  /** True until `stop`: then nothing more is fetched or taken. */
  get isOpen(): boolean {
    return !this.#stopped;
  }

  get hasData(): boolean {
    return this.#sections.length > 0;
  }

  /** True when everything that could be read has been taken. */
  get isAtEnd(): boolean {
    return this.stableEnd !== undefined && this.#taken >= this.stableEnd;
  }

  /** Ends the reading; what waits is dropped. What was handed out stays to be acknowledged. */
  stop(): void {
    this.#stopped = true;
    this.#sections = [];
    this.waitingBytes = 0;
  }

  /** Starts again at another offset: the broker does not have this one. Only when everything handed out is acknowledged. */
  seek(offset: number): void {
    this.nextFetch = offset;
    this.#taken = offset;
    this.progress.jump(offset);
  }

  /** Adds an answer to the fetch at `nextFetch`. Throws for records in a format that cannot be read. */
  add(section: FetchedSection): void {
    if (this.#stopped) return;
    this.end = section.highWatermark;
    this.stableEnd = section.stableOffset;
    let last: BatchView | undefined;
    for (const batch of batchesIn(section.bytes, this.name.topic)) last = batch;
    if (last === undefined) return;
    this.nextFetch = last.lastOffset + 1;
    this.waitingBytes += section.bytes.length;
    this.#sections.push({
      bytes: section.bytes,
      batches: batchesIn(section.bytes, this.name.topic),
      filter: new AbortedFilter(section.abortedTransactions),
    });
  }

  /** The next records, or undefined when nothing waits or the feed was stopped meanwhile. One call at a time. */
  async take(): Promise<FeedChunk | undefined> {
    const [section] = this.#sections;
    if (section === undefined) return undefined;
    const { records, nextOffset, isLast } = await this.#unpack(section);
    if (this.#stopped) return undefined;
    if (isLast) {
      this.#sections.shift();
      this.waitingBytes -= section.bytes.length;
    }
    // A section can end in batches that were there already: it begins with the batch that holds the offset asked for.
    if (nextOffset <= this.#taken) return { records: [], nextOffset: this.#taken };
    this.#taken = nextOffset;
    return { records, nextOffset };
  }

  async #unpack(section: Section) {
    const records: ConsumedRecord[] = [];
    const from = this.#taken;
    let nextOffset = from;
    let bytes = 0;
    while (bytes < CHUNK_BYTES && records.length < CHUNK_RECORDS) {
      const { value: batch, done } = section.batches.next();
      if (done === true) return { records, nextOffset, isLast: true };
      nextOffset = Math.max(nextOffset, batch.lastOffset + 1);
      if (!section.filter.counts(batch)) continue;
      for (const record of await recordsOf(batch)) {
        if (record.offset < from) continue;
        records.push(record);
        bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
      }
    }
    return { records, nextOffset, isLast: false };
  }
}
