/** Time that only moves forward and does not know the date; for deadlines. */
export interface Clock {
  /** Monotonic, in ms from an arbitrary start. */
  nowMs(): number;
  /** Rejects with the signal's reason, or an `AbortError`, when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
