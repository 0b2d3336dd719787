import { Session } from './client.ts';
import type { PostgresConnection } from './config.ts';

/** Connections, opened when needed, one for each that works at a time. */
export class Sessions implements AsyncDisposable {
  readonly #config: PostgresConnection;
  readonly #idle: Session[] = [];
  readonly #all = new Set<Session>();

  constructor(config: PostgresConnection) {
    this.#config = config;
  }

  /** Runs the work with a connection that nobody else uses meanwhile. One that is lost is not used again. */
  async use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#takeIdle() ?? (await this.#open(signal));
    try {
      return await work(session);
    } finally {
      if (session.isLost) this.#all.delete(session);
      else this.#idle.push(session);
    }
  }

  /** One that was lost while nobody used it is passed over: nothing was under way. */
  #takeIdle(): Session | undefined {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isLost) return session;
      this.#all.delete(session);
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<Session> {
    const session = await Session.open(this.#config, signal);
    this.#all.add(session);
    try {
      await session.ensureWritable(signal);
      return session;
    } catch (error) {
      session.abandon();
      this.#all.delete(session);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((session) => session[Symbol.asyncDispose]()));
  }
}
