import type { Clock } from '../core/clock.ts';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import type { LeaseGrant, LeaseStore } from '../core/lease.ts';
import type { Logger } from '../core/logger.ts';

/** A renewal that failed is tried again after this part of the lease time. */
const RETRY_PART = 1 / 20;
const RELEASE_LIMIT_MS = 2_000;

/** What a held lease works with. */
export interface HeldLeaseOptions {
  readonly store: LeaseStore;
  readonly grant: LeaseGrant;
  /** When the request was sent that took the lease: the store cannot have counted from earlier. */
  readonly sentAtMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A lease while this process has it. It is renewed at every third of its time. Without a renewal it counts as lost at
 * half of its time by this process's monotonic clock, so long before anybody else can take it; it never comes back.
 */
export class HeldLease {
  readonly #options: HeldLeaseOptions;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  readonly #working: Promise<unknown>;
  /** Send time of the last request that was granted. */
  #grantedAtMs: number;

  constructor(options: HeldLeaseOptions) {
    this.#options = options;
    this.#grantedAtMs = options.sentAtMs;
    this.#working = Promise.allSettled([this.#keepRenewing(), this.#watch()]);
  }

  /** Aborts when the lease is lost; its reason is a `fenced` error that says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Time left at the store, in ms, at least. */
  get expiresInMs(): number {
    return this.#grantedAtMs + this.#options.grant.ttlMs - this.#options.clock.nowMs();
  }

  /** True unless the lease is certain. Looks at the clock: after a pause of the process no timer has fired yet. */
  isLost(): boolean {
    if (this.#certainForMs() <= 0) this.#lose(`it was not renewed within half of its time (${this.#halfMs()} ms)`);
    return this.#lost.signal.aborted;
  }

  /** Stops renewing and lets the next owner in at once. When that fails the lease runs out by itself. */
  async release(): Promise<void> {
    await this.abandon();
    if (this.#lost.signal.aborted) return;
    const { store, grant, logger } = this.#options;
    try {
      await store.release(grant, AbortSignal.timeout(RELEASE_LIMIT_MS));
    } catch (error) {
      const reason = error instanceof SluiceError ? error.message : 'no answer in time';
      logger.warn({ ttlMs: grant.ttlMs, reason }, 'the lease could not be released; it runs out by itself');
    }
  }

  /** Stops renewing; nobody else gets the lease before it has run out. */
  async abandon(): Promise<void> {
    this.#ended.abort();
    await this.#working;
  }

  async #keepRenewing(): Promise<void> {
    const { store, grant, clock, logger } = this.#options;
    const { signal } = this.#ended;
    let waitMs = this.#grantedAtMs + grant.ttlMs / 3 - clock.nowMs();
    for (;;) {
      await clock.sleep(Math.max(0, waitMs), signal);
      const sentAtMs = clock.nowMs();
      try {
        if (!(await store.renew(grant, signal))) return this.#lose('another process has taken it');
        this.#grantedAtMs = sentAtMs;
        waitMs = grant.ttlMs / 3 - (clock.nowMs() - sentAtMs);
      } catch (error) {
        signal.throwIfAborted();
        const { code, message } = asSluiceError(error);
        logger.debug({ code, reason: message }, 'the lease could not be renewed');
        waitMs = grant.ttlMs * RETRY_PART;
      }
    }
  }

  async #watch(): Promise<void> {
    while (!this.isLost()) await this.#options.clock.sleep(this.#certainForMs(), this.#ended.signal);
  }

  #certainForMs(): number {
    return this.#grantedAtMs + this.#halfMs() - this.#options.clock.nowMs();
  }

  #halfMs(): number {
    return this.#options.grant.ttlMs / 2;
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted || this.#ended.signal.aborted) return;
    const { partition } = this.#options.grant;
    this.#lost.abort(
      new SluiceError(`the lease of ${partition} is lost: ${why}`, { kind: 'fenced', code: 'lease.lost' }),
    );
    this.#ended.abort();
  }
}
