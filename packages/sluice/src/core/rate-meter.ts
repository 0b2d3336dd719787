/** Counts per second over the last ten seconds, in one-second buckets. */
export class RateMeter {
  readonly #buckets = new Float64Array(11);
  #second = 0;
  #startedAtMs: number | undefined;

  add(count: number, nowMs: number): void {
    this.#startedAtMs ??= nowMs;
    this.#advance(nowMs);
    const index = this.#second % this.#buckets.length;
    this.#buckets[index] = (this.#buckets[index] as number) + count;
  }

  /** Events per second; over a shorter span while the meter is younger than ten seconds. */
  perSecond(nowMs: number): number {
    if (this.#startedAtMs === undefined) return 0;
    this.#advance(nowMs);
    const total = this.#buckets.reduce((sum, count) => sum + count, 0);
    const spanSeconds = Math.min(Math.max((nowMs - this.#startedAtMs) / 1000, 1), this.#buckets.length - 1);
    return total / spanSeconds;
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const steps = Math.min(second - this.#second, this.#buckets.length);
    for (let step = 0; step < steps; step++) this.#buckets[(second - step) % this.#buckets.length] = 0;
    if (second > this.#second) this.#second = second;
  }
}
