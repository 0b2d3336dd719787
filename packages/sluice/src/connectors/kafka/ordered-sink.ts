import { FailFastQueue, inOrder } from '../../core/fail-fast-queue.ts';
import type { Sink, SinkLimits, WriteContext, WriteResult } from '../../core/sink.ts';
import type { KafkaClient } from './client.ts';
import type { Delivery } from './delivery.ts';
import { type PreparedWrite, type PrepareParts, prepareWrite } from './prepare-write.ts';

/** What a Kafka sink is made of. */
export interface OrderedSinkParts extends PrepareParts {
  readonly client: KafkaClient;
  readonly limits: Pick<SinkLimits, 'records' | 'bytes'>;
  readonly delivery: Delivery;
}

/**
 * Two writes may be under way: while the first is on its way to the brokers, the second is shaped and packed. Both
 * happen strictly in the order of the calls; after a failure everything behind it fails unsent.
 */
const BATCHES_IN_FLIGHT = 2;

/** Opens the sink over its connected parts; it owns them from now on. */
export function orderedSink(parts: OrderedSinkParts): Sink {
  const preparing = new FailFastQueue();
  const sending = new FailFastQueue();
  const { delivery } = parts;
  return {
    limits: { ...parts.limits, batchesInFlight: BATCHES_IN_FLIGHT },
    offsets: () => delivery.offsets(),
    checkpoints: delivery.checkpoints && inOrder(delivery.checkpoints, sending),
    write(batch, context) {
      const prepared = preparing.run(() => prepareWrite(batch, parts, context.signal));
      return sending.run(async () => send(batch.length, { prepared: await prepared, context, parts }));
    },
    async [Symbol.asyncDispose]() {
      await delivery[Symbol.asyncDispose]();
      await parts.client[Symbol.asyncDispose]();
    },
  };
}

interface SendWork {
  readonly prepared: PreparedWrite;
  readonly context: WriteContext;
  readonly parts: OrderedSinkParts;
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
    repack: async (envelopes) => (await prepareWrite(envelopes, parts, signal)).batches,
    async rejected(more) {
      rejected += more.length;
      await context.reject(more);
    },
  });
  return { delivered: total - filtered - rejected, filtered };
}
