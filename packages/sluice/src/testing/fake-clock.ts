import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/** A clock that a test moves. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const leave = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', abort);
      };
      const abort = () => {
        leave();
        reject(signal.reason);
      };
      const wake = () => {
        leave();
        resolve();
      };
      const sleeper = { untilMs: this.#nowMs + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /** Wakes everybody whose time comes within `ms`, in order, and lets them work in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#sleepers].toSorted((a, b) => a.untilMs - b.untilMs);
      if (next === undefined || next.untilMs > end) break;
      this.#nowMs = Math.max(this.#nowMs, next.untilMs);
      next.wake();
    }
    this.#nowMs = end;
    await settle();
  }

  /** Moves the time and wakes nobody, as after a pause of the process. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Time for promises that wait for nothing else to be done. */
async function settle(): Promise<void> {
  for (let n = 0; n < 10; n++) await turn();
}
