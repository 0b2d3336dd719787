import { Wakeup } from '../core/wakeup.ts';

/**
 * Bounds the bytes between reading and acknowledgement. What does not fit waits; when nothing is in flight everything
 * fits, so that one event larger than the whole budget still passes, alone.
 */
export class InFlightBudget {
  readonly limitBytes: number;
  #usedBytes = 0;
  readonly #released = new Wakeup();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Takes the bytes, waiting until they fit, under a lower limit than the usual one where it is given. One caller at a
   * time. Rejects with the abort reason.
   */
  async acquire(bytes: number, signal: AbortSignal, lowerLimitBytes = this.limitBytes): Promise<void> {
    const limitBytes = Math.min(lowerLimitBytes, this.limitBytes);
    while (this.#usedBytes > 0 && this.#usedBytes + bytes > limitBytes) {
      signal.throwIfAborted();
      await this.#released.wait(signal);
    }
    signal.throwIfAborted();
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#released.wake();
  }
}
