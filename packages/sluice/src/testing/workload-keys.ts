import type { ClientSession, Collection, Filter, MongoClient } from 'mongodb';
import type { Random } from './random.ts';
import { waitFor } from './wait-for.ts';
import type { PlannedChange } from './workload-plan.ts';

/** A document of the workload. `n` goes up by exactly one with each state of the key, over deletes too. */
export interface WorkloadDocument {
  _id: unknown;
  k: number;
  n: number;
  op: string;
  writer: number;
  pad: string;
}

/** What is known of a key. */
export interface KeyState {
  /** Counter of its last document; 0 when it never had one. */
  readonly n: number;
  readonly alive: boolean;
}

/** Who writes, and from which numbers the contents are drawn. */
export interface Writer {
  readonly number: number;
  readonly random: Random;
}

/** Where the keys live. */
export interface KeyPlan {
  readonly client: MongoClient;
  readonly db: string;
  readonly collections: readonly string[];
  readonly keys: number;
  readonly padBytes: number;
  readonly idOf: (key: number) => unknown;
}

const LOOK_LIMIT_MS = 120_000;

/** The keys of a workload: their known states, and how one change of one key is written. */
export class WorkloadKeys {
  readonly #plan: KeyPlan;
  readonly #collections: readonly Collection<WorkloadDocument>[];
  readonly #states: KeyState[];

  constructor(plan: KeyPlan) {
    this.#plan = plan;
    this.#collections = plan.collections.map((name) => plan.client.db(plan.db).collection<WorkloadDocument>(name));
    this.#states = Array.from({ length: plan.keys }, () => ({ n: 0, alive: false }));
  }

  get count(): number {
    return this.#states.length;
  }

  state(key: number): KeyState {
    return this.#states[key] ?? { n: 0, alive: false };
  }

  remember(key: number, state: KeyState): void {
    this.#states[key] = state;
  }

  /** Makes a document of every key, with the counter at 1. */
  async preload(random: Random): Promise<void> {
    const { collections, keys } = this.#plan;
    const writer = { number: -1, random };
    for (const [index, collection] of this.#collections.entries()) {
      const own = Array.from({ length: keys }, (_, key) => key).filter((key) => key % collections.length === index);
      await collection.insertMany(own.map((key) => this.#document({ key, op: 'insert' }, writer, 1)));
    }
    this.rememberPreloaded();
  }

  rememberPreloaded(): void {
    for (const key of this.#states.keys()) this.#states[key] = { n: 1, alive: true };
  }

  /**
   * Writes one change and returns the state after it; `before` is the state it starts from. Rejects when the document
   * is not as it was left, which means that somebody else wrote it.
   */
  async apply(
    change: PlannedChange,
    writer: Writer,
    options: { readonly before: KeyState; readonly session?: ClientSession | undefined },
  ): Promise<KeyState> {
    const { key, op } = change;
    const { before } = options;
    const collection = this.#collectionOf(key);
    const session = options.session === undefined ? {} : { session: options.session };
    const filter = { ...this.#filter(key), n: before.n } as Filter<WorkloadDocument>;
    const next = this.#document(change, writer, before.n + 1);
    if (op === 'insert') {
      await collection.insertOne(next, session);
      return { n: next.n, alive: true };
    }
    if (op === 'delete') {
      expectOne(change, (await collection.deleteOne(filter, session)).deletedCount);
      return { n: before.n, alive: false };
    }
    const { _id, ...fields } = next;
    const result =
      op === 'replace'
        ? await collection.replaceOne(filter, fields, session)
        : await collection.updateOne(filter, { $set: { n: next.n, op, writer: next.writer, pad: next.pad } }, session);
    expectOne(change, result.matchedCount);
    return { n: next.n, alive: true };
  }

  /** Learns the state of a key from the server, waiting for a primary if there is none. */
  async look(key: number): Promise<void> {
    const found = await waitFor(
      async () => [await this.#collectionOf(key).findOne(this.#filter(key), { readConcern: 'majority' })],
      { timeoutMs: LOOK_LIMIT_MS, intervalMs: 200, retryErrors: true, message: 'the workload can read its document' },
    );
    const document = found[0];
    this.remember(key, document ? { n: document.n, alive: true } : { n: this.state(key).n, alive: false });
  }

  #filter(key: number): Filter<WorkloadDocument> {
    return { _id: this.#plan.idOf(key) } as Filter<WorkloadDocument>;
  }

  #collectionOf(key: number): Collection<WorkloadDocument> {
    const collection = this.#collections[key % this.#collections.length];
    if (collection === undefined) throw new Error('the workload has no collections');
    return collection;
  }

  #document(change: PlannedChange, writer: Writer, n: number): WorkloadDocument {
    const { key, op } = change;
    const pad = writer.random.text(writer.random.int(this.#plan.padBytes + 1));
    return { _id: this.#plan.idOf(key), k: key, n, op, writer: writer.number, pad };
  }
}

function expectOne(change: PlannedChange, matched: number): void {
  if (matched !== 1) throw new Error(`${change.op} of key ${change.key}: the document is not as it was left`);
}
