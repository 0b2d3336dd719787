/** A pause that ends early when there is news. News that comes while nobody waits ends the next pause. */
export class WakeUp {
  #news = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#news = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, on news or on the abort, whichever comes first. One waiter at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#news && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      const timer = setTimeout(wake, ms);
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      this.#wake = undefined;
    }
    this.#news = false;
  }
}
