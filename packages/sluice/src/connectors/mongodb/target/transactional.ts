import type { Document } from 'mongodb';
import { compareVersions } from '../../../core/change-event.ts';
import { type Checkpoint, type CheckpointStore, encodeCheckpoint } from '../../../core/checkpoint.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Envelope } from '../../../core/envelope.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { Rejection } from '../../../core/sink.ts';
import { takenOver } from '../checkpoint-store.ts';
import { serverCode } from '../classify.ts';
import { apply } from './apply.ts';
import { applyAtomically, type Change } from './atomic-apply.ts';
import { type BatchPlan, overExisting } from './collapse.ts';
import type { MongodbSinkConfig } from './config.ts';
import type { DeliveryContext, TargetDelivery } from './delivery.ts';
import type { TargetCollection } from './name-template.ts';
import type { Outcomes } from './outcome.ts';
import type { TargetWriter, WriteScope } from './target-writer.ts';
import { inTransaction, type TransactionPlace } from './transaction.ts';
import type { Versions } from './versions.ts';

/** What writing in transactions needs. */
export interface TransactionalParts {
  readonly place: TransactionPlace;
  readonly writer: TargetWriter;
  readonly outcomes: Outcomes;
  readonly attempts: number;
  /** Set with `guard: version`. */
  readonly versions: Versions | undefined;
  /** Set with `delivery: exactly-once`: where the checkpoint goes with the data. */
  readonly checkpoints: CheckpointPlace | undefined;
}

/** The store of the checkpoints, and the collection that it is. */
export interface CheckpointPlace extends Pick<MongodbSinkConfig['checkpoints'], 'database' | 'collection'> {
  readonly store: Pick<CheckpointStore, 'claim' | 'save'>;
}

/** Writes each batch in one transaction: with the versions of its documents, with the checkpoint behind it, or both. */
export class Transactional implements TargetDelivery {
  readonly #parts: TransactionalParts;
  readonly checkpoints: Pick<CheckpointStore, 'claim' | 'save'> | undefined;
  readonly #existing = new Set<string>();
  readonly isOlder: ((envelope: Envelope, last: Envelope) => boolean) | undefined;

  constructor(parts: TransactionalParts) {
    this.#parts = parts;
    this.checkpoints = parts.checkpoints?.store;
    const isOlder = ({ event }: Envelope, last: Envelope) => compareVersions(event.version, last.event.version) <= 0;
    this.isOlder = parts.versions && isOlder;
  }

  async deliver({ collections, rejections }: BatchPlan, context: DeliveryContext): Promise<number> {
    await Promise.all(collections.map(({ target }) => this.#ensureExists(target, context.signal)));
    const { place, attempts, outcomes } = this.#parts;
    const { signal, checkpoint } = context;
    const putAway = new PutAway(context);
    putAway.add(rejections);
    await applyAtomically({
      place,
      signal,
      attempts,
      changes: collections.map(({ target, keys }) => ({ target, plans: [...keys.values()] })),
      hasNeighbours: this.checkpoints === undefined,
      leaveOut: (failure) => putAway.add(outcomes.rejections(failure)),
      work: async (changes, session) => {
        for (const change of changes) await this.#apply(change, { session, signal });
        await this.#saveCheckpoint(checkpoint, { session, signal });
        await putAway.handOver();
      },
    });
    return putAway.count;
  }

  async sweep(target: TargetCollection, since: ClusterTime, { checkpoint, signal }: DeliveryContext): Promise<boolean> {
    const { versions, place } = this.#parts;
    if (versions === undefined) return false;
    for (let swept = 1; swept > 0; ) {
      swept = await inTransaction(place, signal, async (session) => {
        // The checkpoint itself is behind the event that asks for this.
        await this.#touchCheckpoint(checkpoint, { sweptAt: new Date() }, { session, signal });
        return versions.sweep(target, since, { session, signal });
      });
    }
    return true;
  }

  /** Transactions that make one collection at the same time would get in each other's way. */
  async #ensureExists({ db, coll, name }: TargetCollection, signal: AbortSignal): Promise<void> {
    if (this.#existing.has(name)) return;
    try {
      await this.#parts.writer.command(db, { create: coll }, `make the collection ${name}`, { signal });
    } catch (error) {
      // Whatever is wrong with it, the transaction will tell more.
      if (!(error instanceof SluiceError) || serverCode(error) === undefined) throw error;
    }
    this.#existing.add(name);
  }

  async #apply({ target, plans }: Change, scope: WriteScope): Promise<void> {
    const { writer, versions } = this.#parts;
    const newer = await versions?.newer(target, plans, scope);
    // An insert of what is there already would end the transaction.
    await apply({ writer, target, plans: (newer?.plans ?? plans).map(overExisting), scope, attempts: 1 });
    if (newer !== undefined) await versions?.write(target, newer, scope);
  }

  async ensureOwned(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    await this.#touchCheckpoint(checkpoint, { checkedAt: new Date() }, { signal });
  }

  async #saveCheckpoint(checkpoint: Checkpoint, scope: WriteScope): Promise<void> {
    const { savedAtMs } = checkpoint;
    await this.#touchCheckpoint(
      checkpoint,
      { checkpoint: encodeCheckpoint(checkpoint), savedAt: new Date(savedAtMs) },
      scope,
    );
  }

  /** Sets fields beside the checkpoint. Throws `fenced` when the partition has another owner by now. */
  async #touchCheckpoint({ partition, epoch }: Checkpoint, fields: Document, scope: WriteScope): Promise<void> {
    const { checkpoints, writer } = this.#parts;
    if (checkpoints === undefined) return;
    const { database, collection } = checkpoints;
    const name = `${database}.${collection}`;
    const command = { update: collection, updates: [{ q: { _id: partition, epoch }, u: { $set: fields } }] };
    const reply = await writer.command(database, command, `save the checkpoint in ${name}`, scope);
    if (Number(reply['n']) === 0) throw takenOver(partition, epoch, name);
  }
}

/** Hands rejections over once each, however often a transaction is repeated. */
class PutAway {
  readonly #context: DeliveryContext;
  #waiting: Rejection[] = [];
  readonly #known = new Set<Envelope>();
  #count = 0;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#count;
  }

  /** An event of which several parts are refused is one rejection. */
  add(rejections: readonly Rejection[]): void {
    for (const rejection of rejections) {
      if (this.#known.has(rejection.envelope)) continue;
      this.#known.add(rejection.envelope);
      this.#waiting.push(rejection);
    }
  }

  async handOver(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    await this.#context.reject(waiting);
    this.#count += waiting.length;
  }
}
