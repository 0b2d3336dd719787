import {
  type Checkpoint,
  type CheckpointStore,
  type Claim,
  decodeCheckpoint,
  encodeCheckpoint,
  type PartitionId,
} from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Session } from './client.ts';
import type { Sessions } from './sessions.ts';
import type { StateTables } from './state-tables.ts';

/**
 * Checkpoints in the target, one row per partition. `epoch` is the owner's; a save names the epoch it belongs to and finds
 * no row once somebody else has claimed. A claim waits for a transaction of the owner before that is just saving, so what
 * it reads is what came of that.
 */
export class TargetCheckpoints implements Pick<CheckpointStore, 'claim' | 'save'> {
  readonly #sessions: Sessions;
  readonly #table: string;

  constructor(sessions: Sessions, { checkpoints }: StateTables) {
    this.#sessions = sessions;
    this.#table = checkpoints;
  }

  async claim(partition: PartitionId, signal: AbortSignal): Promise<Claim> {
    const text = `insert into ${this.#table} as c (partition, epoch) values ($1, 1)
      on conflict (partition) do update set epoch = c.epoch + 1 returning epoch, checkpoint`;
    const statement = { text, values: [partition] };
    const doing = `claim the checkpoint in ${this.#table}`;
    const { rows } = await this.#sessions.use(signal, (session) => session.run('state', doing, statement, signal));
    const { epoch, checkpoint } = rows[0] ?? {};
    const known = typeof checkpoint === 'string' ? checkpoint : undefined;
    return {
      epoch: Number(epoch),
      checkpoint: known === undefined ? undefined : decodeCheckpoint(known, partition, this.#table),
    };
  }

  async save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    await this.#sessions.use(signal, (session) => this.saveIn(session, checkpoint, signal));
  }

  /** As `save`, in the transaction of the session if there is one. */
  async saveIn(session: Session, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const { partition, epoch, savedAtMs } = checkpoint;
    const text = `update ${this.#table} set checkpoint = $3, saved_at = to_timestamp($4::double precision / 1000)
      where partition = $1 and epoch = $2`;
    const values = [partition, epoch, encodeCheckpoint(checkpoint), savedAtMs];
    const doing = `save the checkpoint in ${this.#table}`;
    const { rowCount } = await session.run('state', doing, { text, values }, signal);
    if (rowCount === 0) throw this.#takenOver(checkpoint);
  }

  /** Throws `fenced` when the partition has another owner; in a transaction it has none until that ends. */
  async ensureOwnedIn(session: Session, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const text = `select 1 from ${this.#table} where partition = $1 and epoch = $2 for share`;
    const statement = { text, values: [checkpoint.partition, checkpoint.epoch] };
    const { rowCount } = await session.run('state', `look at the owner in ${this.#table}`, statement, signal);
    if (rowCount === 0) throw this.#takenOver(checkpoint);
  }

  #takenOver({ partition, epoch }: Checkpoint): SluiceError {
    return new SluiceError(
      `${partition} was taken over: its checkpoint in ${this.#table} has an owner after epoch ${epoch}`,
      {
        kind: 'fenced',
        code: 'checkpoint.fenced',
        hint: 'Another process runs this pipeline. Run it once, or give one of the two another name.',
      },
    );
  }
}
