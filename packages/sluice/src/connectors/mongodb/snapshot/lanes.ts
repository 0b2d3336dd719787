import type { CollectionCopy, Interval, SnapshotRun } from './snapshot-state.ts';

/** One interval in work. Reading may be a chunk ahead of what has been handed out. */
export interface Lane {
  readonly namespace: string;
  /** As handed out so far; the one in the state, replaced with every chunk. */
  interval: Interval;
  /** What is to be read next; undefined when all of it has been read. */
  unread: Interval | undefined;
  reading: boolean;
  /** Its collection is gone or has begun anew: what is read counts no more. */
  dead: boolean;
}

/** The intervals of a run that are in work, by collection. */
export class Lanes {
  readonly #lanes = new Map<string, Lane[]>();

  /** A lane from which the next chunk can be read, of the first collections first. */
  next(run: SnapshotRun): { readonly lane: Lane; readonly copy: CollectionCopy } | undefined {
    for (const [namespace, copy] of run.collections) {
      const lane = this.#of(namespace, copy).find((one) => !one.reading && one.unread !== undefined);
      if (lane !== undefined) return { lane, copy };
    }
    return undefined;
  }

  /** Of a lane only `rest` is left to be handed out; without it the lane is done. */
  advance(lane: Lane, rest: Interval | undefined): void {
    if (rest !== undefined) lane.interval = rest;
    else {
      const others = this.#lanes.get(lane.namespace)?.filter((one) => one !== lane) ?? [];
      this.#lanes.set(lane.namespace, others);
    }
  }

  /** Gives up the lanes of collections that are no longer copied, or whose copy has begun anew. */
  keepOnly(run: SnapshotRun | undefined): void {
    for (const [namespace, lanes] of this.#lanes) {
      const remaining = run?.collections.get(namespace)?.remaining;
      if (remaining?.length === lanes.length && lanes.every((lane) => remaining.includes(lane.interval))) continue;
      for (const lane of lanes) lane.dead = true;
      this.#lanes.delete(namespace);
    }
  }

  #of(namespace: string, { remaining }: CollectionCopy): readonly Lane[] {
    let lanes = this.#lanes.get(namespace);
    if (lanes === undefined && remaining !== undefined) {
      lanes = remaining.map((interval) => ({ namespace, interval, unread: interval, reading: false, dead: false }));
      this.#lanes.set(namespace, lanes);
    }
    return lanes ?? [];
  }
}
