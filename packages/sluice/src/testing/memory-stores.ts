import type { Checkpoint, CheckpointStore } from '../core/checkpoint.ts';
import type { Clock } from '../core/clock.ts';
import type { DeadLetter, DeadLetterStore } from '../core/dead-letter.ts';
import { SluiceError } from '../core/failure.ts';
import type { Instance, LeaseGrant, LeaseStore, LeaseView } from '../core/lease.ts';

/** The place behind memory checkpoint stores; opening a store twice over one place is like two processes. */
export interface CheckpointPlace {
  readonly checkpoints: Map<string, Checkpoint>;
  readonly epochs: Map<string, number>;
  saves: number;
}

/** An empty place. */
export function checkpointPlace(): CheckpointPlace {
  return { checkpoints: new Map(), epochs: new Map(), saves: 0 };
}

/** A checkpoint store over a place in memory; `beforeSave` may throw or wait. */
export function memoryCheckpointStore(
  place: CheckpointPlace,
  beforeSave?: () => void | Promise<void>,
): CheckpointStore {
  return {
    async claim(partition) {
      const epoch = (place.epochs.get(partition) ?? 0) + 1;
      place.epochs.set(partition, epoch);
      return { epoch, checkpoint: place.checkpoints.get(partition) };
    },
    async save(checkpoint) {
      await beforeSave?.();
      if (place.epochs.get(checkpoint.partition) !== checkpoint.epoch) {
        throw new SluiceError('another owner has taken over', { kind: 'fenced', code: 'checkpoint.fenced' });
      }
      place.checkpoints.set(checkpoint.partition, checkpoint);
      place.saves += 1;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** A dead-letter store over a map in memory, keyed by pipeline and id. */
export function memoryDeadLetters(place: Map<string, DeadLetter>): DeadLetterStore {
  const keyOf = (pipeline: string, id: string) => `${pipeline}\u0000${id}`;
  return {
    async put(letters) {
      for (const letter of letters) place.set(keyOf(letter.pipeline, letter.id), letter);
    },
    async *list(pipeline) {
      for (const letter of place.values()) if (letter.pipeline === pipeline) yield letter;
    },
    async get(pipeline, id) {
      return place.get(keyOf(pipeline, id));
    },
    async remove(pipeline, ids) {
      for (const id of ids) place.delete(keyOf(pipeline, id));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** The place behind memory lease stores, with the clock that counts there. */
export interface LeasePlace {
  readonly clock: Clock;
  readonly leases: Map<string, { holder: Instance | undefined; epoch: number; expiresAtMs: number }>;
}

/** A lease store over a place in memory; `before` may throw or wait. */
export function memoryLeaseStore(
  { clock, leases }: LeasePlace,
  before: (call: 'take' | 'renew' | 'release') => void | Promise<void> = () => {},
): LeaseStore {
  const view = (partition: string): LeaseView => {
    const { holder, epoch, expiresAtMs } = leases.get(partition) ?? { holder: undefined, epoch: 0, expiresAtMs: 0 };
    return { partition, holder, epoch, expiresInMs: holder === undefined ? 0 : expiresAtMs - clock.nowMs() };
  };
  const owned = ({ partition, holder, epoch }: LeaseGrant) => {
    const lease = leases.get(partition);
    return lease?.holder?.id === holder.id && lease.epoch === epoch ? lease : undefined;
  };
  return {
    async take({ partition, holder, ttlMs, insteadOf }) {
      await before('take');
      const seen = view(partition);
      if (seen.expiresInMs > 0 && seen.holder?.id !== holder.id && seen.epoch !== insteadOf) return seen;
      leases.set(partition, { holder, epoch: seen.epoch + 1, expiresAtMs: clock.nowMs() + ttlMs });
      return view(partition);
    },
    async renew(grant) {
      await before('renew');
      const lease = owned(grant);
      if (lease !== undefined) lease.expiresAtMs = clock.nowMs() + grant.ttlMs;
      return lease !== undefined;
    },
    async release(grant) {
      await before('release');
      const lease = owned(grant);
      if (lease !== undefined) lease.holder = undefined;
    },
    async [Symbol.asyncDispose]() {},
  };
}
