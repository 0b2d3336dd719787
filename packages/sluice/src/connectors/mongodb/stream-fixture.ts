import { randomBytes } from 'node:crypto';
import { BSON, type Db, MongoClient } from 'mongodb';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { SourceContext } from '../../core/connector.ts';
import type { Logger } from '../../core/logger.ts';
import type { Position } from '../../core/position.ts';
import type { ReadFrom, Source, SourceBatch } from '../../core/source.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { mongodbSourceConfig } from './config.ts';
import { openMongodbSource } from './source.ts';

/*
 * What the tests of this folder share: a database of their own, sources on it, and reading up to a condition.
 */

const READ_LIMIT_MS = 120_000;

/** One line that was logged. */
export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A database with a random name; dropped when disposed. */
export class StreamFixture implements AsyncDisposable {
  readonly uri: string;
  readonly client: MongoClient;
  readonly db: Db;
  readonly log: LogLine[] = [];

  private constructor(uri: string, client: MongoClient) {
    this.uri = uri;
    this.client = client;
    this.db = client.db(`test_${randomBytes(5).toString('hex')}`);
  }

  static async open(uri: string): Promise<StreamFixture> {
    return new StreamFixture(uri, await new MongoClient(uri).connect());
  }

  get context(): SourceContext {
    const signal = new AbortController().signal;
    return { pipeline: 'test', partition: 'test/0', logger: recorder(this.log), signal, onPositionLost: 'fail' };
  }

  /** A source on the database; `include` defaults to all of it, answers come quickly and may be late on a busy machine. */
  source(settings: Record<string, unknown> = {}): Promise<Source> {
    const include = [`${this.db.databaseName}.*`];
    const patience = { answerTimeout: '60s', serverSelectionTimeout: '30s' };
    const defaults = { uri: this.uri, include, maxAwaitTime: '100ms', ...patience };
    return openMongodbSource(mongodbSourceConfig.parse({ ...defaults, ...settings }), this.context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.dropDatabase().catch(() => {});
    await this.client.close();
  }
}

/** Makes every read of a cursor hang on this server until the condition holds; for a server that nobody else uses. */
export async function hangReadsUntil(client: MongoClient, condition: () => boolean): Promise<void> {
  const hang = (mode: string) =>
    client.db('admin').command({ configureFailPoint: 'waitAfterPinningCursorBeforeGetMoreBatch', mode });
  await hang('alwaysOn');
  try {
    await waitFor(condition, { timeoutMs: 60_000, message: 'it is noticed that the reads hang' });
  } finally {
    await hang('off');
  }
}

/** A read in progress; what came so far. Pulls only inside `until`. */
export class Reading implements AsyncDisposable {
  readonly batches: SourceBatch[] = [];
  readonly events: ChangeEvent[] = [];
  readonly #source: Source;
  readonly #stop = new AbortController();
  readonly #iterator: AsyncIterator<SourceBatch>;

  constructor(source: Source, from?: ReadFrom) {
    this.#source = source;
    this.#iterator = source.read(from, this.#stop.signal)[Symbol.asyncIterator]();
  }

  get position(): Position | undefined {
    return this.batches.at(-1)?.position;
  }

  /** What a checkpoint at the present position holds. */
  get from(): ReadFrom {
    if (this.position === undefined) throw new Error('nothing was read yet');
    return { position: this.position, binding: this.#source.binding };
  }

  /** The operations of the events so far. */
  get ops(): string[] {
    return this.events.map((event) => event.op);
  }

  /** The `_id` values of the documents the events are about. */
  get ids(): unknown[] {
    return this.events.map((event) => {
      const key = event.key();
      return key === undefined ? undefined : BSON.deserialize(key)['_id'];
    });
  }

  /** Reads until the condition holds; at least until the first batch, so that the stream is open. */
  async until(condition: (reading: Reading) => boolean): Promise<this> {
    const deadline = performance.now() + READ_LIMIT_MS;
    do {
      const { value, done } = await this.#iterator.next();
      if (done === true) throw new Error('the stream ended before the condition held');
      this.batches.push(value);
      this.events.push(...value.events);
      if (performance.now() > deadline) throw new Error(`the condition did not hold: ${this.ops.join()}`);
    } while (!condition(this));
    return this;
  }

  /** Opens the stream. */
  start(): Promise<this> {
    return this.until(() => true);
  }

  /** Reads until so many events came. */
  count(events: number): Promise<this> {
    return this.until((reading) => reading.events.length >= events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#iterator.return?.();
  }
}

function recorder(lines: LogLine[]): Logger {
  const log = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  const logger: Logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  };
  return logger;
}
