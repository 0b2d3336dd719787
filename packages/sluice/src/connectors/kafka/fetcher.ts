import { setTimeout as delay } from 'node:timers/promises';
import { ProtocolError } from '@platformatic/kafka';
import { SluiceError } from '../../core/failure.ts';
import { classifyKafkaError } from './classify.ts';
import type { KafkaClient } from './client.ts';
import { type FetchAnswer, type FetchedSection, RAW_FETCH } from './fetch-request.ts';
import { Nudge } from './nudge.ts';
import type { PartitionFeed } from './partition-feed.ts';
import { Patience } from './patience.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** What fetching works with. */
export interface FetcherOptions {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  /** Partitions to read now. */
  readonly feeds: () => Iterable<PartitionFeed>;
  readonly fetchBytes: number;
  readonly partitionBytes: number;
  readonly readAheadBytes: number;
  readonly maxAwaitMs: number;
  /** How long a partition may not be readable before that is an error. */
  readonly patienceMs: number;
  /** Called when an answer has come. */
  readonly onAnswer: () => void;
  /** The broker does not have the offset any more. Resolves when the partition stands at one that it has. */
  readonly onOutOfRange: (feed: PartitionFeed, signal: AbortSignal) => Promise<void>;
}

const NO_EPOCH = -1;
const NO_SESSION = -1;
const READ_COMMITTED = 1;
const MIN_BYTES = 1;
const OUT_OF_RANGE = 1;
/** How long a broker may wait for something new; a new partition is fetched after that at the latest. */
const LONGEST_WAIT_MS = 500;
/** The same while other partitions of this broker have enough waiting: they must not wait for this answer. */
const WAIT_BESIDE_OTHERS_MS = 10;
const RETRY_PAUSE_MS = 100;
/** When nothing wakes it, the fetcher looks again this often: at partitions that have no leader. */
const LOOK_EVERY_MS = 1000;

/**
 * Keeps the feeds filled: one request per leader at a time, for those partitions of it that have little waiting, and
 * none at all while too much waits altogether. Partitions take turns in coming first, because the first one that has
 * anything may fill the answer.
 */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #nudge = new Nudge();
  readonly #busy = new Set<number>();
  readonly #patience = new WeakMap<PartitionFeed, Patience>();
  /** Feeds that wait for something else before they are fetched again. */
  readonly #resting = new WeakSet<PartitionFeed>();
  #failure: { readonly error: unknown } | undefined;
  #turn = 0;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  /** Something was taken, or there are new partitions. */
  poke(): void {
    this.#nudge.give();
  }

  /** Fetches until the signal aborts. Throws classified errors; what passes is tried again for a while first. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const [leader, feeds] of this.#due(signal)) {
        this.#busy.add(leader);
        const fetch = this.#fetch({ leader, feeds, signal }).finally(() => this.#busy.delete(leader));
        this.#background(fetch, signal);
      }
      await this.#nudge.wait(LOOK_EVERY_MS, signal);
      if (this.#failure !== undefined) throw this.#failure.error;
    }
  }

  /** Its failure ends `run`; its end is a reason to look again. */
  #background(work: Promise<void>, signal: AbortSignal): void {
    work
      .catch((error) => {
        if (!signal.aborted) this.#failure ??= { error };
      })
      .finally(() => this.poke());
  }

  /** The partitions to fetch now, by leader. */
  #due(signal: AbortSignal): ReadonlyMap<number, readonly PartitionFeed[]> {
    const { readAheadBytes, partitionBytes } = this.#options;
    const feeds = [...this.#options.feeds()].filter(({ isOpen }) => isOpen);
    const due = new Map<number, PartitionFeed[]>();
    if (feeds.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0) >= readAheadBytes) return due;
    this.#turn += 1;
    for (let index = 0; index < feeds.length; index++) {
      const feed = feeds[(index + this.#turn) % feeds.length] as PartitionFeed;
      if (feed.waitingBytes >= partitionBytes || this.#resting.has(feed)) continue;
      const leader = this.#leaderOf(feed);
      if (leader === undefined) this.#rest([feed], noLeader(feed), signal);
      else if (!this.#busy.has(leader)) due.set(leader, [...(due.get(leader) ?? []), feed]);
    }
    return due;
  }

  #leaderOf({ name }: PartitionFeed): number | undefined {
    return this.#options.catalog.leader(name.topicId, name.partition);
  }

  async #fetch(request: FetchRequest): Promise<void> {
    const { feeds, signal } = request;
    const asked = new Map(feeds.map((feed) => [placeOf(feed.name), { feed, offset: feed.nextFetch }]));
    try {
      const answer = await this.#options.client.run('consume', signal, () => this.#ask(request));
      if (answer.errorCode !== 0) throw classifyKafkaError(new ProtocolError(answer.errorCode), 'consume');
      for (const section of answer.sections) {
        const { feed, offset } = asked.get(placeOf(section)) ?? {};
        // A feed may have been stopped or moved meanwhile.
        if (feed?.isOpen && feed.nextFetch === offset) this.#received(feed, section, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#rest(feeds, error, signal);
    }
    this.#options.onAnswer();
  }

  async #ask({ leader, feeds }: FetchRequest): Promise<FetchAnswer> {
    const { client, fetchBytes, partitionBytes } = this.#options;
    const link = await client.connectTo(leader);
    const topics = [...Map.groupBy(feeds, ({ name }) => name.topic)].map(([topic, parts]) => ({
      topicId: topic,
      partitions: parts.map(({ name, nextFetch }) => ({
        partition: name.partition,
        currentLeaderEpoch: NO_EPOCH,
        fetchOffset: BigInt(nextFetch),
        lastFetchedEpoch: NO_EPOCH,
        partitionMaxBytes: partitionBytes,
      })),
    }));
    const waitMs = this.#waitMs(leader);
    const api = link.api(RAW_FETCH, '4.0');
    return api.async(link.connection, waitMs, MIN_BYTES, fetchBytes, READ_COMMITTED, 0, NO_SESSION, topics, [], '');
  }

  #waitMs(leader: number): number {
    const { feeds, partitionBytes, maxAwaitMs } = this.#options;
    for (const feed of feeds()) {
      if (feed.waitingBytes >= partitionBytes && this.#leaderOf(feed) === leader) return WAIT_BESIDE_OTHERS_MS;
    }
    return Math.min(LONGEST_WAIT_MS, maxAwaitMs);
  }

  #received(feed: PartitionFeed, section: FetchedSection, signal: AbortSignal): void {
    if (section.errorCode === OUT_OF_RANGE) {
      this.#resting.add(feed);
      const moved = this.#options.onOutOfRange(feed, signal).finally(() => this.#resting.delete(feed));
      this.#background(moved, signal);
    } else if (section.errorCode !== 0) {
      this.#rest([feed], classifyKafkaError(new ProtocolError(section.errorCode), 'consume'), signal);
    } else {
      this.#patience.get(feed)?.restored();
      feed.add(section);
    }
  }

  /** Leaves the partitions alone for a moment and looks for their leaders again. Throws when that went on for too long. */
  #rest(feeds: readonly PartitionFeed[], error: unknown, signal: AbortSignal): void {
    for (const feed of feeds) this.#resting.add(feed);
    const rest = async () => {
      for (const feed of feeds) this.#patienceWith(feed).lose(error);
      await delay(RETRY_PAUSE_MS, undefined, { signal });
      // When nobody answers, the next fetch says so as well.
      await this.#options.catalog.refresh(signal).catch(() => {});
      for (const feed of feeds) this.#resting.delete(feed);
    };
    this.#background(rest(), signal);
  }

  #patienceWith(feed: PartitionFeed): Patience {
    let patience = this.#patience.get(feed);
    if (patience === undefined) {
      patience = new Patience(this.#options.patienceMs);
      this.#patience.set(feed, patience);
    }
    return patience;
  }
}

interface FetchRequest {
  readonly leader: number;
  readonly feeds: readonly PartitionFeed[];
  readonly signal: AbortSignal;
}

function placeOf({ topic, partition }: { readonly topic: string; readonly partition: number }): `${string}/${number}` {
  return `${topic}/${partition}`;
}

function noLeader({ name }: PartitionFeed): SluiceError {
  return new SluiceError(`partition ${name.partition} of the topic "${name.topic}" has no leader now`, {
    kind: 'transient',
    code: 'kafka.not-available',
  });
}
