import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { BrokerMessage, Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { SourceContext } from '../../core/connector.ts';
import { isAbort } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Position } from '../../core/position.ts';
import type { Source, SourceBatch } from '../../core/source.ts';
import { testEvent } from '../../testing/events.ts';
import { kafkajsClient } from '../../testing/kafkajs-client.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { type KafkaSourceConfig, kafkaSourceConfig } from './config.ts';
import { kafkaSource } from './source.ts';

/*
 * What the tests of the Kafka source share: topics, messages, and workers that read them.
 */

/** A message as a test sees it. */
export interface Seen {
  readonly topic: string;
  readonly place: string;
  readonly sequence: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Keeps each message beside the event that it becomes; a value of `skip` becomes none. */
export class NotingDecoder implements Decoder {
  readonly name = 'noting';
  readonly #seen = new WeakMap<ChangeEvent, Seen>();

  decode(message: BrokerMessage): ChangeEvent | undefined {
    const { topic, place, sequence } = message;
    const value = message.value === null ? null : Buffer.from(message.value).toString();
    if (value === 'skip') return undefined;
    const key = message.key === null ? null : Buffer.from(message.key).toString();
    const headers = Object.fromEntries(
      [...message.headers].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]),
    );
    const event = { ...testEvent({ id: key ?? place, sequence }), id: place, position: message.position };
    this.#seen.set(event, { topic, place, sequence, key, value, headers });
    return event;
  }

  seen(event: ChangeEvent): Seen {
    const seen = this.#seen.get(event);
    if (seen === undefined) throw new Error('this event was made by somebody else');
    return seen;
  }
}

/** Settings of a source with short times. */
export function sourceConfig(settings: Record<string, unknown>): KafkaSourceConfig {
  return kafkaSourceConfig.parse({ maxAwaitTime: '200ms', topicRefresh: '500ms', ...settings });
}

/** What a test can choose about a worker. */
export interface WorkerOptions {
  readonly settings: Record<string, unknown>;
  readonly context?: Partial<SourceContext>;
  /** False: nothing is acknowledged until the test says so. */
  readonly acknowledge?: boolean;
  /** Awaited before a batch is acknowledged, as a slow sink would make it. */
  readonly write?: (messages: readonly Seen[]) => Promise<void>;
}

const COMMIT_EVERY_MS = 100;

/** Opens a source and reads it the way a pipeline does, with a sink that notes what it gets. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const decoder = new NotingDecoder();
  const source = await kafkaSource.open(sourceConfig(options.settings), {
    pipeline: 'test',
    partition: 'test/0',
    logger: silentLogger,
    signal: new AbortController().signal,
    onPositionLost: 'fail',
    decoder,
    ...options.context,
  });
  return new Worker(source, decoder, options);
}

/** A source that is being read. */
export class Worker implements AsyncDisposable {
  readonly source: Source;
  /** Everything that was read, in order. */
  readonly seen: Seen[] = [];
  readonly batches: SourceBatch[] = [];
  /** What ended the reading. */
  error: unknown;
  readonly #decoder: NotingDecoder;
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;
  readonly #committing: Promise<void>;
  #floor: Position | undefined;

  constructor(source: Source, decoder: NotingDecoder, options: WorkerOptions) {
    this.source = source;
    this.#decoder = decoder;
    this.#options = options;
    this.#reading = this.#read();
    this.#committing = this.#commit();
  }

  get values(): readonly (string | null)[] {
    return this.seen.map(({ value }) => value);
  }

  get isCaughtUp(): boolean {
    return this.batches.at(-1)?.caughtUp ?? false;
  }

  /** Parts that it reads now. */
  get parts(): readonly string[] {
    return (this.source.offsets?.() ?? []).map(({ part }) => part).sort();
  }

  /** Acknowledges everything read so far. */
  acknowledge(): void {
    const position = this.batches.at(-1)?.position;
    if (position !== undefined) this.source.acknowledged?.(position);
    this.#floor = position;
  }

  async commit(): Promise<void> {
    const checkpoint = { position: this.#floor } as Checkpoint;
    await this.source.checkpoints?.save(checkpoint, new AbortController().signal);
  }

  /** Resolves when the reading has ended. */
  get ended(): Promise<void> {
    return this.#reading;
  }

  /** Stops reading; what was read is still to be acknowledged. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    await this.#committing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.source[Symbol.asyncDispose]();
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const batch of this.source.read(undefined, signal)) {
        const messages = batch.events.map((event) => this.#decoder.seen(event));
        this.seen.push(...messages);
        await this.#options.write?.(messages);
        this.batches.push(batch);
        if (this.#options.acknowledge !== false) this.acknowledge();
      }
    } catch (error) {
      if (!isAbort(error, signal)) this.error = error;
    }
  }

  async #commit(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await delay(COMMIT_EVERY_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#options.acknowledge !== false) await this.commit().catch(() => {});
    }
  }
}

type KafkajsAdmin = ReturnType<ReturnType<typeof kafkajsClient>['admin']>;

/** Does something with an admin client that is closed behind it. */
export async function withAdmin<T>(brokers: readonly string[], work: (admin: KafkajsAdmin) => Promise<T>): Promise<T> {
  const admin = kafkajsClient({ brokers }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const TOPIC_LIMIT = { timeoutMs: 60_000, intervalMs: 50, retryErrors: true };

/**
 * Waits until the broker serves so many partitions of the topic. The controller answers before that, and metadata name a
 * leader before it leads.
 */
export async function untilServed(brokers: readonly string[], topic: string, partitions: number): Promise<void> {
  // A client of its own for each look: one that has the topic's metadata does not ask for them again.
  const served = () => withAdmin(brokers, async (admin) => (await admin.fetchTopicOffsets(topic)).length >= partitions);
  await waitFor(served, { ...TOPIC_LIMIT, message: `${partitions} partitions of ${topic} are served` });
}

/** Creates topics; they can be used when it resolves. */
export async function createTopics(
  brokers: readonly string[],
  topics: readonly string[],
  options: { readonly partitions?: number; readonly config?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const configEntries = Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value }));
  const numPartitions = options.partitions ?? 1;
  const all = topics.map((topic) => ({ topic, numPartitions, configEntries }));
  await withAdmin(brokers, (admin) => admin.createTopics({ topics: all }));
  for (const topic of topics) await untilServed(brokers, topic, numPartitions);
}

/** Deletes topics; the broker no longer knows them when it resolves. */
export async function deleteTopics(brokers: readonly string[], topics: readonly string[]): Promise<void> {
  await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [...topics] }));
  const gone = async () => {
    const left = await withAdmin(brokers, (admin) => admin.listTopics());
    return !left.some((topic) => topics.includes(topic));
  };
  await waitFor(gone, { ...TOPIC_LIMIT, message: `${topics.join()} are gone` });
}

/** Makes a topic have more partitions; they can be used when it resolves. */
export async function addPartitions(brokers: readonly string[], topic: string, count: number): Promise<void> {
  await withAdmin(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }));
  await untilServed(brokers, topic, count);
}

/** Lowers `max.message.bytes` of a topic of one partition; the broker keeps to it when it resolves. */
export async function lowerMessageLimit(brokers: readonly string[], topic: string, bytes: number): Promise<void> {
  const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }];
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }];
  await withAdmin(brokers, (admin) => admin.alterConfigs({ validateOnly: false, resources }));
  // The log gets its settings after the answer, and after they can be read. What is sent here is aborted.
  const transactionalId = `limit-${randomUUID()}`;
  const producer = kafkajsClient({ brokers }).producer({ transactionalId, maxInFlightRequests: 1 });
  await producer.connect();
  const refused = async () => {
    const transaction = await producer.transaction();
    try {
      await transaction.send({ topic, messages: [{ partition: 0, value: Buffer.alloc(bytes) }] });
      return false;
    } catch (error) {
      if ((error as { readonly type?: string }).type === 'MESSAGE_TOO_LARGE') return true;
      throw error;
    } finally {
      await transaction.abort();
    }
  };
  try {
    await waitFor(refused, { timeoutMs: TOPIC_LIMIT.timeoutMs, message: `${topic} takes at most ${bytes} bytes` });
  } finally {
    await producer.disconnect();
  }
}

/** Deletes the messages of partition 0 before the offset. */
export async function deleteBefore(brokers: readonly string[], topic: string, offset: number): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    // Deleting does not look up the leader by itself.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  });
}

/** A message to be sent; without a partition the key decides. */
export interface Outgoing {
  readonly key?: string | null;
  readonly value: string | null;
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends messages, in order. */
export async function produce(brokers: readonly string[], topic: string, messages: readonly Outgoing[]): Promise<void> {
  const producer = kafkajsClient({ brokers }).producer();
  await producer.connect();
  try {
    await producer.send({ topic, messages: messages.map((each) => ({ key: null, ...each })) });
  } finally {
    await producer.disconnect();
  }
}

/** Messages `from` to `to` (without it) as values, on a few keys. */
export function numbered(from: number, to: number, keys = 7): Outgoing[] {
  return Array.from({ length: to - from }, (_, index) => ({
    key: `k${(from + index) % keys}`,
    value: `${from + index}`,
  }));
}
