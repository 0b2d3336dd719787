import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { isAbort, SluiceError } from '../../core/failure.ts';
import { type Authenticate, authentication } from './auth.ts';
import { classifyClientError, isOfNode } from './classify.ts';
import type { SearchConnectionConfig } from './connection-config.ts';
import { nodeConnector } from './node-connector.ts';
import { RequestLimit } from './request-limit.ts';
import { retryAfterMs } from './retry-after.ts';

/** A request as it is sent, apart from the node and the login. */
export interface NodeRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  readonly doing: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** An answer, whatever its status. */
export interface NodeAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Scheme, host and port of the node. */
  readonly origin: string;
  /** True when it says that it is JSON. */
  readonly json: boolean;
  readonly retryAfterMs: number | undefined;
}

/** A connection that is not there after this time goes to another node. */
const CONNECT_LIMIT_MS = 5_000;
/** How long a node is left out after its first failure; it doubles with every further one. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** An answer names every document of a bulk request that was refused; a mapping of 100,000 fields has about 10 MB. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

interface HttpNode {
  /** Scheme, host and port, for messages. */
  readonly origin: string;
  readonly host: string;
  /** Path in front of all paths, without a slash at its end. */
  readonly prefix: string;
  readonly pool: Pool;
  failures: number;
  /** Left out until then, unless all are. */
  pausedUntilMs: number;
}

/** The nodes of a cluster: a pool of connections each, used in turn. No redirects, no proxies. */
export class HttpNodes implements AsyncDisposable {
  readonly #nodes: readonly HttpNode[];
  readonly #authenticate: Authenticate;
  #turn = 0;

  private constructor(nodes: readonly HttpNode[], authenticate: Authenticate) {
    this.#nodes = nodes;
    this.#authenticate = authenticate;
    // Not all processes should start with the same node.
    this.#turn = Math.floor(Math.random() * nodes.length);
  }

  /** Connects to nothing yet. Throws `config` when a file or the credentials are not there. */
  static async open(config: SearchConnectionConfig): Promise<HttpNodes> {
    const authenticate = authentication(config.auth);
    const connect = await nodeConnector(config.tls, Math.min(CONNECT_LIMIT_MS, config.requestTimeout));
    const nodes = config.nodes.map((text): HttpNode => {
      const { origin, host, pathname } = new URL(text);
      // The time of a request is kept here, all of it in one.
      const pool = new Pool(origin, { connect, headersTimeout: 0, bodyTimeout: 0 });
      return { origin, host, prefix: pathname.replace(/\/+$/, ''), pool, failures: 0, pausedUntilMs: 0 };
    });
    return new HttpNodes(nodes, authenticate);
  }

  /**
   * The first answer of a node, in turn. A node that cannot be reached, or says that it is not available (502, 503, 504), is
   * left out for a while and the next one is asked. Throws the classified error of the last node, `search.timeout` when the
   * time is over, and the reason of an abort unchanged.
   */
  async send(request: NodeRequest): Promise<NodeAnswer> {
    const { signal, timeoutMs, doing } = request;
    using limit = new RequestLimit(timeoutMs, signal);
    let last: NodeAnswer | SluiceError | undefined;
    for (const node of this.#inOrder()) {
      try {
        const answer = await this.#ask(node, request, limit.signal);
        if (!isOfNode(answer.status)) {
          resume(node);
          return answer;
        }
        last = answer;
      } catch (error) {
        if (isAbort(error, signal)) throw signal.reason;
        pause(node);
        if (limit.isOver) throw timeOver(node, doing, timeoutMs);
        last = classifyClientError(error, node.origin, doing);
        if (last.kind !== 'transient') throw last;
        continue;
      }
      pause(node);
    }
    if (last instanceof SluiceError || last === undefined) throw last ?? new RangeError('there are no nodes');
    return last;
  }

  /** Those that work, beginning with the one whose turn it is; behind them the others, the one that is due first in front. */
  #inOrder(): readonly HttpNode[] {
    const turn = this.#turn++ % this.#nodes.length;
    const turned = [...this.#nodes.slice(turn), ...this.#nodes.slice(0, turn)];
    const nowMs = performance.now();
    const working = turned.filter((node) => node.pausedUntilMs <= nowMs);
    const paused = turned.filter((node) => node.pausedUntilMs > nowMs);
    paused.sort((a, b) => a.pausedUntilMs - b.pausedUntilMs);
    return [...working, ...paused];
  }

  async #ask(node: HttpNode, request: NodeRequest, signal: AbortSignal): Promise<NodeAnswer> {
    const { method, body, doing } = request;
    const { path, headers } = this.#authenticate({
      method,
      path: `${node.prefix}${request.path}`,
      headers: { accept: 'application/json', 'user-agent': 'Sluice', ...request.headers },
      body,
      host: node.host,
    });
    const answer = await node.pool.request({ method, path, headers, body: body ?? null, signal });
    const bytes = await readAtMost(answer.body, LARGEST_ANSWER);
    if (bytes === undefined) throw tooLarge(doing);
    return {
      status: answer.statusCode,
      body: bytes,
      origin: node.origin,
      json: String(answer.headers['content-type'] ?? '').includes('json'),
      retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map(({ pool }) => pool.destroy()));
  }
}

function resume(node: HttpNode): void {
  node.failures = 0;
  node.pausedUntilMs = 0;
}

function pause(node: HttpNode): void {
  const wait = Math.min(FIRST_PAUSE_MS * 2 ** node.failures, LONGEST_PAUSE_MS);
  node.failures = Math.min(node.failures + 1, 16);
  node.pausedUntilMs = performance.now() + wait;
}

/** Reads at most `limit` bytes; undefined when there is more, and then reading has stopped. */
async function readAtMost(body: Readable, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function timeOver({ origin }: HttpNode, doing: string, timeoutMs: number): SluiceError {
  return new SluiceError(`cannot ${doing}: ${origin} did not answer within ${timeoutMs / 1000} s`, {
    kind: 'transient',
    code: 'search.timeout',
    hint: 'If the cluster needs longer, raise `requestTimeout` or lower `batchBytes`. It is tried again.',
  });
}

function tooLarge(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: the answer is larger than ${LARGEST_ANSWER / 1024 / 1024} MiB`, {
    kind: 'config',
    code: 'search.response-too-large',
    hint: 'Lower `batchRecords`.',
  });
}
