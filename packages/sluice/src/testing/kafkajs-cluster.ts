import { createRequire } from 'node:module';
import { type KafkaTarget, kafkajsConfig } from './kafkajs-client.ts';

/** One record of a fetch as kafkajs decodes it, control records included. */
export interface RawRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly isControlRecord: boolean;
  readonly batchContext: {
    readonly producerId: string;
    readonly inTransaction: boolean;
    readonly firstOffset: string;
    readonly lastOffsetDelta: number;
  };
}

/** The first offset a partition still has and the one after its last. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** A connection to the brokers of one topic, below kafkajs' consumer: no group, and aborted records are seen too. */
export interface TopicConnection extends AsyncDisposable {
  /** Range of each partition at this moment, up to the high watermark, by partition number. */
  ranges(): Promise<ReadonlyMap<number, OffsetRange>>;
  /** The next records of a partition from `offset` on; empty when none came within the wait. */
  fetch(partition: number, offset: number): Promise<readonly RawRecord[]>;
}

const FETCH_WAIT_MS = 200;
const FETCH_BYTES = 8 * 1024 * 1024;
const READ_UNCOMMITTED = 0;

/** Connects and reads the topic's metadata; rejects when the topic does not exist. */
export async function openTopic(target: KafkaTarget, topic: string): Promise<TopicConnection> {
  const cluster = createCluster(target);
  const close = () => cluster.disconnect();
  try {
    await cluster.connect();
    await cluster.addTargetTopic(topic);
  } catch (cause) {
    await close();
    throw new Error(`cannot read topic ${topic}: ${(cause as Error).message}`, { cause });
  }
  const partitions = () => cluster.findTopicPartitionMetadata(topic).map((partition) => partition.partitionId);
  const edge = async (fromBeginning: boolean) => {
    const wanted = partitions().map((partition) => ({ partition }));
    const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning, partitions: wanted }]);
    return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  };
  return {
    async ranges() {
      const [from, to] = [await edge(true), await edge(false)];
      return new Map(partitions().map((id) => [id, { from: from.get(id) ?? 0, to: to.get(id) ?? 0 }]));
    },
    async fetch(partition, offset) {
      const [nodeId = ''] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
      const broker = await cluster.findBroker({ nodeId });
      const wanted = [{ partition, fetchOffset: String(offset), maxBytes: FETCH_BYTES }];
      const { responses } = await broker.fetch({
        isolationLevel: READ_UNCOMMITTED,
        maxWaitTime: FETCH_WAIT_MS,
        maxBytes: FETCH_BYTES,
        topics: [{ topic, partitions: wanted }],
      });
      return responses[0]?.partitions[0]?.messages ?? [];
    },
    [Symbol.asyncDispose]: close,
  };
}

/** The part of kafkajs' inner cluster class that is used here (version 2.2.4, which is pinned and no longer moves). */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findTopicPartitionMetadata(topic: string): { readonly partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  fetchTopicsOffset(
    topics: readonly { topic: string; fromBeginning: boolean; partitions: { partition: number }[] }[],
  ): Promise<{ readonly partitions: { readonly partition: number; readonly offset: string }[] }[]>;
  findBroker(wanted: { readonly nodeId: string }): Promise<{ fetch(request: object): Promise<FetchAnswer> }>;
}

interface FetchAnswer {
  readonly responses: { readonly partitions: { readonly messages: readonly RawRecord[] }[] }[];
}

const load = createRequire(import.meta.url);

function createCluster(target: KafkaTarget): Cluster {
  const Cluster = load('kafkajs/src/cluster') as new (options: object) => Cluster;
  const { createLogger } = load('kafkajs/src/loggers') as { createLogger(options: object): unknown };
  const socketFactory = load('kafkajs/src/network/socketFactory') as () => unknown;
  const { logLevel: level, ...connection } = kafkajsConfig(target);
  return new Cluster({
    ...connection,
    logger: createLogger({ level, logCreator: () => () => undefined }),
    socketFactory: socketFactory(),
    enforceRequestTimeout: true,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    isolationLevel: READ_UNCOMMITTED,
  });
}
