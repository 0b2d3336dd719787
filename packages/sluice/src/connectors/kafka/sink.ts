import type { SinkConnector, SinkContext } from '../../core/connector.ts';
import type { Sink } from '../../core/sink.ts';
import { atLeastOnce } from './at-least-once.ts';
import { BatchProducer, newProducerIdentity } from './batch-producer.ts';
import { BufferPool } from './buffer-pool.ts';
import { checkKafkaSink } from './check.ts';
import { KafkaClient } from './client.ts';
import { codecFor } from './compression.ts';
import type { KafkaSinkConfig } from './config.ts';
import type { Delivery } from './delivery.ts';
import { ExactlyOnce } from './exactly-once.ts';
import { orderedSink } from './ordered-sink.ts';
import { openOwnTopic } from './own-topic.ts';
import { HeaderWriter } from './record-headers.ts';
import { TopicTemplate } from './topic-template.ts';
import { TopicRegistry } from './topics.ts';
import { transactionalIdOf } from './transactional-producer.ts';

/** Idle buffers that are kept: enough for two batches of the default size while they are packed. */
const POOL_LIMIT_BYTES = 32 * 1024 * 1024;

/** The `kafka` sink: at-least-once with an idempotent producer, or exactly-once in transactions. */
export const kafkaSink: SinkConnector<KafkaSinkConfig> = { open: openKafkaSink, check: checkKafkaSink };

async function openKafkaSink(config: KafkaSinkConfig, context: SinkContext): Promise<Sink> {
  const { format, logger, signal } = context;
  const client = await KafkaClient.open(config, signal);
  try {
    const topics = new TopicRegistry(client, { policy: config.createTopics, logger });
    const pack = {
      headers: new HeaderWriter({ ...config.headers, format }),
      codec: codecFor(config.compression),
      pool: new BufferPool(POOL_LIMIT_BYTES),
    };
    const delivery =
      config.delivery === 'exactly-once'
        ? await openExactlyOnce({ config, client, topics, pack }, context)
        : await openAtLeastOnce(client, topics, signal);
    const limits = { records: config.batchRecords, bytes: config.batchBytes };
    const template = new TopicTemplate(config.topic);
    return orderedSink({ client, topics, template, format, pack, limits, delivery });
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

async function openAtLeastOnce(client: KafkaClient, topics: TopicRegistry, signal: AbortSignal): Promise<Delivery> {
  const identity = await newProducerIdentity(client, signal);
  return atLeastOnce(new BatchProducer(client, topics, { identity, transactionalId: null }));
}

interface ExactlyOnceSetup {
  readonly config: KafkaSinkConfig;
  readonly client: KafkaClient;
  readonly topics: TopicRegistry;
  readonly pack: ConstructorParameters<typeof ExactlyOnce>[0]['pack'];
}

async function openExactlyOnce(setup: ExactlyOnceSetup, { logger, signal }: SinkContext): Promise<Delivery> {
  const { config, client, topics, pack } = setup;
  const { checkpointTopic: name, createTopics, transactionTimeout } = config;
  const policy = { ...createTopics, partitions: 1, config: {}, required: { 'cleanup.policy': 'compact' } };
  const own = new TopicRegistry(client, { policy, logger });
  const checkpointTopic = await openOwnTopic(own, name, { client, signal });
  topics.adopt(checkpointTopic, own);
  return new ExactlyOnce({
    client,
    topics,
    checkpointTopic,
    pack,
    transaction: (partition) => ({
      transactionalId: transactionalIdOf(config.transactionalIdPrefix, partition),
      transactionTimeoutMs: transactionTimeout,
    }),
  });
}
