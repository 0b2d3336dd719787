import type { LogBatch } from './log-reader.ts';

/** A record of one of our topics. */
export interface LogRecord {
  readonly offset: bigint;
  readonly key: string;
  readonly value: Buffer | null;
}

const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
const ABORT = 0;

/** The records of a batch, whatever becomes of its transaction; none for a control batch. */
export function dataRecords(batch: LogBatch): LogRecord[] {
  if ((batch.attributes & CONTROL) !== 0) return [];
  return batch.records.map(({ offsetDelta, key, value }) => ({
    offset: batch.firstOffset + BigInt(offsetDelta),
    key: key?.toString() ?? '',
    value,
  }));
}

/**
 * Separates what counts from what was aborted, for a stretch of a log that is read to its end: a record of a
 * transaction counts when the next control batch of its producer is a commit. (The list of aborted transactions that
 * brokers send along is not needed for this, and the library's own reader keeps only one of them per producer.)
 */
export class CommittedRecords {
  readonly #open = new Map<bigint, LogRecord[]>();

  /** Takes the next batch; returns the records that became certain by it, of any age. */
  add(batch: LogBatch): readonly LogRecord[] {
    if ((batch.attributes & CONTROL) !== 0) return this.#end(batch);
    const records = dataRecords(batch);
    if ((batch.attributes & TRANSACTIONAL) === 0) return records;
    const open = this.#open.get(batch.producerId);
    if (open === undefined) this.#open.set(batch.producerId, records);
    else open.push(...records);
    return [];
  }

  /**
   * What is left at the end of the log. Before the stable offset everything is decided, and what compaction left
   * without its control batch was committed: it removes aborted records first.
   */
  finish(stable: bigint): { readonly committed: readonly LogRecord[]; readonly undecided: readonly LogRecord[] } {
    const left = [...this.#open.values()].flat();
    return {
      committed: left.filter(({ offset }) => offset < stable),
      undecided: left.filter(({ offset }) => offset >= stable),
    };
  }

  #end(batch: LogBatch): readonly LogRecord[] {
    const records = this.#open.get(batch.producerId) ?? [];
    this.#open.delete(batch.producerId);
    const [control] = batch.records;
    // The key of a control record: version and type, 16 bits each. Compaction can leave an empty batch behind.
    const type = control?.key?.readInt16BE(2) ?? ABORT;
    return type === ABORT ? [] : records;
  }
}
