import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait, and what to say when it was in vain. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** What is waited for, as a clause: "the topic has 10 records". */
  readonly message: string;
  /** Pause between two looks; 20 ms by default. */
  readonly intervalMs?: number | undefined;
  /** True: an error of the condition means "not yet"; the last one becomes the cause of the time-out. */
  readonly retryErrors?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks at `condition` until it gives something truthy, and returns that. Rejects when the time is over, naming what
 * was waited for, when the condition throws (unless `retryErrors`), or with the reason of an aborted signal.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<NonNullable<T>> {
  const { timeoutMs, message, intervalMs = 20, retryErrors = false, signal } = options;
  const end = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const value = await condition();
      if (value) return value;
      lastError = undefined;
    } catch (error) {
      if (!retryErrors) throw error;
      lastError = error;
    }
    if (performance.now() >= end) {
      throw new Error(`waited ${timeoutMs} ms in vain until ${message}`, { cause: lastError });
    }
    await sleep(intervalMs, undefined, signal === undefined ? {} : { signal });
  }
}
