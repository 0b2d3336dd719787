import type { ClientSession, Document, MongoClient, ReadPreferenceMode } from 'mongodb';
import { type CursorReply, parseCursorReply } from '../../bson/reply.ts';
import type { Logger } from '../../core/logger.ts';
import { classify } from './classify.ts';
import { noAnswer, runCommand } from './client.ts';
import type { MongoPhase } from './error-rules.ts';

const KILL_LIMIT_MS = 2_000;
/** How long an answer may still be on its way after the server says that it has finished. */
const LATE_ANSWER_MS = 1_000;

/** What a cursor is opened with. */
export interface CursorOptions {
  readonly client: MongoClient;
  readonly db: string;
  /** A collection, or 1 for all of the database (`admin`: of the deployment). */
  readonly aggregate: string | 1;
  readonly pipeline: readonly Document[];
  readonly readPreference: ReadPreferenceMode;
  /** Shown with the operation in the server's logs and `currentOp`. */
  readonly comment: string;
  /** How long the server waits for the first change of an answer. */
  readonly maxAwaitMs: number;
  /** How much longer an answer may take before the server is asked about it. */
  readonly answerMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * A cursor over raw BSON, one session for all its commands. Not the driver's own, which decodes whole batches and
 * dies with the first document it cannot decode.
 *
 * An answer that is late is looked into: a server far behind in its oplog may rightly work for minutes, a connection
 * that died without being closed never answers. The cursor asks over another connection which of the two it is.
 */
export class RawCursor implements AsyncDisposable {
  readonly #options: CursorOptions;
  readonly #session: ClientSession;
  /** Aborted by the caller's signal, the watchdog, or disposal: it ends every command of this cursor. */
  readonly #life = new AbortController();
  readonly #onAbort: () => void;
  #id = 0n;
  #pending: Promise<unknown> = Promise.resolve();

  constructor(options: CursorOptions) {
    this.#options = options;
    this.#session = options.client.startSession({ causalConsistency: false });
    this.#onAbort = () => this.#life.abort(options.signal.reason);
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal.aborted) this.#onAbort();
  }

  /** Opens it on the server; the first answer comes without waiting for changes. */
  open(batchSize: number): Promise<CursorReply> {
    const { aggregate, pipeline, comment } = this.#options;
    const command = { aggregate, pipeline, cursor: { batchSize }, readConcern: { level: 'majority' }, comment };
    return this.#ask(command, 'open');
  }

  /**
   * The next answer; the server waits at most `awaitMs` for its first change. Must not be called while one is
   * outstanding, nor when the last one had the cursor id 0.
   */
  next(batchSize: number, awaitMs = this.#options.maxAwaitMs): Promise<CursorReply> {
    return this.#ask({ getMore: this.#id, collection: this.#collection, batchSize, maxTimeMS: awaitMs }, 'read');
  }

  /** Ends what is outstanding and frees the cursor on the server; never throws, takes at most a few seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#life.abort(new Error('the cursor is closed'));
    await this.#pending.catch(() => {});
    if (this.#id !== 0n) await this.#kill();
    await this.#session.endSession().catch(() => {});
  }

  get #collection(): string {
    const { aggregate } = this.#options;
    return aggregate === 1 ? '$cmd.aggregate' : aggregate;
  }

  #ask(command: Document, phase: MongoPhase): Promise<CursorReply> {
    const answer = this.#send(command, phase);
    this.#pending = answer;
    return answer;
  }

  async #send(command: Document, phase: MongoPhase): Promise<CursorReply> {
    const { client, db, readPreference, signal } = this.#options;
    const stopWatching = this.#watch();
    try {
      const reply = await client
        .db(db)
        .command(command, { session: this.#session, raw: true, readPreference, signal: this.#life.signal });
      const parsed = parseCursorReply(reply['cursor'] as Uint8Array);
      this.#id = parsed.id;
      return parsed;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // The reason is the watchdog's verdict, or that the cursor is being closed (nobody sees that one).
      if (this.#life.signal.aborted) throw this.#life.signal.reason;
      throw classify(error, phase, phase === 'open' ? 'open the change stream' : 'read the change stream');
    } finally {
      stopWatching();
    }
  }

  /** Keeps an eye on the command that is sent next; returns what ends that. */
  #watch(): () => void {
    const { maxAwaitMs, answerMs, logger } = this.#options;
    const startedAtMs = performance.now();
    const watched = new AbortController();
    let timer: NodeJS.Timeout;
    const look = async (): Promise<void> => {
      const working = await this.#serverWorks(watched.signal);
      if (watched.signal.aborted) return;
      if (!working) {
        timer = setTimeout(() => this.#life.abort(noAnswer('read the change stream')), LATE_ANSWER_MS);
        return;
      }
      const seconds = Math.round((performance.now() - startedAtMs) / 1000);
      logger.info({ seconds }, 'the server is still looking for changes in its oplog');
      arm(maxAwaitMs + answerMs);
    };
    const arm = (ms: number) => {
      timer = setTimeout(() => void look(), ms);
    };
    arm(maxAwaitMs + answerMs);
    return () => {
      watched.abort();
      clearTimeout(timer);
    };
  }

  /** Whether the server still works on the outstanding command, asked over another connection. */
  async #serverWorks(signal: AbortSignal): Promise<boolean> {
    const { client, readPreference, answerMs } = this.#options;
    const context = { client, phase: 'read', doing: 'ask about the change stream', signal, limitMs: answerMs } as const;
    const pipeline = [
      { $currentOp: { allUsers: false, localOps: true } },
      { $match: { active: true, 'lsid.id': this.#session.id?.id } },
      { $limit: 1 },
    ];
    try {
      const command = { aggregate: 1, pipeline, cursor: {} };
      const reply = await runCommand(context, 'admin', command, readPreference);
      return reply['cursor'].firstBatch.length > 0;
    } catch {
      // Whatever the reason is, nobody vouches for the command; the next attempt will tell more.
      return false;
    }
  }

  async #kill(): Promise<void> {
    const { client, db, readPreference } = this.#options;
    const command = { killCursors: this.#collection, cursors: [this.#id] };
    const options = { session: this.#session, readPreference, signal: AbortSignal.timeout(KILL_LIMIT_MS) };
    await client
      .db(db)
      .command(command, options)
      .catch(() => {});
  }
}
