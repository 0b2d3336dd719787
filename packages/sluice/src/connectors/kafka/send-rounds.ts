import type { Envelope } from '../../core/envelope.ts';
import type { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import type { BatchProducer, OutgoingBatch } from './batch-producer.ts';
import type { PackedBatch } from './open-batch.ts';

/** What sending needs besides the batches. */
export interface SendOptions {
  readonly producer: Pick<BatchProducer, 'send'>;
  /** Packs events again, for a batch that was refused as a whole. */
  readonly repack: (envelopes: readonly Envelope[]) => Promise<readonly PackedBatch[]>;
  /** A batch of our own that goes with the first round; it must not be refused. */
  readonly first?: OutgoingBatch | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends the batches, one per partition at a time and in their order. A batch that the broker refuses is halved until
 * the event at fault stands alone; these events are returned, everything else is durable.
 */
export async function sendInRounds(batches: readonly PackedBatch[], options: SendOptions): Promise<Rejection[]> {
  const { producer, first, signal } = options;
  const queues = [...Map.groupBy(batches, ({ topic, partition }) => `${topic}:${partition}`).values()];
  const rejections: Rejection[] = [];
  let own = first;
  while (own !== undefined || queues.some((queue) => queue.length > 0)) {
    const heads = queues.flatMap((queue) => queue.slice(0, 1));
    const refused = await producer.send(own === undefined ? heads : [own, ...heads], signal);
    const ownError = own && refused.get(own);
    if (ownError !== undefined) throw ownError;
    own = undefined;
    for (const queue of queues) {
      const batch = queue.shift();
      if (batch === undefined) continue;
      // Only now: after an error the client may still hold a request that it has not copied yet.
      batch.release();
      const error = refused.get(batch);
      if (error !== undefined) queue.unshift(...(await narrow(batch, error, { options, rejections })));
    }
  }
  return rejections;
}

/** What is to be sent instead of a refused batch: its halves, or nothing when it is a single event. */
async function narrow(
  { envelopes }: PackedBatch,
  error: SluiceError,
  { options, rejections }: { options: SendOptions; rejections: Rejection[] },
): Promise<readonly PackedBatch[]> {
  const [envelope] = envelopes;
  if (envelopes.length === 1 && envelope !== undefined) {
    rejections.push({ envelope, error });
    return [];
  }
  const middle = Math.ceil(envelopes.length / 2);
  const halves = [envelopes.slice(0, middle), envelopes.slice(middle)];
  return (await Promise.all(halves.map((half) => options.repack(half)))).flat();
}
