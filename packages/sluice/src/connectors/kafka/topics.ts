import { setTimeout as delay } from 'node:timers/promises';
import { ConfigResourceTypes, ProtocolError } from '@platformatic/kafka';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { classifyKafkaError, failureOf } from './classify.ts';
import type { KafkaClient, TopicState } from './client.ts';
import type { CreateTopicsConfig } from './config.ts';
import { errorFacts } from './error-facts.ts';

/** What has to be known about a topic to write to it. */
export interface TopicInfo {
  readonly name: string;
  /** Number of partitions when it was first used. It stays: with another one, keys would move and lose their order. */
  readonly partitions: number;
  /** Largest record batch the topic takes, header included, in bytes. */
  readonly maxMessageBytes: number;
  /** False when the limit is only Kafka's default, because this user may not look at the settings of the topic. */
  readonly limitKnown: boolean;
}

/** Kafka's default of `max.message.bytes`, for users who may not look at topic settings. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;

/** Kafka's error code for a topic that does not exist. */
export const UNKNOWN_TOPIC = 3;
const NO_LEADER_YET = [5, 3];
const REFRESH_EVERY_MS = 300_000;
const POLL_MS = 50;

/** Which topics may be created, and how. */
export interface TopicPolicy extends CreateTopicsConfig {
  /** Settings that topics of ours must have, e.g. `cleanup.policy: compact`. */
  readonly required?: Readonly<Record<string, string>>;
}

/**
 * The topics one sink writes to: created or checked at first use, with their partition count pinned from then on, and
 * with the present leader of each partition.
 */
export class TopicRegistry {
  readonly #client: KafkaClient;
  readonly #policy: TopicPolicy;
  readonly #logger: Logger;
  readonly #topics = new Map<string, TopicInfo>();
  readonly #leaders = new Map<string, readonly number[]>();
  readonly #warned = new Set<string>();
  #refreshedMs = performance.now();

  constructor(client: KafkaClient, options: { policy: TopicPolicy; logger: Logger }) {
    this.#client = client;
    this.#policy = options.policy;
    this.#logger = options.logger;
  }

  /** The topic, when it has been used before. */
  get(topic: string): TopicInfo | undefined {
    return this.#topics.get(topic);
  }

  /** A topic that `ensure` was called for. */
  known(topic: string): TopicInfo {
    const info = this.#topics.get(topic);
    if (info === undefined) throw new Error(`the topic ${topic} was not looked up`);
    return info;
  }

  /** Node id of the leader of a partition; -1 when it has none or the topic was never used. */
  leader(topic: string, partition: number): number {
    return this.#leaders.get(topic)?.[partition] ?? -1;
  }

  /** Takes topics over from another registry of the same client. */
  adopt(info: TopicInfo, other: TopicRegistry): void {
    this.#topics.set(info.name, info);
    this.#leaders.set(info.name, other.#leaders.get(info.name) ?? []);
  }

  /**
   * Makes sure the topics can be used: creates what is missing, waits until each partition has a leader, reads their
   * limits. Throws `kafka.topic-missing` (`config`) when something is missing and must not be created.
   */
  async ensure(topics: Iterable<string>, signal: AbortSignal): Promise<void> {
    const fresh = [...topics].filter((topic) => !this.#topics.has(topic));
    if (fresh.length === 0) return;
    const states = await this.#ready(fresh, signal);
    for (const name of fresh) this.#leaders.set(name, states.get(name)?.leaders ?? []);
    await this.#readLimits(fresh, signal);
  }

  /** Asks for the leaders again; a changed partition count is logged, once per topic. */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#refreshedMs = performance.now();
    const names = [...this.#topics.keys()];
    const states = await this.#client.run('topics', signal, () => this.#client.describeTopics(names));
    for (const [name, { errorCode, leaders }] of states) {
      if (errorCode !== 0 && leaders.length === 0) continue;
      this.#leaders.set(name, leaders);
      this.#warnOfGrowth(name, leaders.length);
    }
  }

  /** Looks at everything again when the last look is minutes ago: leaders, partition counts and limits. */
  async refreshIfOld(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#refreshedMs < REFRESH_EVERY_MS) return;
    await this.refresh(signal);
    await this.#readLimits([...this.#topics.keys()], signal);
  }

  async #readLimits(topics: readonly string[], signal: AbortSignal): Promise<void> {
    const limits = await this.#client.run('topics', signal, () => maxMessageBytes(this.#client, topics));
    for (const name of topics) {
      const limit = limits.get(name);
      this.#topics.set(name, {
        name,
        partitions: this.#topics.get(name)?.partitions ?? this.#leaders.get(name)?.length ?? 0,
        maxMessageBytes: limit ?? DEFAULT_MAX_MESSAGE_BYTES,
        limitKnown: limit !== undefined,
      });
    }
  }

  async #ready(topics: readonly string[], signal: AbortSignal): Promise<Map<string, TopicState>> {
    const deadline = performance.now() + this.#client.requestTimeoutMs;
    let created = false;
    for (;;) {
      const states = await this.#client.run('topics', signal, () => this.#client.describeTopics(topics));
      const missing = topics.filter((topic) => states.get(topic)?.errorCode === UNKNOWN_TOPIC);
      if (missing.length > 0 && !created) {
        created = true;
        await this.#create(missing, signal);
        continue;
      }
      const waiting = topics.filter((topic) => isComing(states.get(topic)));
      for (const { errorCode } of states.values()) {
        if (errorCode !== 0 && !NO_LEADER_YET.includes(errorCode)) {
          throw classifyKafkaError(new ProtocolError(errorCode), 'topics');
        }
      }
      if (waiting.length === 0) return states;
      if (performance.now() > deadline) throw notReady(waiting);
      await delay(POLL_MS, undefined, { signal });
    }
  }

  async #create(topics: readonly string[], signal: AbortSignal): Promise<void> {
    const { enabled, partitions, replicationFactor, config, required } = this.#policy;
    if (!enabled) throw missingTopics(topics);
    const configs = Object.entries({ ...config, ...required }).map(([name, value]) => ({ name, value }));
    for (const topic of topics) {
      try {
        await this.#client.run('topics', signal, () =>
          this.#client.admin.createTopics({
            topics: [topic],
            partitions: partitions ?? -1,
            replicas: replicationFactor ?? -1,
            configs,
          }),
        );
        this.#logger.info({ topic, partitions }, 'topic created');
      } catch (error) {
        // Somebody else was faster.
        if (errorFacts(error).protocolErrors.includes('TOPIC_ALREADY_EXISTS')) continue;
        throw failureOf(error, 'topics', signal);
      }
    }
  }

  #warnOfGrowth(topic: string, partitions: number): void {
    const pinned = this.#topics.get(topic)?.partitions;
    if (pinned === undefined || pinned === partitions || this.#warned.has(topic)) return;
    this.#warned.add(topic);
    this.#logger.warn(
      { topic, pinned, partitions },
      'the partition count of a topic has changed; keys keep their partitions until the pipeline is restarted',
    );
  }
}

/** True while a topic is known to be on its way: just created, or between two leaders. */
function isComing(state: TopicState | undefined): boolean {
  if (state === undefined) return true;
  if (NO_LEADER_YET.includes(state.errorCode)) return true;
  return state.errorCode === 0 && (state.leaders.length === 0 || state.leaders.includes(-1));
}

/** Largest batch of each topic; topics whose settings this user may not see are left out. */
export async function maxMessageBytes(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number>> {
  const settings = await topicSettings(client, topics, ['max.message.bytes']);
  const limits = new Map<string, number>();
  for (const [topic, { 'max.message.bytes': bytes }] of settings)
    if (bytes !== undefined) limits.set(topic, Number(bytes));
  return limits;
}

/** The named settings of each topic; topics whose settings this user may not see are left out. */
export async function topicSettings(
  client: KafkaClient,
  topics: readonly string[],
  names: readonly string[],
): Promise<Map<string, Readonly<Record<string, string | undefined>>>> {
  const found = new Map<string, Record<string, string | undefined>>();
  for (const topic of topics) {
    try {
      const [description] = await client.admin.describeConfigs({
        resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: [...names] }],
      });
      const configs = description?.configs ?? [];
      found.set(topic, Object.fromEntries(configs.map(({ name, value }) => [name, value ?? undefined])));
    } catch (error) {
      if (!errorFacts(error).protocolErrors.includes('TOPIC_AUTHORIZATION_FAILED')) throw error;
    }
  }
  return found;
}

function missingTopics(topics: readonly string[]): SluiceError {
  const names = topics.map((topic) => `"${topic}"`).join(', ');
  return new SluiceError(
    `${topics.length > 1 ? 'topics are' : 'a topic is'} missing and must not be created: ${names}`,
    {
      kind: 'config',
      code: 'kafka.topic-missing',
      hint: `Create ${topics.length > 1 ? 'them' : 'it'} (kafka-topics.sh --create --topic ${topics[0]}), or set \`createTopics.enabled: true\`.`,
    },
  );
}

function notReady(topics: readonly string[]): SluiceError {
  return new SluiceError(`no leader for all partitions of ${topics.map((topic) => `"${topic}"`).join(', ')}`, {
    kind: 'transient',
    code: 'kafka.not-available',
  });
}
