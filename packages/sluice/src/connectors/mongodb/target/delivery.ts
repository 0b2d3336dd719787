import type { Checkpoint, CheckpointStore } from '../../../core/checkpoint.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Envelope } from '../../../core/envelope.ts';
import type { WriteContext } from '../../../core/sink.ts';
import type { BatchPlan } from './collapse.ts';
import type { TargetCollection } from './name-template.ts';

/** What a batch of documents is delivered with. `checkpoint` is what stands behind it. */
export interface DeliveryContext extends Pick<WriteContext, 'reject' | 'signal' | 'ensureOwned'> {
  readonly checkpoint: Checkpoint;
}

/** A way to bring what a batch asks for to the target. */
export interface TargetDelivery {
  /** Set when the checkpoint is kept with the data. */
  readonly checkpoints?: Pick<CheckpointStore, 'claim' | 'save'> | undefined;
  /** Set when versions are compared: whether an event is not newer than one before it of its document. */
  readonly isOlder?: ((envelope: Envelope, last: Envelope) => boolean) | undefined;
  /** Throws `fenced` when somebody else owns the partition by now, as far as that can be known. */
  ensureOwned(checkpoint: Checkpoint, signal: AbortSignal): Promise<void>;
  /** Resolves with the number of rejected events, when everything else is durable and these are put away. */
  deliver(plan: BatchPlan, context: DeliveryContext): Promise<number>;
  /**
   * Deletes the documents of a collection that were last written before a time. False when it is not known which these
   * are.
   */
  sweep(target: TargetCollection, since: ClusterTime, context: DeliveryContext): Promise<boolean>;
}
