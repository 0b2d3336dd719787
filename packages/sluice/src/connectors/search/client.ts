import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { SluiceError } from '../../core/failure.ts';
import { classifyAnswer, isForCaller, notJson } from './classify.ts';
import type { SearchConnectionConfig } from './connection-config.ts';
import { HttpNodes, type NodeAnswer } from './http-nodes.ts';
import { OPENSEARCH_SERVERLESS, productOf, type SearchProduct, shownProduct, UNKNOWN_PRODUCT } from './product.ts';

export type { SearchProduct } from './product.ts';

/** A request to any node of the cluster. It may be sent more than once, so it must be repeatable. */
export interface SearchRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD';
  /** Path and query, percent-encoded (`encodeURIComponent` of each name). */
  readonly path: string;
  readonly body?: Buffer | string | readonly Buffer[];
  /** Default: `application/json`. */
  readonly contentType?: string;
  /** What is tried, as a clause for errors: `write to orders`. */
  readonly doing: string;
  readonly signal: AbortSignal;
  /** Default: `requestTimeout` of the settings. Covers all nodes that are tried, and the answer. */
  readonly timeoutMs?: number;
}

/** An answer: 2xx, or a refusal that is about this one request (400, 404, 409, 413, 429). */
export interface SearchResponse {
  readonly status: number;
  readonly body: Buffer;
  /** How long the server asked to be left alone. */
  readonly retryAfterMs?: number;
}

/** Speaks to a cluster. */
export interface SearchClient extends AsyncDisposable {
  readonly product: SearchProduct;
  /**
   * Resolves with 2xx, 400, 404, 409, 413 and 429. Everything else is a classified error: no node reachable, time over, 5xx and
   * blocked indexes (`transient`), login and rights (`config`). An abort comes through unchanged.
   */
  request(request: SearchRequest): Promise<SearchResponse>;
  /** As `request`, with the body parsed. An empty body gives `{}`; one that is not JSON is an error, whatever the status. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- Names the form of the answer where it is asked for.
  json<T>(request: SearchRequest): Promise<{ readonly status: number; readonly value: T }>;
}

/** Smaller bodies are not worth packing. */
const SMALLEST_PACKED = 1024;
const pack = promisify(gzip);

/**
 * Opens connections and asks what answers. Throws as `SearchClient.request` does, and `config` for files and credentials that
 * are not there. A server that does not say what it is (the login may not ask) is `unknown` and used all the same.
 */
export async function openSearchClient(config: SearchConnectionConfig, signal: AbortSignal): Promise<SearchClient> {
  const nodes = await HttpNodes.open(config);
  try {
    const product = await askProduct(new HttpSearchClient(config, nodes, UNKNOWN_PRODUCT), config, signal);
    return new HttpSearchClient(config, nodes, product);
  } catch (error) {
    await nodes[Symbol.asyncDispose]();
    throw error;
  }
}

/** The body of an answer as JSON. Throws `search.not-json`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- As `SearchClient.json`.
export function parseAnswer<T>({ status, body }: SearchResponse, doing: string): T {
  if (body.length === 0) return {} as T;
  try {
    return JSON.parse(body.toString()) as T;
  } catch {
    throw notJson(status, doing);
  }
}

class HttpSearchClient implements SearchClient {
  readonly product: SearchProduct;
  readonly #config: SearchConnectionConfig;
  readonly #nodes: HttpNodes;

  constructor(config: SearchConnectionConfig, nodes: HttpNodes, product: SearchProduct) {
    this.product = product;
    this.#config = config;
    this.#nodes = nodes;
  }

  async request(request: SearchRequest): Promise<SearchResponse> {
    const { method, path, doing, signal, timeoutMs = this.#config.requestTimeout } = request;
    const { body, headers } = await this.#packed(request);
    const answer = await this.#nodes.send({ method, path, headers, body, doing, signal, timeoutMs });
    if (!isForCaller(answer)) throw classifyAnswer(answer, doing);
    checkForm(answer, request);
    const { status, retryAfterMs } = answer;
    return { status, body: answer.body, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- As `SearchClient.json`.
  async json<T>(request: SearchRequest): Promise<{ readonly status: number; readonly value: T }> {
    const response = await this.request(request);
    return { status: response.status, value: parseAnswer<T>(response, request.doing) };
  }

  async #packed({ body, contentType = 'application/json' }: SearchRequest) {
    if (body === undefined) return { body: undefined, headers: {} };
    const plain = typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : joined(body);
    const headers = { 'content-type': contentType };
    if (this.#config.compression === 'none' || plain.length < SMALLEST_PACKED) return { body: plain, headers };
    return { body: await pack(plain, { level: 1 }), headers: { ...headers, 'content-encoding': 'gzip' } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nodes[Symbol.asyncDispose]();
  }
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

/** A proxy's page must not be taken for the word of the cluster; 413 and 429 mean the same from both. */
function checkForm({ status, body, json }: NodeAnswer, { method, doing }: SearchRequest): void {
  if (method === 'HEAD' || body.length === 0 || json || status === 413 || status === 429) return;
  throw notJson(status, doing);
}

async function askProduct(
  client: SearchClient,
  { auth }: SearchConnectionConfig,
  signal: AbortSignal,
): Promise<SearchProduct> {
  if (auth?.aws?.service === 'aoss') return OPENSEARCH_SERVERLESS;
  const doing = 'ask what answers at the nodes';
  try {
    const { status, value } = await client.json({ method: 'GET', path: '/', doing, signal });
    return supported((status === 200 ? productOf(value) : undefined) ?? UNKNOWN_PRODUCT);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'search.authorization') return UNKNOWN_PRODUCT;
    throw error;
  }
}

function supported(product: SearchProduct): SearchProduct {
  if (product.name !== 'elasticsearch' || product.major >= 7) return product;
  throw new SluiceError(`${shownProduct(product)} is too old`, {
    kind: 'config',
    code: 'search.version',
    hint: 'Elasticsearch 7 to 9 and OpenSearch 1 to 3 are supported.',
  });
}
