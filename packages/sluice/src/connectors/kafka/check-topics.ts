import { ProtocolError } from '@platformatic/kafka';
import type { Finding } from '../../core/connector.ts';
import { asSluiceError } from '../../core/failure.ts';
import { classifyKafkaError } from './classify.ts';
import type { KafkaClient } from './client.ts';
import type { CreateTopicsConfig } from './config.ts';
import { CREATE_TOPICS } from './protocol.ts';
import { maxMessageBytes, topicSettings, UNKNOWN_TOPIC } from './topics.ts';

/** A topic to look at. */
export interface TopicCheck {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly policy: CreateTopicsConfig;
  readonly signal: AbortSignal;
}

/** The largest document MongoDB stores. */
const LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** A topic for data: it exists or could be created, and how large its records may be. `madeUp`: only could it? */
export async function checkTopic(target: TopicCheck & { readonly madeUp: boolean }): Promise<readonly Finding[]> {
  const { client, topic, madeUp, policy, signal } = target;
  const check = 'kafka.topic';
  const partitions = await existingPartitions(target);
  if (partitions === undefined) {
    if (madeUp && !policy.enabled) {
      const message = 'topics must exist before their first event (`createTopics.enabled` is false)';
      return [{ check, level: 'ok', message }];
    }
    return [await checkCreation(target, check)];
  }
  const limits = await client.run('topics', signal, () => maxMessageBytes(client, [topic]));
  const exists: Finding = { check, level: 'ok', message: `the topic "${topic}" has ${partitions} partitions` };
  return [exists, ...recordSize(topic, limits.get(topic))];
}

/** A topic that holds state of ours: compacted if it exists, else it could be created. */
export async function checkOwnTopic(target: TopicCheck & { readonly check: string }): Promise<readonly Finding[]> {
  const { client, topic, check, signal } = target;
  if ((await existingPartitions(target)) === undefined) return [await checkCreation(target, check)];
  const settings = await client.run('topics', signal, () => topicSettings(client, [topic], ['cleanup.policy']));
  const policy = settings.get(topic)?.['cleanup.policy'];
  if (policy === undefined || policy === 'compact') {
    return [
      { check, level: 'ok', message: `the topic "${topic}" exists${policy === undefined ? '' : ' and is compacted'}` },
    ];
  }
  const fix = `kafka-configs.sh --alter --topic ${topic} --add-config cleanup.policy=compact`;
  return [{ check, level: 'error', message: `the topic "${topic}" has cleanup.policy=${policy}, not compact`, fix }];
}

async function existingPartitions({ client, topic, signal }: TopicCheck): Promise<number | undefined> {
  const states = await client.run('topics', signal, () => client.describeTopics([topic]));
  const { errorCode = UNKNOWN_TOPIC, leaders = [] } = states.get(topic) ?? {};
  if (errorCode === UNKNOWN_TOPIC) return undefined;
  if (errorCode !== 0) throw classifyKafkaError(new ProtocolError(errorCode), 'topics');
  return leaders.length;
}

/** Asks the brokers whether they would create the topic, without doing it. */
async function checkCreation({ client, topic, policy, signal }: TopicCheck, check: string): Promise<Finding> {
  if (!policy.enabled) {
    const fix = `kafka-topics.sh --create --topic ${topic}, or set \`createTopics.enabled: true\``;
    return { check, level: 'error', message: `the topic "${topic}" does not exist and must not be created`, fix };
  }
  const request = {
    name: topic,
    numPartitions: policy.partitions ?? -1,
    replicationFactor: policy.replicationFactor ?? -1,
    assignments: [],
    configs: Object.entries(policy.config).map(([name, value]) => ({ name, value })),
  };
  try {
    await client.run('topics', signal, async () => {
      const link = await client.connectToAny();
      await link.api(CREATE_TOPICS).async(link.connection, [request], client.requestTimeoutMs, true);
    });
    return { check, level: 'ok', message: `topics like "${topic}" can be created` };
  } catch (error) {
    const { message, hint } = asSluiceError(error);
    return { check, level: 'error', message: `a topic like "${topic}" cannot be created: ${message}`, fix: hint };
  }
}

function recordSize(topic: string, limitBytes: number | undefined): readonly Finding[] {
  if (limitBytes === undefined || limitBytes >= LARGEST_DOCUMENT_BYTES) return [];
  return [
    {
      check: 'kafka.record-size',
      level: 'warning',
      message: `the topic "${topic}" takes records up to ${limitBytes} bytes, MongoDB documents go to ${LARGEST_DOCUMENT_BYTES}: larger ones become dead letters`,
      fix: `kafka-configs.sh --alter --topic ${topic} --add-config max.message.bytes=${LARGEST_DOCUMENT_BYTES * 2}`,
    },
  ];
}
