import type { Envelope } from '../../core/envelope.ts';
import type { Format } from '../../core/format.ts';
import type { Rejection, Sink, SinkLimits, WriteContext, WriteResult } from '../../core/sink.ts';
import type { KafkaClient } from './client.ts';
import { checkpointStoreOf, ExactlyOnce } from './exactly-once.ts';
import { type PackedBatch, type PackOptions, packRecords } from './pack-batch.ts';
import { type ShapedBatch, shapeBatch } from './shape-batch.ts';
import type { TopicTemplate } from './topic-template.ts';
import type { TopicRegistry } from './topics.ts';

/** How packed batches become durable. */
export interface Delivery extends AsyncDisposable {
  deliver(batches: readonly PackedBatch[], write: DeliveryWrite): Promise<void>;
}

/** What a delivery may need of its write. */
export interface DeliveryWrite {
  readonly context: WriteContext;
  /** Packs some of the events again. */
  readonly repack: (envelopes: readonly Envelope[]) => Promise<readonly PackedBatch[]>;
  /** To be awaited with what the broker refused, before a checkpoint becomes durable. */
  readonly rejected: (rejections: readonly Rejection[]) => Promise<void>;
}

/** What a Kafka sink is made of. */
export interface KafkaSinkParts {
  readonly client: KafkaClient;
  readonly topics: TopicRegistry;
  readonly template: TopicTemplate;
  readonly format: Format;
  readonly pack: Omit<PackOptions, 'topicOf'>;
  readonly limits: Pick<SinkLimits, 'records' | 'bytes'>;
  readonly delivery: Delivery;
}

interface Prepared {
  readonly batches: readonly PackedBatch[];
  readonly rejections: readonly Rejection[];
  readonly filtered: number;
}

/**
 * Two writes may be under way: while the first is on its way to the brokers, the second is shaped and packed, at once
 * in the call. Sending is strictly in the order of the calls; after a failure everything behind it fails unsent.
 */
const BATCHES_IN_FLIGHT = 2;

/** Opens the sink over its connected parts; it owns them from now on. */
export function kafkaSinkOver(parts: KafkaSinkParts): Sink {
  const queue = new FailFastQueue();
  const inOrder = <T>(work: () => Promise<T>) => queue.run(work);
  const { delivery } = parts;
  return {
    limits: { ...parts.limits, batchesInFlight: BATCHES_IN_FLIGHT },
    checkpoints: delivery instanceof ExactlyOnce ? checkpointStoreOf(delivery, inOrder) : undefined,
    write(batch, context) {
      const prepared = prepare(batch, parts, context.signal);
      // It fails where it is awaited, in its turn.
      prepared.catch(() => {});
      return queue.run(async () => send(batch.length, { prepared: await prepared, context, parts }));
    },
    async [Symbol.asyncDispose]() {
      await delivery[Symbol.asyncDispose]();
      await parts.client[Symbol.asyncDispose]();
    },
  };
}

/** Runs pieces of work one after the other; once one has failed, all others fail with the same error without running. */
class FailFastQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result;
    result.catch(() => {});
    return result;
  }
}

async function prepare(batch: readonly Envelope[], parts: KafkaSinkParts, signal: AbortSignal): Promise<Prepared> {
  const shaped = shapeBatch(batch, parts.format, parts.template);
  const unknown = [...shaped.topics].filter((topic) => parts.topics.get(topic) === undefined);
  // No waiting when all topics are known: packing then happens inside the call of `write`.
  if (unknown.length > 0) await parts.topics.ensure(unknown, signal);
  return pack(shaped, parts);
}

async function pack(shaped: ShapedBatch, { topics, pack }: KafkaSinkParts): Promise<Prepared> {
  const topicOf = (name: string) => {
    const topic = topics.get(name);
    if (topic === undefined) throw new Error(`the topic ${name} was not looked up`);
    return topic;
  };
  const { batches, rejections } = await packRecords(shaped.records, { ...pack, topicOf });
  return { batches, rejections: [...shaped.rejections, ...rejections], filtered: shaped.filtered };
}

interface SendWork {
  readonly prepared: Prepared;
  readonly context: WriteContext;
  readonly parts: KafkaSinkParts;
}

async function send(total: number, { prepared, context, parts }: SendWork): Promise<WriteResult> {
  const { batches, rejections, filtered } = prepared;
  const { signal } = context;
  signal.throwIfAborted();
  let rejected = rejections.length;
  if (rejected > 0) await context.reject(rejections);
  await parts.topics.refreshIfOld(signal);
  await parts.delivery.deliver(batches, {
    context,
    repack: async (envelopes) => (await prepare(envelopes, parts, signal)).batches,
    async rejected(more) {
      rejected += more.length;
      await context.reject(more);
    },
  });
  return { delivered: total - filtered - rejected, filtered };
}
