import { Client, type QueryConfig, type QueryResult } from 'pg';
import { isAbort, SluiceError } from '../../core/failure.ts';
import { failureOf, NoAnswerError, type PostgresPhase } from './classify.ts';
import type { PostgresConnection } from './config.ts';
import { type ClientOptions, connectionOptions } from './connection-options.ts';
import { READ_ONLY } from './error-rules.ts';

/** The oldest that the statements were written for. */
const OLDEST_VERSION = 12;
/** How much longer than the server a client waits for an answer before it gives the connection up. */
const ANSWER_MARGIN_MS = 10_000;
/**
 * A transaction of a process that stands still must not keep its locks: the next owner waits for them. Between two statements
 * of one only a round trip passes.
 */
const IDLE_IN_TRANSACTION_MS = 10_000;
/** Statements that a connection keeps prepared; a server holds each one in memory. */
const MOST_PREPARED = 400;
/**
 * All that is done here goes along keys. A server that plans for a table while it is still empty, or does not yet know how
 * large it has become, would rather read all of it, and with a prepared statement do so each time.
 */
const BY_KEY = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
} as const;
const KEEP_ALIVE_DELAY_MS = 10_000;
/** Settings that are only touched where a role or a database has set them so that Sluice could not work. */
const UNLESS_FINE = [
  // What is acknowledged must be on disk. Waiting for standbys, or not, stays as it is set.
  `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`,
  // Types and functions of others must not take the place of the server's; triggers find the rest as before.
  `select set_config('search_path', 'pg_catalog, ' || current_setting('search_path'), false)
    where current_setting('search_path') like '%pg_catalog%'`,
  // Rows of child tables go with their documents by foreign keys.
  `select set_config('session_replication_role', 'origin', false)
    where current_setting('session_replication_role') <> 'origin'`,
  // Newer servers end connections, and transactions, that take long.
  `select set_config(name, '0', false) from pg_catalog.pg_settings
    where name in ('idle_session_timeout', 'transaction_timeout') and setting <> '0'`,
] as const;

/** A value of a statement: text, or the binary form of its type. */
export type Value = string | number | null | Buffer;

/** A statement with its values, and whether it may take as long as it needs. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly Value[];
  readonly isUnbounded?: boolean;
}

/** A row of an answer, with what the statement names. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * One connection to PostgreSQL, for one statement at a time. It is not repaired: once it is lost everything fails, also
 * what could go on, because a transaction may be gone with it.
 */
export class Session implements AsyncDisposable {
  readonly #client: Client;
  readonly #answerMs: number;
  readonly #names = new Map<string, string>();
  #nameCount = 0;
  #lost: unknown;
  #majorVersion = 0;

  private constructor(client: Client, answerMs: number) {
    this.#client = client;
    this.#answerMs = answerMs;
    // Without a listener a lost connection would end the process.
    client.on('error', (error) => {
      this.#lost ??= error;
    });
    client.on('end', () => {
      this.#lost ??= new Error('Connection terminated unexpectedly');
    });
  }

  /** Connects to the first host that can be written to. Throws classified errors of the phase `connect`. */
  static async open(config: PostgresConnection, signal: AbortSignal): Promise<Session> {
    let failure: unknown;
    for (const options of await connectionOptions(config)) {
      try {
        return await Session.#connect(options, config, signal);
      } catch (error) {
        signal.throwIfAborted();
        failure ??= error;
      }
    }
    throw failureOf(failure, 'connect', 'connect');
  }

  static async #connect(options: ClientOptions, config: PostgresConnection, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    const client = new Client({
      ...options.client,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      connectionTimeoutMillis: config.connectTimeout,
    });
    const session = new Session(client, config.statementTimeout + ANSWER_MARGIN_MS);
    try {
      await session.#within(client.connect(), config.connectTimeout + ANSWER_MARGIN_MS, signal);
      await session.#learnVersion(signal);
      await session.#settle(config, signal);
      if (options.isOneOfMany && !(await session.#isWritable(signal))) throw new Error('the server is a standby');
      return session;
    } catch (error) {
      session.abandon();
      throw error;
    }
  }

  async #learnVersion(signal: AbortSignal): Promise<void> {
    const text = `select current_setting('server_version_num') as version`;
    const { rows } = await this.query({ text }, signal);
    this.#majorVersion = Math.floor(Number(rows[0]?.['version']) / 10_000);
    if (this.#majorVersion < OLDEST_VERSION) throw tooOld(this.#majorVersion);
  }

  /** Whatever a role or a database has set otherwise must not change what is stored. */
  async #settle({ statementTimeout }: PostgresConnection, signal: AbortSignal): Promise<void> {
    const settings = {
      ...BY_KEY,
      statement_timeout: String(statementTimeout),
      // The limit of a statement is also that of waiting; changes of tables set their own.
      lock_timeout: '0',
      standard_conforming_strings: 'on',
      idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
      default_transaction_isolation: 'read committed',
      client_min_messages: 'warning',
      bytea_output: 'hex',
      TimeZone: 'UTC',
      DateStyle: 'ISO, YMD',
      IntervalStyle: 'iso_8601',
      extra_float_digits: '1',
    };
    const calls = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', false)`);
    await this.query({ text: `select ${calls.join(', ')}` }, signal);
    for (const text of UNLESS_FINE) await this.query({ text }, signal);
  }

  /** Throws `transient` where a transaction cannot write. What was made read-only is not written to behind its back. */
  async ensureWritable(signal: AbortSignal): Promise<void> {
    const text = `select pg_is_in_recovery() as standby, setting, source from pg_catalog.pg_settings
      where name = 'default_transaction_read_only'`;
    const { rows } = await this.run('connect', 'ask whether the server can be written to', { text }, signal);
    const { standby, setting, source } = rows[0] ?? {};
    if (standby === true) throw readOnly('it is a standby', 'Name the primary, or all hosts separated by commas.');
    if (setting !== 'on') return;
    const hint = `Set it off for the role, the database or the server; it is set by: ${String(source)}.`;
    throw readOnly('default_transaction_read_only is on', hint);
  }

  /** False for a standby, and for a server that was made read-only. */
  async #isWritable(signal: AbortSignal): Promise<boolean> {
    const text = `select pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on' as no`;
    const { rows } = await this.query({ text }, signal);
    return rows[0]?.['no'] === false;
  }

  /** Major version of the server, e.g. 15. */
  get majorVersion(): number {
    return this.#majorVersion;
  }

  /** Whether the connection is gone. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Runs one statement. Errors are those of the client library; an abort, and no answer, end the connection. */
  async query(statement: Statement, signal: AbortSignal): Promise<QueryResult<Row>> {
    signal.throwIfAborted();
    if (this.#lost !== undefined) throw this.#lost;
    const { text, values = [], isUnbounded } = statement;
    const limitMs = isUnbounded === true ? undefined : this.#answerMs;
    return await this.#within(this.#client.query<Row>({ text, values: [...values] }), limitMs, signal);
  }

  /** As `query`, for statements that come again and again: the server keeps how it runs them. */
  async prepared(text: string, values: readonly Value[], signal: AbortSignal): Promise<QueryResult<Row>> {
    signal.throwIfAborted();
    if (this.#lost !== undefined) throw this.#lost;
    const query: QueryConfig<Value[]> = { name: await this.#nameOf(text, signal), text, values: [...values] };
    return await this.#within(this.#client.query<Row>(query), this.#answerMs, signal);
  }

  /** As `query`; errors come out classified. `doing` says what it is for. */
  async run(phase: PostgresPhase, doing: string, statement: Statement, signal: AbortSignal): Promise<QueryResult<Row>> {
    try {
      return await this.query(statement, signal);
    } catch (error) {
      if (isAbort(error, signal)) throw error;
      throw failureOf(error, phase, doing);
    }
  }

  /** A name is never used for another text, so it does not matter which ones the server has forgotten. */
  async #nameOf(text: string, signal: AbortSignal): Promise<string> {
    let name = this.#names.get(text);
    if (name !== undefined) return name;
    if (this.#names.size >= MOST_PREPARED) {
      this.#names.clear();
      await this.query({ text: 'deallocate all' }, signal);
    }
    name = `s${++this.#nameCount}`;
    this.#names.set(text, name);
    return name;
  }

  async #within<T>(running: Promise<T>, timeoutMs: number | undefined, signal: AbortSignal): Promise<T> {
    const ended = Promise.withResolvers<never>();
    const end = (reason: unknown) => {
      this.#lost ??= reason;
      ended.reject(reason);
      this.abandon();
    };
    const abort = () => end(signal.reason);
    const timer =
      timeoutMs && setTimeout(() => end(new NoAnswerError(`no answer in ${timeoutMs / 1000} s`)), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    running.catch(() => {});
    try {
      return await Promise.race([running, ended.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Ends the connection at once; the server rolls back what is not committed. */
  abandon(): void {
    this.#lost ??= new Error('the connection was given up');
    void this.#client.end().catch(() => {});
    // A goodbye may never get through.
    destroyStream(this.#client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isLost) return this.abandon();
    this.#lost = new Error('the connection was closed');
    await Promise.race([this.#client.end().catch(() => {}), closeLimit()]);
    destroyStream(this.#client);
  }
}

function readOnly(why: string, hint: string): SluiceError {
  const { kind, code, what } = READ_ONLY;
  return new SluiceError(`${what}: ${why}`, { kind, code, hint: `${hint} It is tried again.` });
}

function tooOld(version: number): SluiceError {
  return new SluiceError(`the server is PostgreSQL ${version}, older than ${OLDEST_VERSION}`, {
    kind: 'config',
    code: 'postgres.too-old',
    hint: `Update the server to ${OLDEST_VERSION} or newer.`,
  });
}

const CLOSE_LIMIT_MS = 2_000;

function closeLimit(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, CLOSE_LIMIT_MS).unref());
}

/** The library ends a connection politely unless a statement is under way, and its types do not show the socket. */
function destroyStream(client: Client): void {
  const { connection } = client as unknown as { readonly connection?: { readonly stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}
