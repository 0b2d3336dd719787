import { SluiceError } from '../../core/failure.ts';
import type { KafkaClient } from './client.ts';
import { type TopicInfo, type TopicRegistry, topicSettings } from './topics.ts';

/**
 * A topic that holds state of ours, created or checked. It must be compacted and nothing else: with a retention time a
 * checkpoint would vanish while its pipeline is stopped, and the next start would skip or repeat what came since.
 */
export async function openOwnTopic(
  topics: TopicRegistry,
  name: string,
  { client, signal }: { client: KafkaClient; signal: AbortSignal },
): Promise<TopicInfo> {
  await topics.ensure([name], signal);
  const settings = await client.run('topics', signal, () => topicSettings(client, [name], ['cleanup.policy']));
  const policy = settings.get(name)?.['cleanup.policy'];
  if (policy !== undefined && policy !== 'compact') throw notCompacted(name, policy);
  return topics.known(name);
}

function notCompacted(topic: string, policy: string): SluiceError {
  return new SluiceError(`the topic "${topic}" has cleanup.policy=${policy}; what is kept in it must not expire`, {
    kind: 'config',
    code: 'kafka.topic-not-compacted',
    hint: `kafka-configs.sh --alter --topic ${topic} --add-config cleanup.policy=compact`,
  });
}
