import { setTimeout as sleep } from 'node:timers/promises';
import {
  BSON,
  type ChangeStream,
  type ChangeStreamDocument,
  type Document,
  MongoClient,
  type Timestamp,
} from 'mongodb';
import type { ExpectedEvent } from './delivery-checks.ts';
import { waitFor } from './wait-for.ts';

/** One event as the driver's own change stream reported it. */
export interface OracleEvent extends ExpectedEvent {
  readonly op: string;
  /** `db.coll`, or `db`. */
  readonly namespace: string;
  /** The workload's counter, where the event carries it. */
  readonly n: number | undefined;
  /** The event as the driver decoded it. */
  readonly event: ChangeStreamDocument;
}

/** What to record. */
export interface OracleOptions {
  readonly uri: string;
  readonly db: string;
  /** Collections of the database; all of them when left out. */
  readonly collections?: readonly string[];
  /** Further stages behind the filter on the namespace. */
  readonly pipeline?: readonly Document[];
  readonly showExpandedEvents?: boolean;
}

/** Records what really happened, with MongoDB's driver instead of Sluice's source. */
export interface Oracle extends AsyncDisposable {
  /** Everything recorded so far, in stream order. The array grows. */
  readonly events: readonly OracleEvent[];
  /** Waits until everything that was written before this call is in `events`; returns them. */
  settle(timeoutMs?: number): Promise<readonly OracleEvent[]>;
}

const AWAIT_MS = 100;
/** Short, because the driver waits this long for a dead primary to close its cursor there (measured: 30 s by default). */
const SELECTION_LIMIT_MS = 2000;
const REOPEN_PAUSE_MS = 200;
const REOPEN_LIMIT_MS = 120_000;
const OPEN_LIMIT_MS = 60_000;
const SETTLE_LIMIT_MS = 120_000;
/** An answer is asked for after 100 ms; one that takes this long does not come any more. */
const ANSWER_LIMIT_MS = 15_000;

/**
 * Starts recording: everything written after it has resolved is recorded. It watches the whole deployment and filters,
 * so that no drop or rename ends it, and opens the stream again after elections.
 */
export async function startOracle(options: OracleOptions): Promise<Oracle> {
  const client = new MongoClient(options.uri, { serverSelectionTimeoutMS: SELECTION_LIMIT_MS });
  const recorder = new Recorder(client, options);
  try {
    await patiently(() => recorder.open(), 'the oracle has opened its stream');
  } catch (error) {
    await client.close();
    throw error;
  }
  const running = recorder.run();
  return {
    events: recorder.events,
    settle: (timeoutMs = SETTLE_LIMIT_MS) => recorder.settle(timeoutMs),
    async [Symbol.asyncDispose]() {
      recorder.stop();
      await running;
      await client.close();
    },
  };
}

class Recorder {
  readonly events: OracleEvent[] = [];
  readonly #client: MongoClient;
  readonly #options: OracleOptions;
  #stream: ChangeStream | undefined;
  #start: Timestamp | undefined;
  #token: unknown;
  #stopped = false;
  #failure: unknown;
  /** Of an attempt that was repeated. */
  #lastError: unknown;

  constructor(client: MongoClient, options: OracleOptions) {
    this.#client = client;
    this.#options = options;
  }

  async open(): Promise<void> {
    if (this.#start === undefined) {
      const reply = await this.#client.db('admin').command({ hello: 1 });
      // The hello's own time may be that of an event before: those must not be recorded.
      const now = reply['operationTime'] as Timestamp;
      this.#start = new BSON.Timestamp({ t: now.getHighBits(), i: now.getLowBits() + 1 });
    }
    const { collections, db, pipeline = [], showExpandedEvents = false } = this.#options;
    const match = { 'ns.db': db, ...(collections === undefined ? {} : { 'ns.coll': { $in: collections } }) };
    await this.#close();
    this.#stream = this.#client.watch([{ $match: match }, ...pipeline], {
      maxAwaitTimeMS: AWAIT_MS,
      showExpandedEvents,
      enableUtf8Validation: false,
      bsonRegExp: true,
      ...(this.#token === undefined ? { startAtOperationTime: this.#start } : { startAfter: this.#token }),
    });
    // Opens the cursor now and not at the first read.
    this.#take(await this.#stream.tryNext());
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    let healthyAt = performance.now();
    while (!this.#stopped) {
      try {
        if (this.#stream === undefined) await this.open();
        else this.#take(await inTime(this.#stream.tryNext()));
        healthyAt = performance.now();
      } catch (error) {
        this.#lastError = error;
        await this.#close();
        if (performance.now() - healthyAt > REOPEN_LIMIT_MS) {
          this.#failure = error;
          return;
        }
        await sleep(REOPEN_PAUSE_MS);
      }
    }
    await this.#close();
  }

  async settle(timeoutMs: number): Promise<readonly OracleEvent[]> {
    // A note in the oplog is no event, but it moves the cluster time beyond everything written before.
    const append = () => this.#client.db('admin').command({ appendOplogNote: 1, data: { sluice: 'settle' } });
    const note = await patiently(append, 'the oracle has written its note');
    const goal = tokenPrefix(note['operationTime'] as Timestamp);
    const end = performance.now() + timeoutMs;
    while (tokenData(this.#token) < goal) {
      if (this.#failure !== undefined) throw new Error('the oracle has stopped', { cause: this.#failure });
      if (performance.now() > end) {
        const where = `${tokenData(this.#token).slice(0, goal.length)} of ${goal}, ${this.events.length} events`;
        throw new Error(`the oracle did not settle within ${timeoutMs} ms: ${where}`, { cause: this.#lastError });
      }
      await sleep(AWAIT_MS / 4);
    }
    return this.events;
  }

  #take(event: ChangeStreamDocument | null): void {
    if (event !== null) this.events.push(describe(event));
    this.#token = event?._id ?? this.#stream?.resumeToken ?? this.#token;
  }

  async #close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await inTime(stream?.close()).catch(() => undefined);
  }
}

/** A server may be slow, or between two primaries, for longer than one attempt takes. */
async function patiently<T>(attempt: () => Promise<T>, message: string): Promise<T> {
  const [value] = await waitFor(async () => [await attempt()] as const, {
    timeoutMs: OPEN_LIMIT_MS,
    intervalMs: REOPEN_PAUSE_MS,
    message,
    retryErrors: true,
  });
  return value;
}

/** Rejects when the answer does not come; what comes later is left out, since the stream is opened again behind the last. */
async function inTime<T>(answer: T | Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_LIMIT_MS} ms`)), ANSWER_LIMIT_MS);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(event: ChangeStreamDocument): OracleEvent {
  const fields = event as unknown as Document;
  const key = fields['documentKey'] as Document | undefined;
  const namespace = fields['ns'] as { db: string; coll?: string } | undefined;
  const place = [namespace?.db, namespace?.coll].filter((part) => part !== undefined).join('.');
  const counter: unknown = fields['fullDocument']?.n ?? fields['updateDescription']?.updatedFields?.n;
  return {
    id: tokenData(event._id),
    op: event.operationType,
    namespace: place,
    key: key === undefined ? undefined : `${place} ${BSON.EJSON.stringify(key, { relaxed: false })}`,
    n: counter === undefined ? undefined : Number(counter),
    event,
  };
}

function tokenData(token: unknown): string {
  return (token as { readonly _data: string } | undefined)?._data ?? '';
}

/** Tokens begin with a type byte and the cluster time, in hex that sorts like the stream. */
function tokenPrefix(time: Timestamp): string {
  const hex = (bits: number) => (bits >>> 0).toString(16).toUpperCase().padStart(8, '0');
  return `82${hex(time.getHighBits())}${hex(time.getLowBits())}`;
}
