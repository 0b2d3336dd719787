import type { NatsClient } from './client.ts';
import type { DeliveredMessage } from './delivered-message.ts';

const ACK = '+ACK';
const NAK = '-NAK';
const IN_PROGRESS = '+WPI';

/**
 * Messages that were handed out, in order, until the server knows that they are acknowledged; and what the server is
 * told about them.
 */
export class InFlightMessages {
  readonly #client: NatsClient;
  readonly #onFailure: (error: unknown) => void;
  #messages: DeliveredMessage[] = [];
  /** The newest that is acknowledged by the sink: told to the server when somebody waits for its answer. */
  #newest: DeliveredMessage | undefined;

  constructor(client: NatsClient, onFailure: (error: unknown) => void) {
    this.#client = client;
    this.#onFailure = onFailure;
  }

  /** True when the sink has acknowledged everything. */
  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** Of everything that the server has to regard as pending. */
  get sequences(): readonly number[] {
    const newest = this.#newest === undefined ? [] : [this.#newest.sequence];
    return [...newest, ...this.#messages.map(({ sequence }) => sequence)];
  }

  add(messages: readonly DeliveredMessage[]): void {
    this.#messages.push(...messages);
  }

  /**
   * The sink has the first `count` messages. All but the newest are told to the server without waiting. Returns the
   * sequence of that one.
   */
  acknowledge(count: number): number | undefined {
    for (const message of this.#messages.splice(0, count)) {
      if (this.#newest !== undefined) this.#tell(this.#newest, ACK);
      this.#newest = message;
    }
    return this.#newest?.sequence;
  }

  /** When it resolves, the server knows what was acknowledged before the call. */
  async confirm(signal: AbortSignal): Promise<void> {
    const newest = this.#newest;
    if (newest === undefined) return;
    const { connection, requestTimeoutMs: timeout } = this.#client;
    // The server works on the words of one connection in order.
    await this.#client.run('read', signal, () => connection.request(newest.reply, ACK, { timeout }));
    if (this.#newest === newest) this.#newest = undefined;
  }

  /** Tells the server that these and what waits behind them are worked on, unless it was told in the last `everyMs`. */
  touch(waiting: readonly DeliveredMessage[], everyMs: number): void {
    const nowMs = performance.now();
    const newest = this.#newest === undefined ? [] : [this.#newest];
    for (const message of [...newest, ...this.#messages, ...waiting]) {
      if (nowMs - message.touchedMs < everyMs) continue;
      message.touchedMs = nowMs;
      this.#tell(message, IN_PROGRESS);
    }
  }

  /** Gives back what the sink has not acknowledged, and what waits behind it. */
  giveBack(waiting: readonly DeliveredMessage[]): void {
    for (const message of [...this.#messages, ...waiting]) this.#tell(message, NAK);
    this.#messages = [];
  }

  /** A message has come again though it was taken before: unless it is in flight, the server missed that it is done. */
  repeat(message: DeliveredMessage): void {
    if (!this.sequences.includes(message.sequence)) this.#tell(message, ACK);
  }

  #tell({ reply }: DeliveredMessage, words: string): void {
    try {
      this.#client.connection.publish(reply, words);
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
