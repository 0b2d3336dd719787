import type { CheckpointStore } from '../../core/checkpoint.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Rejection, WriteContext } from '../../core/sink.ts';
import type { PartOffset } from '../../core/source.ts';
import type { PackedBatch } from './open-batch.ts';

/** What a delivery may need of its write. */
export interface DeliveryWrite {
  readonly context: WriteContext;
  /** Packs some of the events again. */
  readonly repack: (envelopes: readonly Envelope[]) => Promise<readonly PackedBatch[]>;
  /** To be awaited with what the broker refused, before a checkpoint becomes durable. */
  readonly rejected: (rejections: readonly Rejection[]) => Promise<void>;
}

/** How packed batches become durable. One call at a time; after an error it is only good for disposal. */
export interface Delivery extends AsyncDisposable {
  /** Set when checkpoints are kept together with the data. */
  readonly checkpoints?: Pick<CheckpointStore, 'claim' | 'save'> | undefined;
  /** Behind the last record that was acknowledged in each partition. */
  offsets(): readonly PartOffset[];
  deliver(batches: readonly PackedBatch[], write: DeliveryWrite): Promise<void>;
}
