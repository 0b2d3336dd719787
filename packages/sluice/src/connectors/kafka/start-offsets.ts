import { SluiceError } from '../../core/failure.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaSourceConfig } from './config.ts';
import type { PartitionName } from './partition-feed.ts';
import { LIST_OFFSETS } from './protocol.ts';
import type { SelectedTopic, TopicCatalog } from './topic-catalog.ts';

type StartAt = KafkaSourceConfig['startAt'];

const NO_EPOCH = -1;
const CONSUMER = -1;
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const LATEST = -1n;
const EARLIEST = -2n;
const NONE = -1n;

/** Finds offsets in partitions. Throws classified errors. */
export class StartOffsets {
  readonly #client: KafkaClient;
  readonly #catalog: TopicCatalog;
  readonly #startAt: StartAt;
  /** Partitions of each topic when the source was opened. */
  readonly #known: ReadonlyMap<string, number>;

  constructor(parts: { client: KafkaClient; catalog: TopicCatalog; startAt: StartAt }) {
    this.#client = parts.client;
    this.#catalog = parts.catalog;
    this.#startAt = parts.startAt;
    this.#known = new Map(this.#catalog.topics.map(({ id, leaders }: SelectedTopic) => [id, leaders.length]));
  }

  /**
   * Where to begin without a committed offset: as the configuration says; in a partition that has come since the source
   * was opened at its first message, because everything in it is new.
   */
  async start(name: PartitionName, signal: AbortSignal): Promise<number> {
    const isNew = name.partition >= (this.#known.get(name.topicId) ?? 0);
    if (isNew || this.#startAt === 'earliest') return this.earliest(name, signal);
    if (this.#startAt === 'latest') return Number(await this.#list(name, LATEST, signal));
    const found = await this.#list(name, BigInt(this.#startAt.time), signal);
    return Number(found === NONE ? await this.#list(name, LATEST, signal) : found);
  }

  /** The first offset that can be read. */
  async earliest(name: PartitionName, signal: AbortSignal): Promise<number> {
    return Number(await this.#list(name, EARLIEST, signal));
  }

  /** The bounds of the log, with what is not decided yet. */
  async bounds(name: PartitionName, signal: AbortSignal): Promise<{ readonly first: number; readonly end: number }> {
    const [first, end] = await Promise.all([
      this.earliest(name, signal),
      this.#list(name, LATEST, signal, READ_UNCOMMITTED),
    ]);
    return { first, end: Number(end) };
  }

  async #list(
    { topicId, topic, partition }: PartitionName,
    timestamp: bigint,
    signal: AbortSignal,
    isolation = READ_COMMITTED,
  ): Promise<bigint> {
    return this.#client.run('consume', signal, async () => {
      const leader = this.#catalog.leader(topicId, partition);
      if (leader === undefined) throw noLeader(topic, partition);
      const link = await this.#client.connectTo(leader);
      const wanted = { partitionIndex: partition, currentLeaderEpoch: NO_EPOCH, timestamp };
      const response = await link
        .api(LIST_OFFSETS)
        .async(link.connection, CONSUMER, isolation, [{ name: topic, partitions: [wanted] }]);
      return response.topics[0]?.partitions[0]?.offset ?? NONE;
    });
  }
}

function noLeader(topic: string, partition: number): SluiceError {
  return new SluiceError(`partition ${partition} of the topic "${topic}" has no leader now`, {
    kind: 'transient',
    code: 'kafka.not-available',
  });
}
