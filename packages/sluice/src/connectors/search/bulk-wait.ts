import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds of a wait, in ms. */
export interface WaitBounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Wait after the n-th failure in a row, in ms: doubles per failure up to the cap; half of it is random, so that lanes and
 * pipelines that failed together do not come back together. Not shorter than what the server asked for.
 */
export function waitAfter(
  failures: number,
  { min, max }: WaitBounds,
  { retryAfterMs = 0, random = Math.random }: { retryAfterMs?: number | undefined; random?: () => number } = {},
): number {
  const ceiling = Math.min(max, min * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return Math.max(retryAfterMs, Math.round(ceiling / 2 + (random() * ceiling) / 2));
}

/** Waits; rejects with the reason of the signal when it is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
