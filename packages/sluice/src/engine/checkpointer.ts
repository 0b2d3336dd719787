import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../core/position.ts';

/** How often positions are made durable. */
export interface CheckpointerSettings {
  /** Least time between two saves while events flow; bounds what a crash repeats. */
  readonly intervalMs: number;
  /** Least time between two saves when only the position moved (quiet or filtered-out stream). */
  readonly idleIntervalMs: number;
}

/**
 * Saves the acknowledged floor: at once when the last save is long enough ago, else as soon as it is; always the
 * newest floor, one save at a time. Positions without events wait for the longer idle interval, because each save is
 * itself a write that the source's log records.
 */
export class Checkpointer {
  readonly #settings: CheckpointerSettings;
  readonly #save: (position: Position) => Promise<void>;
  #pending: Position | undefined;
  #urgent = false;
  #lastSaveMs = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;
  /** The save that is under way; there is never more than one. */
  #saving: Promise<void> | undefined;

  constructor(settings: CheckpointerSettings, save: (position: Position) => Promise<void>) {
    this.#settings = settings;
    this.#save = save;
  }

  /** The floor has moved to `position`; `events` tells whether events were acknowledged on the way. */
  advance(position: Position, events: boolean): void {
    this.#pending = position;
    this.#urgent ||= events;
    this.#wake?.();
  }

  /** The floor is already durable at `position` (the sink stored it with the data). */
  stored(position: Position): void {
    this.#lastSaveMs = performance.now();
    if (this.#pending === position) this.#clear();
  }

  /** Saves until the signal aborts; rejects when a save fails. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#pending === undefined) {
        await this.#changed(undefined, signal);
        continue;
      }
      const interval = this.#urgent ? this.#settings.intervalMs : this.#settings.idleIntervalMs;
      const waitMs = this.#lastSaveMs + interval - performance.now();
      if (waitMs > 0) await this.#changed(waitMs, signal);
      else await this.flush();
    }
  }

  /** Resolves when everything that was pending at the call is durable, a save that is under way included. */
  async flush(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
    const position = this.#pending;
    if (position === undefined) return;
    this.#clear();
    this.#saving = this.#save(position).finally(() => {
      this.#lastSaveMs = performance.now();
      this.#saving = undefined;
    });
    await this.#saving;
  }

  #clear(): void {
    this.#pending = undefined;
    this.#urgent = false;
  }

  /** Waits for a change, the given time, or the abort. */
  async #changed(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    signal.addEventListener('abort', wake, { once: true });
    // While a due save only waits for its time, further moves of the floor need not wake it, unless it becomes urgent.
    const urgent = this.#urgent;
    this.#wake = () => {
      if (waitMs === undefined || this.#urgent !== urgent) wake();
    };
    try {
      if (!signal.aborted) await delay(waitMs ?? 2 ** 31 - 1, undefined, { signal: woken.signal });
    } catch {
      // Woken early: the loop looks again.
    } finally {
      this.#wake = undefined;
      signal.removeEventListener('abort', wake);
    }
  }
}
