import { SluiceError } from '../../core/failure.ts';
import type { BulkRequest } from './bulk-request.ts';
import { parseAnswer, type SearchClient, type SearchResponse } from './client.ts';
import { type ItemAnswer, type ItemError, type ItemOutcome, outcomeOf } from './item-outcome.ts';

/** What the cluster says of a bulk request. */
export type BulkAnswer =
  /** Every item was done. */
  | { readonly is: 'done' }
  /** What became of each item, in their order. */
  | { readonly is: 'items'; readonly outcomes: readonly ItemOutcome[] }
  /** Nothing was done, and one item may be to blame for it. */
  | { readonly is: 'refused'; readonly error: ItemError }
  | { readonly is: 'too-large' }
  /** Nothing was done now. */
  | { readonly is: 'busy'; readonly retryAfterMs: number | undefined };

/** How bulk requests are sent. */
export interface BulkSending {
  readonly client: SearchClient;
  /** Ingest pipeline. */
  readonly pipeline: string | undefined;
  readonly refresh: 'false' | 'wait_for';
}

/** What one send is made with. */
export interface SendScope {
  readonly signal: AbortSignal;
  /** Throws when somebody else may write by now; asked before each request. */
  readonly ensureOwned?: (() => void) | undefined;
}

/** Most of an answer would be what was sent; only this is looked at. The second line is for answers to whole requests. */
const FILTER = [
  'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.type,items.*.error.caused_by.reason',
  'error.type,error.reason,error.caused_by.type,error.caused_by.reason',
].join(',');
const NO_ERRORS = Buffer.from('"errors":false');
/** `errors` stands at the start of an answer; in the texts of items it could be anything. */
const HEAD_BYTES = 64;

interface Answered {
  readonly errors?: unknown;
  readonly items?: readonly Readonly<Record<string, ItemAnswer>>[];
  readonly error?: ItemError | string;
}

/** Sends a bulk request once. Throws what `SearchClient.request` throws, and `outcomeOf`. */
export async function sendBulk(
  { client, pipeline, refresh }: BulkSending,
  request: BulkRequest,
  { signal, ensureOwned }: SendScope,
): Promise<BulkAnswer> {
  signal.throwIfAborted();
  ensureOwned?.();
  const query = new URLSearchParams({ filter_path: FILTER });
  if (pipeline !== undefined) query.set('pipeline', pipeline);
  if (refresh !== 'false') query.set('refresh', refresh);
  const place = request.index === undefined ? '' : `/${encodeURIComponent(request.index)}`;
  const doing = `write to ${namesOf(request)}`;
  const response = await client.request({
    method: 'POST',
    path: `${place}/_bulk?${query.toString()}`,
    body: request.body,
    contentType: 'application/x-ndjson',
    doing,
    signal,
  });
  return readAnswer(response, request, doing);
}

/** The indexes of a request, for messages. */
export function namesOf({ index, items }: BulkRequest): string {
  if (index !== undefined) return `the index "${index}"`;
  const names = [...new Set(items.map((item) => item.index))];
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return `the indexes ${shown.join(', ')}${names.length > shown.length ? ', …' : ''}`;
}

function readAnswer(response: SearchResponse, request: BulkRequest, doing: string): BulkAnswer {
  const { status, body, retryAfterMs } = response;
  if (status === 413) return { is: 'too-large' };
  if (status === 429) return { is: 'busy', retryAfterMs };
  if (status >= 200 && status < 300 && body.subarray(0, HEAD_BYTES).includes(NO_ERRORS)) return { is: 'done' };
  const answer = parseAnswer<Answered>(response, doing);
  if (status === 400) return { is: 'refused', error: typeof answer.error === 'object' ? answer.error : {} };
  if (status < 200 || status >= 300) throw unexpected(`answered ${status}`, doing);
  const { items } = answer;
  if (!Array.isArray(items) || items.length !== request.items.length) {
    throw unexpected('did not answer for each of its items', doing);
  }
  return {
    is: 'items',
    outcomes: request.items.map(({ index }, place) => {
      const [item] = Object.values((items[place] ?? {}) as Readonly<Record<string, ItemAnswer>>);
      if (typeof item?.status !== 'number') throw unexpected('did not answer for each of its items', doing);
      return outcomeOf(item, index);
    }),
  };
}

function unexpected(what: string, doing: string): SluiceError {
  return new SluiceError(`could not ${doing}: the server ${what} to a bulk request`, {
    kind: 'config',
    code: 'search.bulk-unavailable',
    hint: 'Let `nodes` name Elasticsearch or OpenSearch itself, or a proxy that passes POST /_bulk and its answers on unchanged.',
  });
}
