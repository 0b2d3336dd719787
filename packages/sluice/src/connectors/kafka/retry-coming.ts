import { setTimeout as delay } from 'node:timers/promises';
import { errorFacts } from './error-facts.ts';

/** Errors of a coordinator that go away by themselves, and after which nothing has happened. */
const COMING = new Set([
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

/**
 * The markers of the last transaction are written a few ms after its commit was answered; until then the next one is
 * refused. Asking again soon keeps the pause short (measured on one broker: 4.3 ms per transaction; 1 s with the
 * library's default, 27 ms with a delay of 20 ms).
 */
const FIRST_DELAY_MS = 1;
const GROWTH = 1.5;
const LONGEST_DELAY_MS = 100;

/** How long to go on, and what to do in between. */
export interface RetryOptions {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Called with the name of the error before the next try. */
  readonly onRetry?: (protocolError: string) => void;
}

/** Does the work, again while the coordinator answers that it is not ready; other errors, and the last one, come out. */
export async function retryWhileComing<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * GROWTH, LONGEST_DELAY_MS)) {
    try {
      return await work();
    } catch (error) {
      const coming = errorFacts(error).protocolErrors.find((name) => COMING.has(name));
      if (coming === undefined || performance.now() > deadline) throw error;
      options.onRetry?.(coming);
    }
    await delay(delayMs, undefined, { signal: options.signal });
  }
}
