import type { Position } from '../../core/position.ts';

/** Wide enough for every whole number that a double can hold. */
const TOKEN_DIGITS = 14;

/** The sequence number as a token: hex of a fixed width, so that tokens compare as strings. */
export function tokenOf(sequence: number): string {
  return sequence.toString(16).padStart(TOKEN_DIGITS, '0');
}

/** The sequence number behind a position that this source gave out. */
export function sequenceOf(position: Position): number {
  return Number.parseInt(position.token, 16);
}

/** How far one partition has come: offsets are those of the next message. */
export class PartitionProgress {
  /** Behind the last message that was handed out. */
  handedOut: number;
  /** Everything before it is acknowledged. */
  acknowledged: number;
  /** Everything before it is committed at the broker. */
  committed: number;
  #onDrained: (() => void)[] = [];

  constructor(offset: number) {
    this.handedOut = offset;
    this.acknowledged = offset;
    this.committed = offset;
  }

  get isCommitted(): boolean {
    return this.committed === this.acknowledged;
  }

  get isDrained(): boolean {
    return this.acknowledged === this.handedOut;
  }

  /** Resolves once everything that was handed out is acknowledged. */
  drained(): Promise<void> {
    if (this.isDrained) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /** Continues at another offset. Only for a partition that is drained. */
  jump(offset: number): void {
    this.handedOut = offset;
    this.advance(offset);
  }

  advance(offset: number): void {
    this.acknowledged = offset;
    if (!this.isDrained) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}

/** A stretch of one partition that was handed out: sequence numbers and offsets run side by side in it. */
interface Stretch {
  readonly progress: PartitionProgress;
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
}

/** Stretches at the front that are done are removed together once there are so many. */
const COMPACT_FROM = 256;

/**
 * One order over all partitions. Every offset that is handed out gets the next sequence number; an acknowledged floor in
 * these numbers becomes the offset of each partition again. One entry per batch, however large.
 */
export class OffsetLedger {
  #stretches: Stretch[] = [];
  #first = 0;
  #last = 0;

  /** The last sequence number given out; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /**
   * Gives the offsets from where the partition stands up to (without) `nextOffset` their sequence numbers, also those
   * that hold nothing to read. Returns the number of the first.
   */
  handOut(progress: PartitionProgress, nextOffset: number): number {
    const firstOffset = progress.handedOut;
    const firstSequence = this.#last + 1;
    this.#stretches.push({ progress, firstSequence, firstOffset, nextOffset });
    this.#last += nextOffset - firstOffset;
    progress.handedOut = nextOffset;
    return firstSequence;
  }

  /** Everything up to this sequence number is acknowledged. A number that is not higher than the last one does nothing. */
  acknowledge(sequence: number): void {
    for (; this.#first < this.#stretches.length; this.#first++) {
      const { progress, firstSequence, firstOffset, nextOffset } = this.#stretches[this.#first] as Stretch;
      const offset = firstOffset + (sequence - firstSequence) + 1;
      if (offset <= progress.acknowledged) break;
      progress.advance(Math.min(offset, nextOffset));
      if (offset < nextOffset) break;
    }
    if (this.#first < COMPACT_FROM) return;
    this.#stretches = this.#stretches.slice(this.#first);
    this.#first = 0;
  }
}
