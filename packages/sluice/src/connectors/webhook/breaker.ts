import { setTimeout as sleep } from 'node:timers/promises';
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleType,
  type IBackoff,
} from 'cockatiel';
import type { Logger } from '../../core/logger.ts';
import { waitAfter } from './backoff.ts';
import { Outage } from './classify.ts';
import type { WebhookSinkConfig } from './config.ts';

/** A pause of this length looks like a standstill. */
const LONG_PAUSE_MS = 5_000;

/** What a breaker works with. */
export interface BreakerOptions {
  readonly settings: Pick<WebhookSinkConfig, 'breaker' | 'retry'>;
  readonly logger: Logger;
  /** The endpoint, for people. */
  readonly endpoint: string;
}

/**
 * The circuit breaker of an endpoint. Work is repeated through outages until it gets an answer, so the caller waits and with it
 * what reads the source. While the breaker is open nothing is sent; then one piece of work goes through as a probe, and the
 * others wait for what becomes of it. `Retry-After` holds up all of them.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #policy: CircuitBreakerPolicy;
  /** Nothing is sent before this time (ms since the epoch, the clock of cockatiel). */
  #heldUntilMs = 0;
  #openedAtMs: number | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
    const inARow = new ConsecutiveBreaker(options.settings.breaker.failures);
    this.#policy = circuitBreaker(handleType(Outage), {
      breaker: {
        state: undefined,
        success: () => inARow.success(),
        // Work from before it opened may fail as late as while a probe is on its way, and says nothing about that.
        failure: (startedIn) => inARow.failure() && this.#policy.state === startedIn,
      },
      halfOpenAfter: { next: (context) => this.#openFor(1, outageIn(context.result)) },
    });
    this.#policy.onBreak((reason) => this.#opened(outageIn(reason)));
  }

  /** True when nothing is wrong, so that nothing is lost when it is forgotten. */
  get idle(): boolean {
    return this.#policy.state === CircuitState.Closed && this.#heldUntilMs <= Date.now();
  }

  /** Resolves with the answer to the work, however long that takes. Throws what is no `Outage`, and the reason of an abort. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        const result = await this.#whenOpen(work, signal);
        this.#answered();
        return result;
      } catch (error) {
        if (!(error instanceof Outage)) throw error;
        this.#failed(error);
        if (error.retryAfterMs !== undefined) this.#hold(error.retryAfterMs);
        const closed = this.#policy.state === CircuitState.Closed;
        if (closed) await sleep(waitAfter(failures, this.#options.settings.retry), undefined, { signal });
      }
    }
  }

  /** Runs the work once, as soon as it may be. */
  async #whenOpen<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      await this.#untilFree(signal);
      try {
        return await this.#policy.execute(async () => {
          signal.throwIfAborted();
          return work();
        });
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error;
      }
    }
  }

  async #untilFree(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (let wait = this.#heldUntilMs - Date.now(); wait > 0; wait = this.#heldUntilMs - Date.now()) {
      await sleep(wait, undefined, { signal });
    }
  }

  /** Single failures are nothing to look at, unless the endpoint asks for a pause that people will notice. */
  #failed(outage: Outage): void {
    const { retryAfterMs: waitMs = 0 } = outage;
    const message = 'request failed; it will be sent again';
    if (waitMs < LONG_PAUSE_MS) this.#options.logger.debug(this.#fieldsOf(outage), message);
    else this.#options.logger.warn({ ...this.#fieldsOf(outage), waitMs }, `${message} when the endpoint wants it`);
  }

  #hold(ms: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, Date.now() + ms);
  }

  /** How long the breaker stays open the n-th time in a row. */
  #openFor(times: number, outage: Outage | undefined): IBackoff<never> & IBackoff<unknown> {
    const { wait, maxWait } = this.#options.settings.breaker;
    const duration = Math.max(waitAfter(times, { min: wait, max: maxWait }), outage?.retryAfterMs ?? 0);
    this.#hold(duration);
    return { duration, next: (context: { result?: unknown }) => this.#openFor(times + 1, outageIn(context.result)) };
  }

  #opened(outage: Outage | undefined): void {
    if (outage === undefined || this.#openedAtMs !== undefined) return;
    this.#openedAtMs = Date.now();
    const waitMs = Math.max(0, this.#heldUntilMs - Date.now());
    this.#options.logger.warn(
      { ...this.#fieldsOf(outage), waitMs },
      'circuit breaker open: nothing is sent to the endpoint until it answers again; the pipeline waits',
    );
  }

  #answered(): void {
    if (this.#openedAtMs === undefined || this.#policy.state !== CircuitState.Closed) return;
    const outageMs = Date.now() - this.#openedAtMs;
    this.#openedAtMs = undefined;
    this.#options.logger.info(
      { endpoint: this.#options.endpoint, outageMs },
      'circuit breaker closed: the endpoint answers again',
    );
  }

  #fieldsOf({ code, message, hint }: Outage) {
    return { endpoint: this.#options.endpoint, code, reason: message, ...(hint === undefined ? {} : { hint }) };
  }
}

function outageIn(reason: unknown): Outage | undefined {
  const error = typeof reason === 'object' && reason !== null && 'error' in reason ? reason.error : undefined;
  return error instanceof Outage ? error : undefined;
}
