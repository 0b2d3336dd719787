import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, errors, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '../../core/failure.ts';
import { answeringServer } from './answering-server.ts';
import { failureOf, type NatsPhase } from './classify.ts';
import type { NatsConnectionConfig } from './config.ts';
import { connectionOptions } from './connection-options.ts';
import { PublishRefusal } from './error-facts.ts';

const CLOSE_LIMIT_MS = 2000;
/** The first with an expected sequence of another subject, which the fence is made of. */
const OLDEST_SERVER = [2, 11, 0] as const;

/** A message as it goes over the wire. */
export interface WireMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** The header block, complete with its version line and the empty line at its end. */
  readonly headers: Uint8Array;
}

/** What JetStream answers when a message, or a whole batch, is stored. */
export interface Acknowledgement {
  readonly seq: number;
  /** True: the server knew the message id and stored nothing. */
  readonly duplicate: boolean;
}

/** One connection to NATS. It is not repaired: once it is lost everything fails. */
export class NatsClient implements AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly jetstream: JetStreamClient;
  readonly requestTimeoutMs: number;
  /** Calls that a lost connection or a refused publish must end. */
  readonly #waiting = new Set<(error: unknown) => void>();
  #broken: { readonly error: unknown } | undefined;
  #lastStored: number | undefined;
  readonly #breaking = Promise.withResolvers<unknown>();

  private constructor(connection: NatsConnection, manager: JetStreamManager, requestTimeoutMs: number) {
    this.connection = connection;
    this.manager = manager;
    this.jetstream = jetstream(connection, { timeout: requestTimeoutMs });
    this.requestTimeoutMs = requestTimeoutMs;
    void this.#watch();
    void connection.closed().then((error) => this.#break(error ?? new errors.ClosedConnectionError()));
  }

  /** Connects to the first server that answers. Throws classified errors (phase `connect`). */
  static async open(config: NatsConnectionConfig, signal: AbortSignal): Promise<NatsClient> {
    try {
      signal.throwIfAborted();
      const options = await connectionOptions(config);
      const probe = { silent: config.tls?.handshakeFirst === true, timeoutMs: options.timeout ?? 0, signal };
      const server = await answeringServer(config.servers, probe);
      const connection = await unlessAborted(connect({ ...options, servers: server }), signal);
      const manager = await jetstreamManager(connection, { timeout: config.requestTimeout, checkAPI: false });
      const client = new NatsClient(connection, manager, config.requestTimeout);
      if (client.isAtLeast(...OLDEST_SERVER)) return client;
      await client[Symbol.asyncDispose]();
      throw tooOld(client.version);
    } catch (error) {
      throw failureOf(error, 'connect', signal);
    }
  }

  /** Resolves with the reason when the connection is lost or closed. */
  get broken(): Promise<unknown> {
    return this.#breaking.promise;
  }

  /** Sequence of the last message that JetStream acknowledged; undefined before the first. */
  get lastStored(): number | undefined {
    return this.#lastStored;
  }

  /** True when the server has at least this version. */
  isAtLeast(major: number, minor: number, patch: number): boolean {
    const [a = 0, b = 0, c = 0] = this.version.split(/[.-]/).map(Number);
    return (a - major || b - minor || c - patch) >= 0;
  }

  get version(): string {
    return this.connection.info?.version ?? '';
  }

  /** Largest message with its headers that the server takes. */
  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 0;
  }

  /** Runs something that talks to NATS; its errors come out classified, an abort at once and unchanged. */
  async run<T>(phase: NatsPhase, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await this.#unlessEnded(work(), signal);
    } catch (error) {
      throw failureOf(error, phase, signal);
    }
  }

  /** Sends a message whose fate nobody is told. Throws when the connection is gone. */
  send({ subject, payload, headers }: WireMessage): void {
    if (this.#broken !== undefined) throw this.#broken.error;
    this.connection.publish(subject, payload, { headers: encoded(headers) });
  }

  /** Sends a message and waits for the answer of JetStream. Throws `PublishRefusal` and errors of the library. */
  async publish({ subject, payload, headers }: WireMessage): Promise<Acknowledgement> {
    const answer = await this.connection.request(subject, payload, {
      headers: encoded(headers),
      timeout: this.requestTimeoutMs,
    });
    const { error, seq, duplicate } = answer.json<{
      error?: { code: number; err_code: number; description: string };
      seq?: number;
      duplicate?: boolean;
    }>();
    if (error !== undefined) throw new PublishRefusal(error);
    if (seq === undefined) throw new Error('an acknowledgement without a sequence');
    if (duplicate !== true) this.#lastStored = seq;
    return { seq, duplicate: duplicate === true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Closing waits for nothing but the socket; a server that is stopped must not hold it.
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, CLOSE_LIMIT_MS);
    await Promise.race([this.connection.close().catch(() => undefined), limit.promise]);
    clearTimeout(timer);
  }

  async #unlessEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason as Error);
    work.catch(() => {});
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting.add(reject);
    if (this.#broken !== undefined) reject(this.#broken.error);
    try {
      return await Promise.race([work, promise]);
    } finally {
      signal.removeEventListener('abort', abort);
      this.#waiting.delete(reject);
    }
  }

  /** A publish that is not allowed is refused without naming the message: then nothing more may be written. */
  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'error' && status.error.name === 'PermissionViolationError') this.#break(status.error);
    }
  }

  #break(error: unknown): void {
    this.#broken ??= { error };
    this.#breaking.resolve(error);
    for (const reject of this.#waiting) reject(error);
  }
}

/** The library asks headers for their bytes and for nothing else. */
function encoded(headers: Uint8Array): MsgHdrs {
  return { encode: () => headers } as unknown as MsgHdrs;
}

/** Connecting cannot be called off: a connection that comes after the abort is closed. */
async function unlessAborted(connecting: Promise<NatsConnection>, signal: AbortSignal): Promise<NatsConnection> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    reject(signal.reason as Error);
    connecting.then((late) => late.close()).catch(() => undefined);
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([connecting, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function tooOld(version: string): SluiceError {
  return new SluiceError(`nats-server ${version} is too old`, {
    kind: 'config',
    code: 'nats.unsupported-version',
    hint: `nats-server ${OLDEST_SERVER.join('.')} or newer is needed, 2.12.1 or newer for atomic batches.`,
  });
}
