import {
  type Checkpoint,
  type CheckpointStore,
  type Claim,
  decodeCheckpoint,
  encodeCheckpoint,
  type PartitionId,
} from '../../core/checkpoint.ts';
import type { OpenCheckpointStore } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { MongodbCheckpointStoreConfig } from './config.ts';
import { openStateCollection, type StateCollection } from './state-collection.ts';

/**
 * Checkpoints in a MongoDB collection, one document per partition: `{_id: partition, epoch, checkpoint, savedAt}`.
 * `epoch` is the owner's; a save names the epoch it belongs to and matches nothing once somebody else has claimed.
 */
export const openMongodbCheckpointStore: OpenCheckpointStore<MongodbCheckpointStoreConfig> = async (config, context) =>
  new MongodbCheckpointStore(await openStateCollection(config, context));

class MongodbCheckpointStore implements CheckpointStore {
  readonly #state: StateCollection;

  constructor(state: StateCollection) {
    this.#state = state;
  }

  async claim(partition: PartitionId, signal: AbortSignal): Promise<Claim> {
    const doing = `claim the checkpoint in ${this.#state.name}`;
    const owned = await this.#state.findAndModify(doing, { _id: partition }, { $inc: { epoch: 1 } }, signal);
    const text = owned['checkpoint'] as string | undefined;
    const checkpoint = text === undefined ? undefined : decodeCheckpoint(text, partition, this.#state.name);
    return { epoch: Number(owned['epoch']), checkpoint };
  }

  async save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const { partition, epoch, savedAtMs } = checkpoint;
    const update = {
      q: { _id: partition, epoch },
      u: { $set: { checkpoint: encodeCheckpoint(checkpoint), savedAt: new Date(savedAtMs) } },
    };
    const matched = await this.#state.update(`save the checkpoint in ${this.#state.name}`, [update], signal);
    if (matched === 0) throw takenOver(partition, epoch, this.#state.name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#state[Symbol.asyncDispose]();
  }
}

/** The refusal of a save that belongs to an older owner. */
export function takenOver(partition: PartitionId, epoch: number, where: string): SluiceError {
  return new SluiceError(`${partition} was taken over: its checkpoint in ${where} has an owner after epoch ${epoch}`, {
    kind: 'fenced',
    code: 'checkpoint.fenced',
    hint: 'Another process runs this pipeline. Run it once, or give one of the two another name.',
  });
}
