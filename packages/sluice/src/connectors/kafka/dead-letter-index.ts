import type { ReadableLog } from './checkpoint-reader.ts';
import { dataRecords } from './committed-records.ts';
import { sequenceIn } from './dead-letter-record.ts';

/** Where an entry is in the log. */
export interface Place {
  /** Its place in the list: the offset of its first record, which compaction may have removed. */
  readonly first: bigint;
  /** Offset of its last record, which says what it is now. */
  readonly last: bigint;
}

/** The places of the entries with certain keys. Keeps places only: entries can be megabytes each. */
export class DeadLetterIndex {
  readonly #log: ReadableLog;
  readonly #wanted: (key: string) => boolean;
  readonly #places = new Map<string, Place>();
  #next = 0n;

  constructor(log: ReadableLog, wanted: (key: string) => boolean) {
    this.#log = log;
    this.#wanted = wanted;
  }

  /** By key, as of the last `readOn`. */
  get places(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  /** Takes up what has been written since the last call. Returns the end of the log. Throws classified errors. */
  async readOn(signal: AbortSignal): Promise<bigint> {
    const { start, end } = await this.#log.bounds(signal);
    if (end < this.#next) this.#startAgain();
    const from = this.#next < start ? start : this.#next;
    for await (const batch of this.#log.read(from, end, signal)) {
      for (const { key, value, offset } of dataRecords(batch)) {
        if (offset < from || !this.#wanted(key)) continue;
        if (value === null) this.#places.delete(key);
        else
          this.#places.set(key, { first: this.#places.get(key)?.first ?? sequenceIn(value) ?? offset, last: offset });
      }
    }
    this.#next = end;
    return end;
  }

  /** The topic was deleted and created anew. */
  #startAgain(): void {
    this.#places.clear();
    this.#next = 0n;
  }
}
