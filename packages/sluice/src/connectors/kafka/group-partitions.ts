import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../core/logger.ts';
import { abortable } from './abortable.ts';
import { assignmentChange, byTopic, keysOf, type PartitionKey, splitKey, type TopicPartitions } from './assignment.ts';
import type { GroupMembership } from './group-membership.ts';
import type { GroupOffsets, PartitionOffset } from './group-offsets.ts';
import { elapsedMs, type Moment, momentNow } from './membership-age.ts';
import { membershipLost } from './membership-lost.ts';
import { PartitionProgress } from './offset-ledger.ts';
import { PartitionFeed, type PartitionName } from './partition-feed.ts';
import { Patience } from './patience.ts';
import type { StartOffsets } from './start-offsets.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** What the partitions of a member are managed with. */
export interface GroupPartitionsOptions {
  readonly catalog: TopicCatalog;
  readonly membership: GroupMembership;
  readonly offsets: GroupOffsets;
  readonly starts: StartOffsets;
  readonly patienceMs: number;
  /** The group waits this long for what is to be given up. */
  readonly rebalanceTimeoutMs: number;
  readonly logger: Logger;
  /** A partition is read from now on. */
  readonly onStarted: () => void;
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const RETRY_PAUSE_MS = 100;

/** A partition that is owned. */
interface Slot {
  /** Undefined while it is being taken up. */
  feed: PartitionFeed | undefined;
  /** Settles when that is over. */
  ready: Promise<void> | undefined;
}

/** Where a partition is to be read from; undefined while that is not known. */
interface Place {
  readonly name: PartitionName;
  readonly offset: number | undefined;
}

/**
 * The partitions of this member: takes up what is assigned, and gives up what no longer is once it is drained and
 * committed. The others go on meanwhile.
 */
export class GroupPartitions {
  readonly #options: GroupPartitionsOptions;
  /** Owned partitions, also those that are being taken up or given up. */
  readonly #owned = new Map<PartitionKey, Slot>();
  /** Partitions that are being given up, since when. */
  readonly #revoking = new Map<PartitionKey, Moment>();
  /** Something that was in flight belongs to others now. */
  #isLost = false;
  #assigned: ReadonlySet<PartitionKey> | undefined;
  #committing: Promise<unknown> = Promise.resolve();
  /** Ends with the membership: what was begun under it must not go on under the next one. */
  #life = new AbortController();

  constructor(options: GroupPartitionsOptions) {
    this.#options = options;
  }

  /** Partitions that are read, or were until a moment ago and are still owned. */
  get feeds(): readonly PartitionFeed[] {
    return [...this.#owned.values()].flatMap(({ feed }) => feed ?? []);
  }

  /** What the group must know to be owned: everything that may still change the committed offsets. */
  get owned(): readonly TopicPartitions[] {
    return byTopic(this.#owned.keys());
  }

  /** True when the assignment is known and everything in it is being read. */
  get isSettled(): boolean {
    return this.#assigned !== undefined && this.#revoking.size === 0 && this.feeds.length === this.#owned.size;
  }

  /** The coordinator has stated the assignment, when it was asked at that moment. */
  assign(assignment: readonly TopicPartitions[], asked: Moment): void {
    this.#assigned = keysOf(assignment);
    this.#reconcile(asked);
  }

  /**
   * Throws `kafka.membership-lost` when something in flight may belong to others: the group has taken this member out, or
   * does not wait any longer for what is to be given up.
   */
  ensureOwned(): void {
    if (this.#isLost) throw membershipLost();
    if (this.#revoking.size === 0) return;
    const now = momentNow();
    for (const since of this.#revoking.values()) {
      if (elapsedMs(since, now) >= this.#options.rebalanceTimeoutMs) throw membershipLost();
    }
  }

  /**
   * The group has given everything away. A failure when something is in flight: it must not go on beside what new owners
   * write. Nothing of these partitions is committed any more.
   */
  lose(): void {
    const inFlight = this.feeds.some(({ progress }) => !progress.isDrained);
    this.#life.abort();
    this.#life = new AbortController();
    for (const feed of this.feeds) feed.stop();
    this.#owned.clear();
    this.#revoking.clear();
    this.#assigned = undefined;
    if (!inFlight) return;
    this.#isLost = true;
    this.#options.onFailure(membershipLost());
  }

  /** Commits what is acknowledged and not committed yet. Throws `kafka.membership-lost` when the group ends that. */
  async commit(signal: AbortSignal): Promise<void> {
    const life = this.#life.signal;
    try {
      await this.#commit(() => this.feeds, AbortSignal.any([signal, life]));
    } catch (error) {
      throw life.aborted && !signal.aborted ? membershipLost() : error;
    }
  }

  #reconcile(asked: Moment): void {
    if (this.#assigned === undefined) return;
    const { added, revoked } = assignmentChange(new Set(this.#owned.keys()), this.#assigned);
    for (const key of revoked) if (!this.#revoking.has(key)) this.#background(this.#giveUp(key, asked));
    if (added.length === 0) return;
    const slots = added.map((key): readonly [PartitionKey, Slot] => [key, { feed: undefined, ready: undefined }]);
    for (const [key, slot] of slots) this.#owned.set(key, slot);
    const ready = this.#takeUp(slots);
    for (const [, slot] of slots) slot.ready = ready;
    this.#background(ready);
  }

  #background(work: Promise<void>): void {
    const { signal } = this.#life;
    work.catch((error) => {
      if (!signal.aborted && !this.#options.signal.aborted) this.#options.onFailure(error);
    });
  }

  async #giveUp(key: PartitionKey, asked: Moment): Promise<void> {
    const signal = this.#signal();
    this.#revoking.set(key, asked);
    const slot = this.#owned.get(key);
    slot?.feed?.stop();
    await slot?.ready;
    const feed = slot?.feed;
    if (feed !== undefined) {
      feed.stop();
      await abortable(feed.progress.drained(), signal);
      // It may have been taken away because its topic is no more.
      await this.#options.catalog.refresh(signal).catch(() => {});
      await this.#commit(() => [feed], signal);
      const { topic, partition } = feed.name;
      this.#options.logger.info({ topic, partition, offset: feed.progress.committed }, 'partition given up');
    }
    signal.throwIfAborted();
    this.#owned.delete(key);
    this.#revoking.delete(key);
    this.#options.membership.poke();
    // It may have come back to us meanwhile.
    this.#reconcile(momentNow());
  }

  async #takeUp(slots: readonly (readonly [PartitionKey, Slot])[]): Promise<void> {
    const signal = this.#signal();
    const keys = slots.map(([key]) => key);
    const names = await this.#nameAll(keys, signal);
    // A topic that nobody knows is tried again with the next statement of the assignment.
    const named = new Set(names.map(({ key }) => key));
    for (const key of keys) if (!named.has(key)) this.#owned.delete(key);
    if (names.length === 0) return;
    const committed = await this.#options.offsets.committed(names, signal);
    const places = names.map((name, index): Place => ({ name, offset: committed[index] }));
    const fresh = places.filter(({ offset }) => offset === undefined);
    const slotOf = new Map(slots);
    // What has an offset need not wait for the leaders of what has none.
    this.#begin(places, slotOf, signal);
    this.#begin(await this.#chooseStarts(fresh, signal), slotOf, signal);
    this.#options.membership.poke();
  }

  /** Where to begin in partitions without an offset. Durable at once: the next owner could begin at a later "latest". */
  async #chooseStarts(places: readonly Place[], signal: AbortSignal): Promise<readonly Place[]> {
    const { starts, offsets } = this.#options;
    const chosen = await Promise.all(
      places.map(async ({ name }) => {
        const offset = await this.#patiently(signal, () => starts.start(name, signal));
        return { name, offset, topic: name.topic, partition: name.partition };
      }),
    );
    await offsets.commit(chosen, signal);
    return chosen;
  }

  #begin(places: readonly Place[], slots: ReadonlyMap<PartitionKey, Slot>, signal: AbortSignal): void {
    signal.throwIfAborted();
    for (const { name, offset } of places) {
      const slot = slots.get(name.key);
      if (slot === undefined || offset === undefined) continue;
      const { topic, partition } = name;
      this.#options.logger.info({ topic, partition, offset }, 'partition taken up');
      slot.feed = new PartitionFeed(name, new PartitionProgress(offset));
      this.#options.onStarted();
    }
  }

  /** The partitions with the names of their topics. A topic that is deleted again is left out: it will be unassigned. */
  async #nameAll(keys: readonly PartitionKey[], signal: AbortSignal): Promise<readonly PartitionName[]> {
    const { catalog } = this.#options;
    const isKnown = (key: PartitionKey) => catalog.get(splitKey(key).topicId) !== undefined;
    if (!keys.every(isKnown)) await this.#patiently(signal, () => catalog.refresh(signal));
    return keys.filter(isKnown).map((key) => {
      const { topicId, partition } = splitKey(key);
      return { key, topicId, partition, topic: catalog.get(topicId)?.name ?? '' };
    });
  }

  /** One commit at a time, so that an older offset never comes behind a newer one. */
  #commit(feeds: () => readonly PartitionFeed[], signal: AbortSignal): Promise<void> {
    const commit = this.#committing.then(async () => {
      signal.throwIfAborted();
      // Offsets go by the name of the topic: those of a deleted one must not become those of a new one of that name.
      const exists = ({ name }: PartitionFeed) => this.#options.catalog.get(name.topicId) !== undefined;
      const due = feeds().filter((feed) => !feed.progress.isCommitted && exists(feed));
      const offsets = due.map(({ name, progress }): PartitionOffset => {
        return { topic: name.topic, partition: name.partition, offset: progress.acknowledged };
      });
      await this.#options.offsets.commit(offsets, signal);
      for (const [index, { offset }] of offsets.entries()) (due[index] as PartitionFeed).progress.committed = offset;
    });
    this.#committing = commit.catch(() => {});
    return commit;
  }

  /** Tries again while leaders move. */
  async #patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const patience = new Patience(this.#options.patienceMs);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        patience.lose(error);
      }
      await delay(RETRY_PAUSE_MS, undefined, { signal });
      await this.#options.catalog.refresh(signal).catch(() => {});
    }
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#life.signal, this.#options.signal]);
  }
}
