import { silentLogger } from '../../core/logger.ts';
import type { BulkItem } from './bulk-request.ts';
import { BulkWriter, type BulkWriterParts } from './bulk-writer.ts';
import { parseAnswer, type SearchClient, type SearchRequest, type SearchResponse } from './client.ts';
import type { ItemAnswer } from './item-outcome.ts';
import { UNKNOWN_PRODUCT } from './product.ts';

/*
 * A cluster that answers bulk requests as a test wants, for tests without a server.
 */

/** The answer to one bulk request: a status for all of it, or one item each. */
export type FakeAnswer = number | readonly ItemAnswer[];

/** Chooses an answer by the ids of a request. */
export type Answering = (ids: readonly string[], request: SearchRequest) => FakeAnswer;

/** A client that keeps the ids of each bulk request. */
export class FakeClient implements SearchClient {
  readonly product = UNKNOWN_PRODUCT;
  readonly requests: (readonly string[])[] = [];
  readonly #answering: Answering;

  constructor(answering: Answering) {
    this.#answering = answering;
  }

  async request(request: SearchRequest): Promise<SearchResponse> {
    const lines = String(request.body).split('\n');
    const ids = lines.flatMap((line) => /^\{"(?:index|delete)":\{"_id":"([^"]*)"/.exec(line)?.[1] ?? []);
    this.requests.push(ids);
    const answer = this.#answering(ids, request);
    if (typeof answer === 'number') {
      const error = { error: { type: 'action_request_validation_exception', reason: 'SECRET' }, status: answer };
      const whole = answer < 300 ? { errors: false } : error;
      return { status: answer, body: Buffer.from(JSON.stringify(whole)), retryAfterMs: 1 };
    }
    const body = JSON.stringify({ errors: true, items: answer.map((item) => ({ index: item })) });
    return { status: 200, body: Buffer.from(body) };
  }

  async json(request: SearchRequest): Promise<{ readonly status: number; readonly value: never }> {
    const response = await this.request(request);
    return { status: response.status, value: parseAnswer<never>(response, request.doing) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Items that are deletes, one for each id. */
export function itemsOf(ids: readonly string[]): readonly BulkItem[] {
  return ids.map((id) => ({ index: 'items', id, version: { value: 1n, exact: true }, routing: undefined }));
}

/** A writer without waits. */
export function writerOver(client: SearchClient, more: Partial<BulkWriterParts> = {}): BulkWriter {
  return new BulkWriter({
    client,
    bytes: 1024 * 1024,
    pipeline: undefined,
    refresh: 'false',
    retries: { attempts: 4, min: 1, max: 2 },
    restore: async () => {},
    end: () => ({}),
    pipelines: { mayTouch: async () => false },
    logger: silentLogger,
    ...more,
  });
}

/** An answer as a test writes it. */
export interface Scripted {
  readonly status: number;
  readonly body: string;
}

/** A client that gives these answers one after the other, then `rest`, and keeps what was sent. */
export function clientAnswering(
  answers: readonly Scripted[],
  rest: Scripted = { status: 500, body: '{}' },
): SearchClient & { readonly sent: SearchRequest[]; readonly answers: Scripted[] } {
  const sent: SearchRequest[] = [];
  const left = [...answers];
  const request = async (made: SearchRequest): Promise<SearchResponse> => {
    sent.push(made);
    const { status, body } = left.shift() ?? rest;
    return { status, body: Buffer.from(body) };
  };
  return {
    product: UNKNOWN_PRODUCT,
    sent,
    answers: left,
    request,
    async json(made: SearchRequest) {
      const response = await request(made);
      return { status: response.status, value: parseAnswer<never>(response, made.doing) };
    },
    async [Symbol.asyncDispose]() {},
  };
}
