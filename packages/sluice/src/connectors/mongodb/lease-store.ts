import type { Document } from 'mongodb';
import type { PartitionId } from '../../core/checkpoint.ts';
import type { OpenLeaseStore } from '../../core/connector.ts';
import type { Instance, LeaseGrant, LeaseRequest, LeaseStore, LeaseView, ProcessMark } from '../../core/lease.ts';
import type { MongodbLeaseStoreConfig } from './config.ts';
import { openStateCollection, type StateCollection } from './state-collection.ts';

/**
 * Leases in a MongoDB collection, one document per partition: `{_id: partition, holder, epoch, expiresAt}`. Every change
 * is one atomic update, confirmed by a majority, that reads the time on the server (`$$NOW`).
 */
export const openMongodbLeaseStore: OpenLeaseStore<MongodbLeaseStoreConfig> = async (config, context) =>
  new MongodbLeaseStore(await openStateCollection(config, context));

class MongodbLeaseStore implements LeaseStore {
  readonly #state: StateCollection;

  constructor(state: StateCollection) {
    this.#state = state;
  }

  /** Looks first, so that waiting costs one read by `_id`; the update decides for itself whether the lease is free. */
  async take(request: LeaseRequest, signal: AbortSignal): Promise<LeaseView> {
    const { partition, holder, ttlMs, insteadOf } = request;
    const doing = `take the lease of ${partition} in ${this.#state.name}`;
    const seen = await this.#read(partition, doing, signal);
    const isFree = seen.expiresInMs <= 0 || seen.holder?.id === holder.id || seen.epoch === insteadOf;
    if (!isFree) return seen;
    const lease = await this.#state.findAndModify(doing, { _id: partition }, takeIfFree(request), signal);
    const taken = viewOf(partition, lease, ttlMs);
    return taken.holder?.id === holder.id ? taken : this.#read(partition, doing, signal);
  }

  async renew(grant: LeaseGrant, signal: AbortSignal): Promise<boolean> {
    const doing = `renew the lease of ${grant.partition} in ${this.#state.name}`;
    const u = [{ $set: { expiresAt: { $add: ['$$NOW', grant.ttlMs] } } }];
    return (await this.#state.update(doing, [{ q: ownedBy(grant), u }], signal)) > 0;
  }

  async release(grant: LeaseGrant, signal: AbortSignal): Promise<void> {
    const doing = `release the lease of ${grant.partition} in ${this.#state.name}`;
    const u = [{ $set: { expiresAt: '$$NOW' } }, { $unset: 'holder' }];
    await this.#state.update(doing, [{ q: ownedBy(grant), u }], signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#state[Symbol.asyncDispose]();
  }

  async #read(partition: PartitionId, doing: string, signal: AbortSignal): Promise<LeaseView> {
    const projection = { holder: 1, epoch: 1, leftMs: { $subtract: ['$expiresAt', '$$NOW'] } };
    const lease = await this.#state.findOne(doing, { _id: partition }, { projection, signal });
    return viewOf(partition, lease, Number(lease?.['leftMs'] ?? 0));
  }
}

function ownedBy({ partition, holder, epoch }: LeaseGrant): Document {
  return { _id: partition, 'holder.id': holder.id, epoch };
}

/** An update that changes nothing when somebody else holds the lease. A missing field is less than any time. */
function takeIfFree({ holder, ttlMs, insteadOf }: LeaseRequest): readonly Document[] {
  const isFree = {
    $or: [
      { $lte: ['$expiresAt', '$$NOW'] },
      { $eq: ['$holder.id', { $literal: holder.id }] },
      ...(insteadOf === undefined ? [] : [{ $eq: ['$epoch', insteadOf] }]),
    ],
  };
  const ifFree = (value: unknown, field: string) => ({ $cond: ['$isFree', value, `$${field}`] });
  return [
    { $set: { isFree } },
    {
      $set: {
        holder: ifFree({ $literal: holder }, 'holder'),
        epoch: ifFree({ $add: [{ $ifNull: ['$epoch', 0] }, 1] }, 'epoch'),
        expiresAt: ifFree({ $add: ['$$NOW', ttlMs] }, 'expiresAt'),
      },
    },
    { $unset: 'isFree' },
  ];
}

function viewOf(partition: PartitionId, lease: Document | undefined, expiresInMs: number): LeaseView {
  const holder = instanceIn(lease?.['holder']);
  return {
    partition,
    holder,
    epoch: Number(lease?.['epoch'] ?? 0),
    expiresInMs: holder === undefined ? 0 : expiresInMs,
  };
}

/** What others wrote is looked at; without a usable mark only time shows that a process has ended. */
function instanceIn(holder: unknown): Instance | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined;
  const { id, name, process } = holder as Document;
  return { id: String(id), name: String(name), process: markIn(process) };
}

function markIn(mark: unknown): ProcessMark | undefined {
  const { space, pid, startedAt } = (mark ?? {}) as Document;
  const isMark = typeof space === 'string' && Number.isSafeInteger(pid) && pid > 0 && typeof startedAt === 'string';
  return isMark ? { space, pid, startedAt } : undefined;
}
