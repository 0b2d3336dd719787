import { randomUUID } from 'node:crypto';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { checkOwnTopic } from './check-topics.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaSinkConfig } from './config.ts';
import { TopicRegistry } from './topics.ts';
import { TransactionalProducer, transactionalIdOf } from './transactional-producer.ts';

/** What exactly-once delivery needs besides a topic. */
export interface ExactlyOnceCheck {
  readonly client: KafkaClient;
  readonly config: KafkaSinkConfig;
  readonly context: ConnectorContext;
  readonly signal: AbortSignal;
}

/**
 * Transactional ids can be used with the time-out, and the checkpoint topic is there and compacted. The id is a made-up
 * one with the same prefix: the real one would fence the pipeline that is running.
 */
export async function checkExactlyOnce({
  client,
  config,
  context,
  signal,
}: ExactlyOnceCheck): Promise<readonly Finding[]> {
  const { transactionalIdPrefix, transactionTimeout, checkpointTopic, createTopics } = config;
  const transactionalId = `${transactionalIdOf(transactionalIdPrefix, context.partition)}-check-${randomUUID()}`;
  const topics = new TopicRegistry(client, { policy: createTopics, logger: context.logger });
  const options = { transactionalId, transactionTimeoutMs: transactionTimeout, signal };
  await TransactionalProducer.claim(client, topics, options);
  const target = { client, topic: checkpointTopic, policy: { ...createTopics, partitions: 1, config: {} } };
  return [
    { check: 'kafka.transactions', level: 'ok', message: `transactional ids like "${transactionalId}" can be used` },
    ...(await checkOwnTopic({ ...target, check: 'kafka.checkpoint-topic', signal })),
  ];
}
