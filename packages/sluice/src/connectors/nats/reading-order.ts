import type { ClusterTime } from '../../core/cluster-time.ts';
import type { Position } from '../../core/position.ts';

/** Wide enough for every whole number that a double can hold. */
const TOKEN_DIGITS = 14;

/** A stretch of one part that was handed out. */
interface Stretch<Part> {
  readonly part: Part;
  /** Number of its last message. */
  readonly last: number;
  /** Messages of it that are not acknowledged. */
  left: number;
}

/**
 * The order in which this source reads: one over all parts, in numbers that only grow. A position is such a number and
 * the time that the messages have come to, which never goes back.
 */
export class ReadingOrder<Part extends { acknowledge(count: number): void }> {
  #stretches: Stretch<Part>[] = [];
  #last = 0;
  #acknowledged = 0;
  #seconds = 0;

  /** The position behind everything that was handed out. */
  get position(): Position {
    return this.#position(this.#last);
  }

  get time(): ClusterTime {
    return { t: this.#seconds, i: 0 };
  }

  /** Numbers the next message, which the stream stored at this time. A time in the future counts as now. */
  next(timestampMs: number): Position {
    this.#seconds = Math.max(this.#seconds, Math.floor(Math.min(timestampMs, Date.now()) / 1000));
    this.#last += 1;
    return this.#position(this.#last);
  }

  /** The last `count` numbers belong to messages of this part. */
  handOut(part: Part, count: number): void {
    if (count > 0) this.#stretches.push({ part, last: this.#last, left: count });
  }

  /** Everything that exists at this moment was read. */
  caughtUp(): void {
    this.#seconds = Math.max(this.#seconds, Math.floor(Date.now() / 1000));
  }

  /** Tells each part how many more of its messages are acknowledged. */
  acknowledge({ token }: Position): void {
    const number = Math.min(Number.parseInt(token, 16), this.#last);
    if (!(number > this.#acknowledged)) return;
    this.#acknowledged = number;
    let done = 0;
    for (const stretch of this.#stretches) {
      const left = Math.min(stretch.left, Math.max(0, stretch.last - number));
      stretch.part.acknowledge(stretch.left - left);
      stretch.left = left;
      if (left > 0) break;
      done += 1;
    }
    this.#stretches.splice(0, done);
  }

  /** Hex of a fixed width: tokens compare as strings. */
  #position(number: number): Position {
    return { token: number.toString(16).padStart(TOKEN_DIGITS, '0'), clusterTime: this.time };
  }
}
