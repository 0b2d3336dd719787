import { setTimeout as delay } from 'node:timers/promises';
import type { Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { CheckpointStore, PositionBinding } from '../../core/checkpoint.ts';
import type { SourceContext } from '../../core/connector.ts';
import { asSluiceError, SluiceError } from '../../core/failure.ts';
import type { Position } from '../../core/position.ts';
import type { PartOffset, ReadFrom, Source, SourceBatch, SourceGap } from '../../core/source.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaSourceConfig } from './config.ts';
import { Fetcher } from './fetcher.ts';
import { GroupCoordinator } from './group-coordinator.ts';
import { GroupMembership } from './group-membership.ts';
import { bindingOf } from './group-name.ts';
import { GroupOffsets } from './group-offsets.ts';
import { GroupPartitions } from './group-partitions.ts';
import { LostPositions } from './lost-positions.ts';
import { membershipLost } from './membership-lost.ts';
import { eventsOf } from './message-events.ts';
import { Nudge } from './nudge.ts';
import { OffsetLedger, sequenceOf, tokenOf } from './offset-ledger.ts';
import type { FeedChunk, PartitionFeed } from './partition-feed.ts';
import { SourceClock } from './source-clock.ts';
import type { StartOffsets } from './start-offsets.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** What a source is made of; it owns the clients from now on. */
export interface GroupSourceParts {
  readonly config: KafkaSourceConfig;
  readonly context: SourceContext;
  readonly decoder: Decoder;
  readonly group: string;
  readonly client: KafkaClient;
  /** For the coordinator of the group alone. */
  readonly groupClient: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly starts: StartOffsets;
}

const FINAL_COMMIT_LIMIT_MS = 5000;
const LEAVE_LIMIT_MS = 2000;

/**
 * Reads the partitions that the group gives to this worker, in one order of its own. Offsets are committed behind what is
 * acknowledged; heartbeats run beside it all, however slow the rest is, from the first read to the disposal.
 */
export class GroupSource implements Source {
  readonly binding: PositionBinding;
  readonly checkpoints: CheckpointStore;
  readonly #parts: GroupSourceParts;
  readonly #ledger = new OffsetLedger();
  readonly #clock = new SourceClock();
  readonly #nudge = new Nudge();
  readonly #membership: GroupMembership;
  readonly #partitions: GroupPartitions;
  readonly #fetcher: Fetcher;
  readonly #lost: LostPositions;
  readonly #closing = new AbortController();
  readonly #background: Promise<void>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #takenOver = false;
  #turn = 0;

  constructor(parts: GroupSourceParts) {
    this.#parts = parts;
    const { config, group, catalog, context, starts } = parts;
    this.binding = bindingOf(config, group);
    this.checkpoints = {
      claim: async () => ({ epoch: 0, checkpoint: undefined }),
      save: (_checkpoint, signal) => this.#partitions.commit(signal),
      async [Symbol.asyncDispose]() {},
    };
    const { logger } = context;
    const coordinator = new GroupCoordinator(parts.groupClient, group);
    const shared = {
      coordinator,
      rebalanceTimeoutMs: config.rebalanceTimeout,
      instanceId: config.groupInstanceId ?? null,
      patienceMs: config.requestTimeout,
      logger,
    };
    this.#membership = new GroupMembership({
      ...shared,
      subscription: () => catalog.subscription,
      owned: () => this.#partitions.owned,
      onAssigned: (assignment, asked) => this.#partitions.assign(assignment, asked),
      onCertain: () => this.#nudge.give(),
      onLost: () => this.#partitions.lose(),
    });
    this.#partitions = new GroupPartitions({
      ...shared,
      catalog,
      membership: this.#membership,
      offsets: new GroupOffsets({ ...shared, membership: this.#membership }),
      starts,
      onStarted: () => this.#started(),
      onFailure: (error) => this.#fail(error),
      signal: this.#closing.signal,
    });
    this.#lost = new LostPositions({ starts, catalog, clock: this.#clock, policy: context.onPositionLost, logger });
    this.#fetcher = new Fetcher({
      client: parts.client,
      catalog,
      feeds: () => this.#partitions.feeds,
      ...config,
      maxAwaitMs: config.maxAwaitTime,
      patienceMs: config.requestTimeout,
      onAnswer: () => this.#nudge.give(),
      onOutOfRange: (feed, signal) => this.#lost.recover(feed, signal),
    });
  }

  get gap(): SourceGap | undefined {
    return this.#lost.gap;
  }

  async *read(_from: ReadFrom | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch, void, void> {
    this.#start(signal);
    let quietSinceMs = performance.now();
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      const { maxAwaitTime } = this.#parts.config;
      const batch = await this.#next();
      const waitMs = quietSinceMs + maxAwaitTime - performance.now();
      if (batch === undefined && waitMs > 0) {
        await this.#nudge.wait(waitMs, signal);
        continue;
      }
      yield batch ?? this.#heartbeat();
      quietSinceMs = performance.now();
    }
  }

  acknowledged(position: Position): void {
    this.#ledger.acknowledge(sequenceOf(position));
  }

  /**
   * Throws `kafka.membership-lost` unless the group certainly still leaves to this worker what it has handed out: after a
   * pause of the process (or of the network) others may have gone on with it, and written newer states already.
   */
  ensureOwned(): void {
    const { error } = this.#failure ?? {};
    if (error instanceof SluiceError && error.kind === 'fenced') throw error;
    this.#partitions.ensureOwned();
    if (!this.#membership.isCertain) throw membershipLost('the coordinator of the group has not answered for a while');
  }

  offsets(): readonly PartOffset[] {
    return this.#partitions.feeds.map(({ name, progress, end }) => ({
      part: `${name.topic}/${name.partition}`,
      offset: progress.committed,
      end,
    }));
  }

  async window(): Promise<undefined> {
    return undefined;
  }

  /** Commits what is acknowledged, leaves the group and closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { context, client, groupClient } = this.#parts;
    for (const feed of this.#partitions.feeds) feed.stop();
    // Heartbeats go on meanwhile: a commit may need the epoch that they bring.
    await this.#quietly('the last offsets', this.#partitions.commit(AbortSignal.timeout(FINAL_COMMIT_LIMIT_MS)));
    this.#closing.abort();
    await Promise.all(this.#background);
    await this.#quietly('leaving the group', this.#membership.leave(AbortSignal.timeout(LEAVE_LIMIT_MS)));
    await Promise.all([client[Symbol.asyncDispose](), groupClient[Symbol.asyncDispose]()]);
    context.logger.debug({ group: this.#parts.group }, 'left the consumer group');
  }

  /** What fails while everything ends is made good by the next owner: it reads some messages again. */
  async #quietly(what: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const { code, message: reason } = asSluiceError(error);
      this.#parts.context.logger.warn({ code, reason }, `${what}: failed while closing`);
    }
  }

  #start(signal: AbortSignal): void {
    const closing = this.#closing.signal;
    this.#run(this.#membership.run(closing), closing);
    this.#run(this.#watchTopics(closing), closing);
    const reading = AbortSignal.any([signal, closing]);
    this.#run(this.#fetcher.run(reading), reading);
  }

  #run(work: Promise<void>, signal: AbortSignal): void {
    this.#background.push(
      work.catch((error) => {
        if (!signal.aborted) this.#fail(error);
      }),
    );
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#nudge.give();
  }

  #started(): void {
    this.#takenOver = true;
    this.#fetcher.poke();
    this.#nudge.give();
  }

  /** The next records, from the partitions in turn; undefined when nothing waits, or it may be for others. */
  async #next(): Promise<SourceBatch | undefined> {
    if (!this.#membership.isCertain) return undefined;
    const { feeds } = this.#partitions;
    for (let count = feeds.length; count > 0; count--) {
      this.#turn = (this.#turn + 1) % feeds.length;
      const feed = feeds[this.#turn] as PartitionFeed;
      if (!feed.isOpen || !feed.hasData) continue;
      const chunk = await feed.take();
      this.#fetcher.poke();
      // It may have been revoked while the chunk was unpacked: then the next owner reads it.
      if (chunk === undefined || !feed.isOpen || chunk.nextOffset <= feed.progress.handedOut) continue;
      return this.#handOut(feed, chunk);
    }
    return undefined;
  }

  #handOut(feed: PartitionFeed, { records, nextOffset }: FeedChunk): SourceBatch {
    const firstOffset = feed.progress.handedOut;
    const firstSequence = this.#ledger.handOut(feed.progress, nextOffset);
    if (records[0] !== undefined) this.#lost.readOn(feed, records[0].timestampMs);
    const place = { ...feed.name, firstOffset, firstSequence };
    const { events, bytes } = eventsOf(records, { decoder: this.#parts.decoder, clock: this.#clock, place });
    return this.#batch(events, bytes);
  }

  #heartbeat(): SourceBatch {
    if (this.#isCaughtUp()) this.#clock.caughtUp();
    return this.#batch([], 0);
  }

  #batch(events: readonly ChangeEvent[], bytes: number): SourceBatch {
    const takenOver = this.#takenOver;
    this.#takenOver = false;
    const position = { token: tokenOf(this.#ledger.last), clusterTime: this.#clock.time };
    return { events, bytes, position, caughtUp: this.#isCaughtUp(), ...(takenOver ? { takenOver } : {}) };
  }

  #isCaughtUp(): boolean {
    if (this.#parts.catalog.subscription.length === 0) return true;
    return this.#partitions.isSettled && this.#partitions.feeds.every(({ isAtEnd }) => isAtEnd);
  }

  /** Takes up topics that come later. */
  async #watchTopics(signal: AbortSignal): Promise<void> {
    const { catalog, config } = this.#parts;
    for (;;) {
      await delay(config.topicRefresh, undefined, { signal });
      const before = catalog.subscription.join();
      // When nobody answers, the heartbeats and fetches say so as well.
      await catalog.refresh(signal).catch(() => {});
      if (catalog.subscription.join() !== before) this.#membership.poke();
    }
  }
}
