import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientSession, type Db, MongoClient, MongoError, MongoServerError } from 'mongodb';
import { KeyLocks } from './key-locks.ts';
import { seededRandom } from './random.ts';
import { type KeyState, WorkloadKeys, type Writer } from './workload-keys.ts';
import {
  DEFAULT_MIX,
  drawKeys,
  drawKind,
  type PlannedWrite,
  planWrite,
  type WriteKind,
  type WriteMix,
} from './workload-plan.ts';

/** How a write ended: `unknown` means that the connection broke and the write may or may not have happened. */
export type WriteOutcome = 'ok' | 'fail' | 'unknown';

/** One entry of the workload's log. */
export interface WriteLogEntry {
  readonly writer: number;
  readonly kind: WriteKind;
  readonly keys: readonly number[];
  readonly outcome: WriteOutcome;
  readonly error: string | undefined;
}

/** What to write, and when to stop: after `operations`, or when the signal is aborted. */
export interface WorkloadOptions {
  readonly uri: string;
  readonly db: string;
  /** `items` alone by default. Keys are spread over them. */
  readonly collections?: readonly string[];
  /** 10 by default. */
  readonly writers?: number;
  /** 200 by default. */
  readonly keys?: number;
  readonly seed: number;
  readonly operations?: number;
  /** Pause of each writer between two pieces of work, in ms; none by default. */
  readonly pauseMs?: number;
  /** Upper bound of the padding in each document; 200 by default. */
  readonly padBytes?: number;
  readonly mix?: WriteMix;
  /** `_id` of key number k; the string `key-k` by default. */
  readonly idOf?: (key: number) => unknown;
  /** True: `preloadKeys` has made a document of every key. */
  readonly preloaded?: boolean;
}

/** What was written. */
export interface WorkloadResult {
  readonly log: readonly WriteLogEntry[];
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
}

const NAMESPACE_EXISTS = 48;

/**
 * Runs concurrent writers until `operations` are done or the signal is aborted (it then returns normally, after the
 * work under way). The collections must be empty or absent, or just `preloaded`. Each key is written by one writer at a
 * time; after anything but success the writer looks at the document and goes on from what is there.
 */
export async function runWorkload(options: WorkloadOptions, signal?: AbortSignal): Promise<WorkloadResult> {
  if (options.operations === undefined && signal === undefined) throw new Error('the workload would never end');
  const client = await MongoClient.connect(options.uri, {
    writeConcern: { w: 'majority' },
    serverSelectionTimeoutMS: 30_000,
  });
  try {
    const collections = options.collections ?? ['items'];
    await createCollections(client.db(options.db), collections);
    const { db, keys = 200, padBytes = 200, idOf = (key) => `key-${key}` } = options;
    const store = new WorkloadKeys({ client, db, collections, keys, padBytes, idOf });
    if (options.preloaded === true) store.rememberPreloaded();
    const workload = new Workload(client, store, { ...options, signal });
    await Promise.all(Array.from({ length: options.writers ?? 10 }, (_, writer) => workload.run(writer)));
    return workload.result();
  } finally {
    await client.close();
  }
}

/** Makes a document of every key, as their first state. The collections must be empty or absent. */
export async function preloadKeys(options: Omit<WorkloadOptions, 'writers' | 'operations' | 'mix'>): Promise<void> {
  const { db, collections = ['items'], keys = 200, padBytes = 200, idOf = (key: number) => `key-${key}` } = options;
  const client = await MongoClient.connect(options.uri);
  try {
    await new WorkloadKeys({ client, db, collections, keys, padBytes, idOf }).preload(seededRandom(options.seed));
  } finally {
    await client.close();
  }
}

/** Transactions cannot create a collection in every server version. */
async function createCollections(db: Db, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await db.createCollection(name).catch((error: unknown) => {
      if (!(error instanceof MongoServerError) || error.code !== NAMESPACE_EXISTS) throw error;
    });
  }
}

class Workload {
  readonly #client: MongoClient;
  readonly #keys: WorkloadKeys;
  readonly #options: WorkloadOptions & { readonly signal: AbortSignal | undefined };
  readonly #locks = new KeyLocks();
  readonly #log: WriteLogEntry[] = [];
  #started = 0;

  constructor(
    client: MongoClient,
    keys: WorkloadKeys,
    options: WorkloadOptions & { readonly signal: AbortSignal | undefined },
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#options = options;
  }

  async run(number: number): Promise<void> {
    const { seed, mix = DEFAULT_MIX, pauseMs } = this.#options;
    const writer = { number, random: seededRandom(seed).fork(number) };
    while (!this.#finished()) {
      this.#started += 1;
      const kind = drawKind(mix, writer.random);
      const keys = drawKeys(kind, this.#keys.count, writer.random);
      await this.#locks.hold(keys, () => this.#write(kind, keys, writer));
      if (pauseMs !== undefined) await sleep(pauseMs);
    }
  }

  result(): WorkloadResult {
    const count = (outcome: WriteOutcome) => this.#log.filter((entry) => entry.outcome === outcome).length;
    return { log: this.#log, ok: count('ok'), failed: count('fail'), unknown: count('unknown') };
  }

  #finished(): boolean {
    const { signal, operations = Number.POSITIVE_INFINITY } = this.#options;
    return signal?.aborted === true || this.#started >= operations;
  }

  async #write(kind: WriteKind, keys: readonly number[], writer: Writer): Promise<void> {
    const states = keys.map((key) => ({ key, alive: this.#keys.state(key).alive }));
    const plan = planWrite(kind, states, writer.random);
    const entry = { writer: writer.number, kind: plan.kind, keys };
    try {
      if (plan.inTransaction) await this.#inTransaction(plan, writer);
      else await this.#oneByOne(plan, writer);
      this.#log.push({ ...entry, outcome: 'ok', error: undefined });
    } catch (error) {
      this.#log.push({ ...entry, outcome: outcomeOf(error), error: String(error) });
      for (const key of keys) await this.#keys.look(key);
    }
  }

  async #oneByOne(plan: PlannedWrite, writer: Writer): Promise<void> {
    for (const change of plan.changes) {
      const before = this.#keys.state(change.key);
      this.#keys.remember(change.key, await this.#keys.apply(change, writer, { before }));
    }
  }

  /** The driver may run the body several times, so what is known of the keys moves only after the commit. */
  async #inTransaction(plan: PlannedWrite, writer: Writer): Promise<void> {
    const body = async (session: ClientSession) => {
      const after = new Map<number, KeyState>();
      for (const change of plan.changes) {
        const before = after.get(change.key) ?? this.#keys.state(change.key);
        after.set(change.key, await this.#keys.apply(change, writer, { before, session }));
      }
      return after;
    };
    const after = await this.#client.withSession((session) =>
      session.withTransaction(() => body(session), { writeConcern: { w: 'majority' } }),
    );
    for (const [key, state] of after) this.#keys.remember(key, state);
  }
}

/** A server that refuses says so; everything else leaves open whether the write happened. */
function outcomeOf(error: unknown): WriteOutcome {
  if (!(error instanceof MongoServerError)) return error instanceof MongoError ? 'unknown' : 'fail';
  const ambiguous = ['RetryableWriteError', 'UnknownTransactionCommitResult', 'TransientTransactionError'];
  return ambiguous.some((label) => error.hasErrorLabel(label)) ? 'unknown' : 'fail';
}
