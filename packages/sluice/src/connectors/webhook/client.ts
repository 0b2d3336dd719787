import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { isAbort, SluiceError } from '../../core/failure.ts';
import { classifyClientError, Outage, verdictOf } from './classify.ts';
import { shownUrl, type WebhookSinkConfig } from './config.ts';
import { guardedConnector, type Lookup } from './connector.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import { readAtMost, retryAfterMs } from './response.ts';

/** A request that is ready to be sent. */
export interface OutgoingRequest {
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What an endpoint says of a request: it was taken, or it never will be. */
export type Answer =
  | { readonly taken: true; readonly body: Buffer | undefined }
  | { readonly taken: false; readonly status: number };

/** How requests are sent. */
export interface PostOptions {
  /** True: the body of a 2xx answer is needed. Otherwise the status is enough, even if the body never ends. */
  readonly wantsBody: boolean;
  readonly signal: AbortSignal;
}

type ClientConfig = Pick<WebhookSinkConfig, 'url' | 'tls' | 'timeout' | 'allowPrivate' | 'responseBytes' | 'retry'>;

/** Sends requests to one origin: no redirects, no proxies, every connection looked at. */
export class WebhookClient implements AsyncDisposable {
  /** Scheme, host and port, for messages. */
  readonly shown: string;
  readonly #config: ClientConfig;
  readonly #pool: Pool;

  private constructor(config: ClientConfig, pool: Pool) {
    this.shown = shownUrl(config);
    this.#config = config;
    this.#pool = pool;
  }

  /** Connects to nothing yet. Throws `config` when a file cannot be read. */
  static async open(config: ClientConfig, lookup?: Lookup): Promise<WebhookClient> {
    const pool = new Pool(shownUrl(config), {
      connect: await guardedConnector(config, lookup),
      // The time of a request is kept here, all of it in one.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return new WebhookClient(config, pool);
  }

  /**
   * One try of a request. Throws an `Outage` when the endpoint does not work at the moment, `config` when it never will
   * like this, and the reason of an abort unchanged.
   */
  async post(request: OutgoingRequest, { wantsBody, signal }: PostOptions): Promise<Answer> {
    const { timeout, retry } = this.#config;
    const endMs = performance.now() + timeout;
    const { statusCode, headers, body } = await this.#within(timeout, signal, (own) =>
      this.#pool.request({ ...request, method: 'POST', signal: own }),
    );
    // A body may fail when nobody listens any more.
    body.on('error', () => {});
    const verdict = verdictOf(statusCode);
    const reading = this.#within(Math.max(1, endMs - performance.now()), signal, (own) => this.#read(body, own));
    if (verdict.is === 'taken' && wantsBody)
      return { taken: true, body: await reading.then((bytes) => this.#whole(bytes)) };
    // The status says it all; a body is only read so that the connection can be used again.
    await reading.catch(() => undefined);
    if (verdict.is === 'taken') return { taken: true, body: undefined };
    if (verdict.is === 'refused') return { taken: false, status: statusCode };
    if (verdict.is === 'stop') {
      const { code, what, hint } = verdict;
      throw new SluiceError(`${this.shown} answered ${statusCode}: ${what}`, { kind: 'config', code, hint });
    }
    const { code, hint } = verdict;
    const wait = retryAfterMs(headers['retry-after'], retry.retryAfterMax, Date.now());
    throw new Outage(`${this.shown} answered ${statusCode}`, { code, hint, retryAfterMs: wait });
  }

  async #within<T>(timeoutMs: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withDeadline(work, { timeoutMs, signal });
    } catch (error) {
      if (isAbort(error, signal)) throw error;
      if (!(error instanceof DeadlineError)) throw classifyClientError(error, this.shown);
      throw new Outage(`${this.shown} did not answer within ${this.#config.timeout / 1000} s`, {
        code: 'webhook.timeout',
        hint: 'If the endpoint needs longer, raise `timeout`.',
      });
    }
  }

  async #read(body: Readable, signal: AbortSignal): Promise<Buffer | undefined> {
    const abort = () => void body.destroy();
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await readAtMost(body, this.#config.responseBytes);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #whole(bytes: Buffer | undefined): Buffer {
    if (bytes !== undefined) return bytes;
    throw new SluiceError(`${this.shown} answered a batch with more than ${this.#config.responseBytes} bytes`, {
      kind: 'config',
      code: 'webhook.response-too-large',
      hint: 'Raise `responseBytes`, or set `batch.results: false` if the answer says nothing about single events.',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}
