import type { BatchProducer } from './batch-producer.ts';
import type { Delivery, DeliveryWrite } from './delivery.ts';
import type { PackedBatch } from './open-batch.ts';
import { sendInRounds } from './send-rounds.ts';

/**
 * Delivery without transactions: acknowledged by all replicas in sync, without duplicates as long as this process
 * lives. After a restart what was in flight comes again, with the same event ids.
 */
export function atLeastOnce(producer: BatchProducer): Delivery {
  return {
    offsets: () => producer.written,
    async deliver(batches: readonly PackedBatch[], { context, repack, rejected }: DeliveryWrite) {
      const rejections = await sendInRounds(batches, { producer, repack, signal: context.signal });
      if (rejections.length > 0) await rejected(rejections);
    },
    async [Symbol.asyncDispose]() {},
  };
}
