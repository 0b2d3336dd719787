/** A point in time on both clocks of the machine. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Now. Both clocks go on while the process is stopped; only that of the wall goes on while the machine sleeps. */
export function momentNow(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** Part of the time-out within which something may still be begun; the rest is for doing it. */
const CERTAIN_SHARE = 0.5;

/**
 * For how long the server has certainly kept this client pinned. It counts from when a sign of life was sent that the
 * server has answered: the pin cannot have been prolonged earlier, and of what is not answered nobody knows whether it
 * has arrived. A pin that may have run out is over for good: the server answers the old owner also when others were
 * pinned in between and are gone.
 */
export class PinAge {
  readonly #timeoutMs: number;
  readonly #now: () => Moment;
  #since: Moment;
  #isConfirmed = false;
  #isOver = false;

  /** Begins when the server has pinned the client. `timeoutMs`: after so long without a sign of life it pins another. */
  constructor(timeoutMs: number, now: () => Moment = momentNow) {
    this.#timeoutMs = timeoutMs;
    this.#now = now;
    this.#since = now();
  }

  /** The server has answered a sign of life that was sent at this moment. */
  confirmed(sent: Moment): void {
    if (this.isOver) return;
    // The answer to an earlier one may come later.
    if (!this.#isConfirmed || sent.monotonicMs > this.#since.monotonicMs) this.#since = sent;
    this.#isConfirmed = true;
  }

  /** True when the server has said so, and so lately that something may still be begun. */
  get isCertain(): boolean {
    return this.#isConfirmed && !this.isOver && this.#ageMs() <= this.#timeoutMs * CERTAIN_SHARE;
  }

  /** True when another client may have been pinned. It does not become false again. */
  get isOver(): boolean {
    this.#isOver ||= this.#ageMs() > this.#timeoutMs;
    return this.#isOver;
  }

  /** The longer of what the two clocks say: neither a machine that slept nor a clock that was set hides any time. */
  #ageMs(): number {
    const { monotonicMs, wallMs } = this.#now();
    return Math.max(monotonicMs - this.#since.monotonicMs, wallMs - this.#since.wallMs);
  }
}
