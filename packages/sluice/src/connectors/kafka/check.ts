import { randomUUID } from 'node:crypto';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError, isAbort } from '../../core/failure.ts';
import { newProducerIdentity } from './batch-producer.ts';
import { checkExactlyOnce } from './check-exactly-once.ts';
import { checkOwnTopic, checkTopic } from './check-topics.ts';
import { KafkaClient } from './client.ts';
import type { KafkaConnectionConfig, KafkaDeadLetterConfig, KafkaSinkConfig } from './config.ts';
import { FETCH, LIST_OFFSETS, PRODUCE } from './protocol.ts';
import { TopicTemplate } from './topic-template.ts';

/** Time for one check; the client itself would go on trying for longer. */
const CHECK_LIMIT_MS = 20_000;

/** Returns its findings, or throws a classified error that becomes one. */
type Check = (signal: AbortSignal) => Promise<readonly Finding[]>;

/** Looks at the brokers and topics the way a sink would use them. Writes nothing and creates nothing. */
export function checkKafkaSink(config: KafkaSinkConfig, context: ConnectorContext): Promise<readonly Finding[]> {
  return checkWithClient(config, context, async (client, run) => {
    const exactlyOnce = config.delivery === 'exactly-once';
    const topic = exampleTopic(config.topic);
    return [
      ...(exactlyOnce ? [] : await run('kafka.producer', (signal) => checkProducer(client, signal))),
      ...(await run('kafka.topic', (signal) => checkTopic({ client, policy: config.createTopics, ...topic, signal }))),
      ...(exactlyOnce
        ? await run('kafka.exactly-once', (signal) => checkExactlyOnce({ client, config, context, signal }))
        : []),
    ];
  });
}

/** Looks at the topic for dead letters. Writes nothing and creates nothing. */
export function checkKafkaDeadLetters(
  config: KafkaDeadLetterConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return checkWithClient(config, context, async (client, run) => {
    const target = { client, topic: config.topic, policy: config.createTopics, check: 'kafka.dead-letter-topic' };
    return [
      ...(await run('kafka.producer', (signal) => checkProducer(client, signal))),
      ...(await run(target.check, (signal) => checkOwnTopic({ ...target, signal }))),
    ];
  });
}

/** Runs one check within its time limit; what it throws becomes a finding of that name. */
export type Run = (name: string, check: Check) => Promise<readonly Finding[]>;

/** Connects and runs the checks; says first whether the cluster could be reached. */
export async function checkWithClient(
  config: KafkaConnectionConfig,
  context: ConnectorContext,
  checks: (client: KafkaClient, run: Run) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const run: Run = (name, check) => limited(name, context, check);
  return run('kafka.reachable', async (signal) => {
    await using client = await KafkaClient.open(config, signal);
    const reached = await checkBrokers(client, signal);
    return [...reached, ...(await checks(client, run))];
  });
}

async function limited(name: string, context: ConnectorContext, check: Check): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  try {
    return await check(AbortSignal.any([context.signal, limit]));
  } catch (error) {
    if (isAbort(error, context.signal)) throw error;
    if (limit.aborted) {
      const message = `no result within ${CHECK_LIMIT_MS / 1000} s`;
      return [{ check: name, level: 'error', message, fix: 'Check that the brokers answer.' }];
    }
    const { message, hint } = asSluiceError(error);
    return [{ check: name, level: 'error', message, fix: hint }];
  }
}

async function checkBrokers(client: KafkaClient, signal: AbortSignal): Promise<readonly Finding[]> {
  const link = await client.run('connect', signal, () => client.connectToAny());
  // Throws when one is missing.
  link.api(PRODUCE);
  link.api(FETCH);
  link.api(LIST_OFFSETS);
  const count = await client.run('connect', signal, () => client.countBrokers());
  return [{ check: 'kafka.reachable', level: 'ok', message: `a Kafka cluster of ${count} brokers answers` }];
}

async function checkProducer(client: KafkaClient, signal: AbortSignal): Promise<readonly Finding[]> {
  await newProducerIdentity(client, signal);
  return [{ check: 'kafka.producer', level: 'ok', message: 'the brokers give out producer ids' }];
}

/** A topic by its name, or one that the template could give: its name is made up then. */
function exampleTopic(template: string): { readonly topic: string; readonly madeUp: boolean } {
  const topic = new TopicTemplate(template).topicOf({ db: 'sluice-check', coll: randomUUID() }, 'insert');
  return { topic, madeUp: topic !== template };
}
