import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { checkWithClient } from './check.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaSourceConfig } from './config.ts';
import { errorFacts } from './error-facts.ts';
import { GroupCoordinator } from './group-coordinator.ts';
import { groupOf } from './group-name.ts';
import { GROUP_HEARTBEAT } from './protocol.ts';
import { TopicCatalog } from './topic-catalog.ts';
import { selectTopics } from './topic-pattern.ts';

/** Errors that say that the group could be used, and that nobody of that name is in it. */
const NOBODY = ['UNKNOWN_MEMBER_ID', 'GROUP_ID_NOT_FOUND'];
const NO_ONES_EPOCH = 1;
/** A cluster that no group has used yet makes the topic of the coordinators when it is asked for one. */
const NOT_YET = ['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS', 'NOT_COORDINATOR'];
const COORDINATOR_TRIES = 10;
const COORDINATOR_PAUSE_MS = 500;

/** Looks at the brokers, topics and the group the way a source would use them. Joins nothing and commits nothing. */
export function checkKafkaSource(config: KafkaSourceConfig, context: ConnectorContext): Promise<readonly Finding[]> {
  return checkWithClient(config, context, async (client, run) => [
    ...(await run('kafka.topics', (signal) => checkTopics(client, config, signal))),
    ...(await run('kafka.group', (signal) => checkGroup(client, groupOf(config, context.pipeline), signal))),
  ]);
}

async function checkTopics(
  client: KafkaClient,
  config: KafkaSourceConfig,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const check = 'kafka.topics';
  const catalog = new TopicCatalog(client, selectTopics(config.topics));
  await catalog.refresh(signal);
  const missing = catalog.missing.map((topic): Finding => {
    const fix = `kafka-topics.sh --create --topic ${topic}, or check the name and the right to Describe it`;
    return { check, level: 'warning', message: `the topic "${topic}" does not exist yet`, fix };
  });
  const { topics } = catalog;
  if (topics.length === 0 && missing.length > 0) return missing;
  if (topics.length === 0) {
    const fix = 'Check `topics`, and the right to Describe them.';
    return [{ check, level: 'warning', message: 'no topic matches yet', fix }];
  }
  const partitions = topics.reduce((sum, { leaders }) => sum + leaders.length, 0);
  const message = `${topics.length} topics with ${partitions} partitions match: so many workers can share the work`;
  return [{ check, level: 'ok', message }, ...missing];
}

/** Sends a heartbeat of nobody: the answer tells whether the brokers and the user's rights would let a worker in. */
async function checkGroup(client: KafkaClient, group: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const coordinator = new GroupCoordinator(client, group);
  for (let tries = 1; ; tries++) {
    try {
      await coordinator.ask(signal, (link) =>
        link
          .api(GROUP_HEARTBEAT, '4.0')
          .async(link.connection, group, 'sluice-check', NO_ONES_EPOCH, null, null, 1000, ['none'], null, null, []),
      );
      break;
    } catch (error) {
      const { protocolErrors } = errorFacts(error);
      if (protocolErrors.some((name) => NOBODY.includes(name))) break;
      const waits = protocolErrors.some((name) => NOT_YET.includes(name));
      if (!waits || tries >= COORDINATOR_TRIES) throw error;
      await delay(COORDINATOR_PAUSE_MS, undefined, { signal });
    }
  }
  return [{ check: 'kafka.group', level: 'ok', message: `the consumer group "${group}" can be used` }];
}
