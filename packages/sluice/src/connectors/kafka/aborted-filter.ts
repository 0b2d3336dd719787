import { type BatchView, isAbortMarker, isControl, isTransactional } from './batch-decoder.ts';
import type { AbortedTransaction } from './fetch-request.ts';

/**
 * Tells the batches that count from those of aborted transactions, over one answer of a broker from its first batch on.
 * A producer can have aborted several transactions in it: each counts from its first offset to its own marker.
 */
export class AbortedFilter {
  readonly #coming: AbortedTransaction[];
  readonly #aborted = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** True when the records of this batch are to be read. Must be asked for every batch, in order. */
  counts(batch: BatchView): boolean {
    while (this.#coming[0] !== undefined && this.#coming[0].firstOffset <= batch.lastOffset) {
      this.#aborted.add(this.#coming[0].producerId);
      this.#coming.shift();
    }
    if (isControl(batch)) {
      if (isAbortMarker(batch)) this.#aborted.delete(batch.producerId);
      return false;
    }
    return !isTransactional(batch) || !this.#aborted.has(batch.producerId);
  }
}
