import { isDataOperation } from '../core/change-event.ts';
import type { SinkLimits } from '../core/sink.ts';
import type { Prepared } from './run-steps.ts';

/** How events are spread and written. */
export interface LanesOptions {
  readonly count: number;
  readonly limits: Pick<SinkLimits, 'records' | 'bytes'>;
  /** Equal for all events of one document; undefined when the key cannot be read. */
  readonly orderingKey: (item: Prepared) => string | undefined;
  /** False: what was delivered together is written together, and with nothing else. */
  readonly merge: boolean;
  /** Writes what is in one lane, or one DDL event. Never called twice at a time for the same lane. */
  readonly write: (items: readonly Prepared[]) => Promise<void>;
}

/** What of one delivery is in the same lane. */
interface Part {
  readonly items: readonly Prepared[];
  readonly bytes: number;
  readonly done: PromiseWithResolvers<void>;
}

/** A place in the queue of every lane: each waits there until all have come and the work is done. */
class Barrier {
  readonly done = Promise.withResolvers<void>();
  #missing: number;
  readonly #work: () => Promise<void>;

  constructor(lanes: number, work: () => Promise<void>) {
    this.#missing = lanes;
    this.#work = work;
  }

  async arrive(): Promise<void> {
    this.#missing -= 1;
    if (this.#missing === 0) this.#work().then(this.done.resolve, this.done.reject);
    await this.done.promise;
  }
}

type Entry = Part | Barrier;

/**
 * Spreads events over lanes by their key, so that different documents are written at the same time and one document in
 * order: all its events are in one lane, a lane has one write at a time, and a lane that failed writes nothing more. What waits
 * in a lane is written together. A DDL event is written alone, after everything before it and before everything behind it.
 */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes: readonly Lane[];
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LanesOptions) {
    this.#options = options;
    const fail = (error: unknown) => this.#fail(error);
    this.#lanes = Array.from({ length: options.count }, () => new Lane(options, fail));
  }

  /** Resolves when everything is written. Deliveries are queued in the order of the calls. */
  async deliver(items: readonly Prepared[]): Promise<void> {
    const waits: Promise<void>[] = [];
    let start = 0;
    for (const [index, item] of items.entries()) {
      if (isDataOperation(item.envelope.event.op)) continue;
      waits.push(...this.#spread(items.slice(start, index)), this.#alone(item));
      start = index + 1;
    }
    waits.push(...this.#spread(start === 0 ? items : items.slice(start)));
    await Promise.all(waits);
  }

  /** Resolves when no lane writes any more; after a failure a delivery is over before all of them have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.ended));
  }

  #spread(items: readonly Prepared[]): Promise<void>[] {
    const shares: Prepared[][] = this.#lanes.map(() => []);
    for (const item of items) shares[this.#laneOf(item)]?.push(item);
    return shares.flatMap((share, lane) => {
      if (share.length === 0) return [];
      const bytes = share.reduce((sum, { envelope }) => sum + envelope.event.size, 0);
      return [this.#push(lane, { items: share, bytes, done: Promise.withResolvers<void>() })];
    });
  }

  #alone(item: Prepared): Promise<void> {
    const barrier = new Barrier(this.#lanes.length, () => this.#options.write([item]));
    for (const lane of this.#lanes.keys()) void this.#push(lane, barrier);
    return barrier.done.promise;
  }

  #push(lane: number, entry: Entry): Promise<void> {
    const { promise } = entry.done;
    promise.catch(() => {});
    if (this.#failure === undefined) this.#lanes[lane]?.push(entry);
    else entry.done.reject(this.#failure.error);
    return promise;
  }

  #laneOf(item: Prepared): number {
    const key = this.#options.orderingKey(item);
    return key === undefined ? 0 : hashOf(key) % this.#lanes.length;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const lane of this.#lanes) lane.drop(this.#failure.error);
  }
}

/** One queue with one write at a time. */
class Lane {
  readonly #options: LanesOptions;
  readonly #fail: (error: unknown) => void;
  #queue: Entry[] = [];
  #running = false;
  /** The run that is under way, or the last one. */
  ended: Promise<void> = Promise.resolve();

  constructor(options: LanesOptions, fail: (error: unknown) => void) {
    this.#options = options;
    this.#fail = fail;
  }

  push(entry: Entry): void {
    this.#queue.push(entry);
    if (!this.#running) this.ended = this.#run();
  }

  /** Rejects everything that is not being written. */
  drop(error: unknown): void {
    for (const { done } of this.#queue.splice(0)) done.reject(error);
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await (next instanceof Barrier ? next.arrive() : this.#write(next));
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#running = false;
  }

  async #write(first: Part): Promise<void> {
    const parts = [first, ...(this.#options.merge ? this.#waiting(first) : [])];
    const items = parts.length === 1 ? first.items : parts.flatMap((part) => part.items);
    try {
      await this.#options.write(items);
    } catch (error) {
      for (const { done } of parts) done.reject(error);
      throw error;
    }
    for (const { done } of parts) done.resolve();
  }

  /** What may be written together with the first part. */
  #waiting(first: Part): readonly Part[] {
    const { limits } = this.#options;
    let records = first.items.length;
    let { bytes } = first;
    let count = 0;
    for (const entry of this.#queue) {
      if (entry instanceof Barrier) break;
      records += entry.items.length;
      bytes += entry.bytes;
      if (records > limits.records || bytes > limits.bytes) break;
      count += 1;
    }
    return this.#queue.splice(0, count) as Part[];
  }
}

/** FNV-1a: spreads short texts evenly. https://datatracker.ietf.org/doc/draft-eastlake-fnv/ */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
