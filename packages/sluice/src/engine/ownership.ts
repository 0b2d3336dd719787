import type { PartitionId } from '../core/checkpoint.ts';
import type { Clock } from '../core/clock.ts';
import { asSluiceError, type SluiceError } from '../core/failure.ts';
import type { Instance, LeaseStore, LeaseView } from '../core/lease.ts';
import type { Logger } from '../core/logger.ts';
import type { LeaseStatus } from '../core/status.ts';
import { HeldLease } from './held-lease.ts';
import { hasEnded } from './this-instance.ts';

/** A waiting process looks this often whether the lease has become free (ms). */
export const STANDBY_LOOKS_EVERY_MS = 500;

/** How a partition shares its work with other processes. */
export interface LeaseSettings {
  /** How long a lease lasts that is not renewed, in ms. */
  readonly ttlMs: number;
  readonly holder: Instance;
  open(signal: AbortSignal): Promise<LeaseStore>;
}

/** What an ownership works with. */
export interface OwnershipOptions {
  readonly partition: PartitionId;
  readonly settings: LeaseSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The part of this process in the ownership of one partition: waiting for the lease, or holding it. */
export class Ownership {
  readonly #options: OwnershipOptions;
  #store: LeaseStore | undefined;
  #held: HeldLease | undefined;
  #seen: { readonly view: LeaseView; readonly atMs: number } | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the partition is owned here; at once when it still is. `onStandby` is called whenever somebody else
   * turns out to own it. Rejects with the failure of the store, or when the signal aborts.
   */
  async acquire(signal: AbortSignal, onStandby: () => void): Promise<void> {
    if (this.#held?.isLost() === false) return;
    this.#held = undefined;
    const { settings, clock, logger, partition } = this.#options;
    this.#store ??= await settings.open(signal);
    for (;;) {
      const sentAtMs = clock.nowMs();
      const view = await this.#take(this.#store, signal);
      this.#seen = { view, atMs: sentAtMs };
      const { ttlMs, holder } = settings;
      if (view.holder?.id === holder.id) {
        const grant = { partition, holder, ttlMs, epoch: view.epoch };
        this.#held = new HeldLease({ store: this.#store, grant, sentAtMs, clock, logger });
        return;
      }
      onStandby();
      await clock.sleep(pauseMs(view), signal);
    }
  }

  /** Aborts when the lease that was acquired last is lost. */
  get lost(): AbortSignal {
    if (this.#held === undefined) throw new Error('nothing is owned');
    return this.#held.lost;
  }

  /** Throws unless the partition is certainly owned at this moment. */
  ensure(): void {
    if (this.#held?.isLost() === true) throw this.#held.lost.reason;
  }

  /** Why an ownership that was acquired is over; undefined while it lasts. */
  get lostBecause(): SluiceError | undefined {
    return this.#held?.isLost() === true ? asSluiceError(this.#held.lost.reason) : undefined;
  }

  /** Lets the next owner in at once; to be called when nothing of this process is on its way any more. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    this.#seen = undefined;
    await held?.release();
  }

  /** Ends it all. Without `released` the lease runs out by itself, for something may still be on its way. */
  async close(released: boolean): Promise<void> {
    if (released) await this.release();
    await this.#held?.abandon();
    this.#held = undefined;
    this.#seen = undefined;
    await this.#store?.[Symbol.asyncDispose]();
    this.#store = undefined;
  }

  status(nowMs: number): LeaseStatus {
    const owned = this.#held?.isLost() === false;
    const { holder, epoch } = this.#seen?.view ?? {};
    const leftMs = owned ? this.#held?.expiresInMs : this.#seenLeftMs();
    const expiresAtMs = holder === undefined || leftMs === undefined ? undefined : Math.round(nowMs + leftMs);
    return { owned, owner: holder?.name, epoch, expiresAtMs };
  }

  #seenLeftMs(): number | undefined {
    if (this.#seen === undefined) return undefined;
    return this.#seen.atMs + this.#seen.view.expiresInMs - this.#options.clock.nowMs();
  }

  async #take(store: LeaseStore, signal: AbortSignal): Promise<LeaseView> {
    const { partition, settings } = this.#options;
    const { holder, ttlMs } = settings;
    const view = await store.take({ partition, holder, ttlMs }, signal);
    if (view.holder === undefined || view.holder.id === holder.id || !hasEnded(view.holder)) return view;
    return store.take({ partition, holder, ttlMs, insteadOf: view.epoch }, signal);
  }
}

/** Until the lease ends, one ms later because the store counts whole ones; never long, for it may be released before. */
function pauseMs({ expiresInMs }: LeaseView): number {
  return expiresInMs > 0 ? Math.min(STANDBY_LOOKS_EVERY_MS, expiresInMs + 1) : STANDBY_LOOKS_EVERY_MS;
}
