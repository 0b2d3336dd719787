import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerMessage } from '../../core/broker-message.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { KafkaClient } from './client.ts';
import type { KafkaSourceConfig } from './config.ts';
import { Fetcher } from './fetcher.ts';
import { LostPositions } from './lost-positions.ts';
import { Nudge } from './nudge.ts';
import { PartitionProgress, tokenOf } from './offset-ledger.ts';
import { type FeedChunk, PartitionFeed, type PartitionName, placeOf } from './partition-feed.ts';
import { SourceClock } from './source-clock.ts';
import { StartOffsets } from './start-offsets.ts';
import { TopicCatalog } from './topic-catalog.ts';
import { selectTopics } from './topic-pattern.ts';

/** A message and the partition that it is in; its offset is the `sequence`. */
export interface TailedMessage extends BrokerMessage {
  readonly partition: number;
}

/** Where the reading stands in one partition. */
export interface TailedPartition {
  readonly partition: number;
  /** The next offset to read. */
  readonly offset: number;
}

/** What a tail has to say: the next messages, or that there are no more in any partition at this moment. */
export type TopicNews =
  | { readonly kind: 'messages'; readonly messages: readonly TailedMessage[] }
  | { readonly kind: 'end'; readonly partitions: readonly TailedPartition[] };

/** How a topic is read. */
export interface TopicTailOptions {
  /** Settings of a kafka source that names one topic; `startAt` says where to begin. It joins no group. */
  readonly config: KafkaSourceConfig;
  readonly logger: Logger;
}

/** Idle reads are looked at again this often. */
const LOOK_EVERY_MS = 500;

/**
 * Follows a topic from outside: joins no consumer group, commits nothing, and disturbs nobody who reads it. Messages of
 * one partition come in their order. Each time everything there is has been read, that is said once. Ends with the
 * signal, whose reason comes through unchanged; throws `kafka.topic-missing` and classified errors.
 */
export async function* tailTopic(
  { config, logger }: TopicTailOptions,
  signal: AbortSignal,
): AsyncGenerator<TopicNews, void, void> {
  const [topic = ''] = config.topics;
  await using client = await KafkaClient.open(config, signal);
  const catalog = new TopicCatalog(client, selectTopics([topic]));
  await catalog.refresh(signal);
  if (catalog.missing.length > 0) throw topicMissing(topic);
  await using reader = new TopicReader({ config, logger, client, catalog });
  await reader.start(signal);
  yield* reader.read(signal);
}

interface ReaderParts extends TopicTailOptions {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
}

/** Reads all partitions of the topic, also those that come later. */
class TopicReader implements AsyncDisposable {
  readonly #parts: ReaderParts;
  readonly #starts: StartOffsets;
  readonly #fetcher: Fetcher;
  readonly #nudge = new Nudge();
  readonly #closing = new AbortController();
  readonly #background: Promise<void>[] = [];
  #feeds: readonly PartitionFeed[] = [];
  #failure: { readonly error: unknown } | undefined;
  #turn = 0;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    const { client, catalog, config, logger } = parts;
    this.#starts = new StartOffsets({ client, catalog, startAt: config.startAt });
    const clock = new SourceClock();
    const lost = new LostPositions({ starts: this.#starts, catalog, clock, policy: 'skip', logger });
    this.#fetcher = new Fetcher({
      client,
      catalog,
      feeds: () => this.#feeds,
      ...config,
      maxAwaitMs: config.maxAwaitTime,
      patienceMs: config.requestTimeout,
      onAnswer: () => this.#nudge.give(),
      onOutOfRange: (feed, signal) => lost.recover(feed, signal),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#takeUp(signal);
    const reading = AbortSignal.any([signal, this.#closing.signal]);
    this.#run(this.#fetcher.run(reading), reading);
    this.#run(this.#watchPartitions(reading), reading);
  }

  async *read(signal: AbortSignal): AsyncGenerator<TopicNews, void, void> {
    let endTold = false;
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      const messages = await this.#next();
      if (messages !== undefined) {
        endTold &&= messages.length === 0;
        if (messages.length > 0) yield { kind: 'messages', messages };
      } else if (!endTold && this.#feeds.every(({ isAtEnd, hasData }) => isAtEnd && !hasData)) {
        endTold = true;
        yield { kind: 'end', partitions: this.#partitions() };
      } else {
        await this.#nudge.wait(LOOK_EVERY_MS, signal);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const feed of this.#feeds) feed.stop();
    this.#closing.abort();
    await Promise.all(this.#background);
  }

  #partitions(): readonly TailedPartition[] {
    return this.#feeds
      .map(({ name, progress }) => ({ partition: name.partition, offset: progress.handedOut }))
      .sort((a, b) => a.partition - b.partition);
  }

  /** The next messages, from the partitions in turn, none for a stretch without any; undefined when nothing waits. */
  async #next(): Promise<readonly TailedMessage[] | undefined> {
    for (let count = this.#feeds.length; count > 0; count--) {
      this.#turn = (this.#turn + 1) % this.#feeds.length;
      const feed = this.#feeds[this.#turn] as PartitionFeed;
      if (!feed.hasData) continue;
      const chunk = await feed.take();
      this.#fetcher.poke();
      if (chunk === undefined) continue;
      // Nobody acknowledges here: what is handed out is done with.
      feed.progress.jump(chunk.nextOffset);
      return messagesOf(feed.name, chunk);
    }
    return undefined;
  }

  async #takeUp(signal: AbortSignal): Promise<void> {
    const known = new Set(this.#feeds.map(({ name }) => name.key));
    const names = this.#parts.catalog.topics.flatMap(({ id, name: topic, leaders }) =>
      leaders.map((_, partition): PartitionName => ({ key: `${id}/${partition}`, topicId: id, topic, partition })),
    );
    const fresh = names.filter(({ key }) => !known.has(key));
    const feeds = await Promise.all(
      fresh.map(async (name) => new PartitionFeed(name, new PartitionProgress(await this.#starts.start(name, signal)))),
    );
    this.#feeds = [...this.#feeds, ...feeds];
    if (feeds.length > 0) this.#fetcher.poke();
  }

  async #watchPartitions(signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(this.#parts.config.topicRefresh, undefined, { signal });
      // When nobody answers, the fetches say so as well.
      const refreshed = this.#parts.catalog.refresh(signal).then(() => this.#takeUp(signal));
      await refreshed.catch(() => {});
    }
  }

  #run(work: Promise<void>, signal: AbortSignal): void {
    this.#background.push(
      work.catch((error) => {
        if (signal.aborted) return;
        this.#failure ??= { error };
        this.#nudge.give();
      }),
    );
  }
}

function messagesOf(name: PartitionName, { records }: FeedChunk): readonly TailedMessage[] {
  const { topic, partition } = name;
  return records.map(({ offset, timestampMs, key, value, headers }) => ({
    topic,
    partition,
    place: placeOf(name, offset),
    sequence: offset,
    key,
    value,
    headers,
    timestampMs,
    position: { token: tokenOf(offset), clusterTime: { t: Math.max(0, Math.floor(timestampMs / 1000)), i: 0 } },
  }));
}

function topicMissing(topic: string): SluiceError {
  return new SluiceError(`there is no topic "${topic}"`, {
    kind: 'config',
    code: 'kafka.topic-missing',
    hint: 'A sink makes its topics with the first event. See whether the pipeline that writes it runs, and its template `topic`.',
  });
}
