import type { Document, MongoClient } from 'mongodb';
import type { ChangeEvent } from '../../../core/change-event.ts';
import { StateCollection } from '../state-collection.ts';

/** Where it is kept what was done. */
export interface MarksPlace {
  readonly database: string;
  readonly collection: string;
  /** Whose changes they are. */
  readonly partition: string;
}

/** What is known of a change: nothing, that it was begun and may have been done, or that it was done. */
export type Mark = 'new' | 'begun' | 'done';

/**
 * Remembers how far renames were followed: the one change that must not be repeated once other changes came behind it,
 * since a collection of the old name may be another one by then. One document per partition:
 * `{_id, t, i, ordinal, done}`.
 */
export class RenameMarks {
  readonly #state: StateCollection;
  readonly #partition: string;

  constructor(client: MongoClient, { database, collection, partition }: MarksPlace) {
    // Disposed of by the owner of the client.
    this.#state = new StateCollection(client, database, collection);
    this.#partition = partition;
  }

  async of(event: ChangeEvent, signal: AbortSignal): Promise<Mark> {
    const doing = `ask which renames were followed in ${this.#state.name}`;
    const found = await this.#state.findOne(doing, { _id: this.#partition }, { projection: {}, signal });
    if (found === undefined) return 'new';
    const order = compare(found, event);
    if (order < 0) return 'new';
    return order > 0 || found['done'] === true ? 'done' : 'begun';
  }

  async note(event: ChangeEvent, done: boolean, signal: AbortSignal): Promise<void> {
    const { clusterTime, ordinal } = event.version;
    const doing = `note in ${this.#state.name} that a rename was followed`;
    const update = { $set: { t: clusterTime.t, i: clusterTime.i, ordinal, done } };
    await this.#state.findAndModify(doing, { _id: this.#partition }, update, signal);
  }
}

function compare(mark: Document, { version }: ChangeEvent): number {
  const { clusterTime, ordinal } = version;
  return Number(mark['t']) - clusterTime.t || Number(mark['i']) - clusterTime.i || Number(mark['ordinal']) - ordinal;
}
