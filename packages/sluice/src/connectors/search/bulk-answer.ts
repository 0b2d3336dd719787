import { SluiceError } from '../../core/failure.ts';
import type { BulkPipelines } from './bulk-pipelines.ts';
import type { BulkItem, BulkRequest } from './bulk-request.ts';
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
  /** It may have been done, but what was said of it is more than is read. */
  | { readonly is: 'answer-too-large' }
  /** Nothing was done now. */
  | { readonly is: 'busy'; readonly retryAfterMs: number | undefined };

/** How bulk requests are sent. */
export interface BulkSending {
  readonly client: SearchClient;
  /** Ingest pipeline. */
  readonly pipeline: string | undefined;
  readonly refresh: 'false' | 'wait_for';
  readonly pipelines: Pick<BulkPipelines, 'mayTouch'>;
}

/** What one send is made with. */
export interface SendScope {
  readonly signal: AbortSignal;
  /** Throws when somebody else may write by now; asked before each request. */
  readonly ensureOwned?: (() => void) | undefined;
}

/** Most of an answer would be what was sent; only this is looked at. The last line is for answers to whole requests. */
const OUTCOMES = ['errors', 'items.*.status', 'items.*.error.type'];
const REASONS = ['items.*.error.reason', 'items.*.error.caused_by.type', 'items.*.error.caused_by.reason'];
const WHOLE = ['error.type', 'error.reason', 'error.caused_by.type', 'error.caused_by.reason'];
const FILTER = [...OUTCOMES, ...REASONS, ...WHOLE].join(',');
/**
 * A pipeline may drop a document (`result`), and OpenSearch 2 answers for the documents that pipelines failed on in the order of
 * their errors, not of the request.
 */
const PIPELINE_FILTER = `${FILTER},items.*.result,items.*._id,items.*._index`;
/** Reasons can quote whole documents. */
const BRIEF_FILTER = [...OUTCOMES, 'items.*.result', ...WHOLE].join(',');
const NO_ERRORS = Buffer.from('"errors":false');
/** `errors` stands at the start of an answer; in the texts of items it could be anything. */
const HEAD_BYTES = 64;
/** Of a document that a pipeline has dropped. When it is an id, the answer is only read for nothing. */
const NOOP = Buffer.from('"noop"');

/** Under the name of its action. */
type AnsweredItem = Readonly<Record<string, ItemAnswer>> | null;

interface Answered {
  readonly errors?: unknown;
  readonly items?: readonly AnsweredItem[];
  readonly error?: ItemError | string;
}

/** Sends a bulk request once. Throws what `SearchClient.request` throws, and `outcomeOf`. */
export async function sendBulk(sending: BulkSending, request: BulkRequest, scope: SendScope): Promise<BulkAnswer> {
  const mayHavePipeline = await sending.pipelines.mayTouch(indexesOf(request), scope.signal);
  try {
    return await send(sending, request, mayHavePipeline ? PIPELINE_FILTER : FILTER, scope);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'search.response-too-large') throw error;
    return request.items.length > 1 ? { is: 'answer-too-large' } : send(sending, request, BRIEF_FILTER, scope);
  }
}

async function send(
  { client, pipeline, refresh }: BulkSending,
  request: BulkRequest,
  filter: string,
  { signal, ensureOwned }: SendScope,
): Promise<BulkAnswer> {
  signal.throwIfAborted();
  ensureOwned?.();
  const query = new URLSearchParams({ filter_path: filter });
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
export function namesOf(request: BulkRequest): string {
  if (request.index !== undefined) return `the index "${request.index}"`;
  const names = [...indexesOf(request)];
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return `the indexes ${shown.join(', ')}${names.length > shown.length ? ', …' : ''}`;
}

function indexesOf({ index, items }: BulkRequest): Iterable<string> {
  return index === undefined ? new Set(items.map((item) => item.index)) : [index];
}

function readAnswer(response: SearchResponse, request: BulkRequest, doing: string): BulkAnswer {
  const { status, body, retryAfterMs } = response;
  if (status === 413) return { is: 'too-large' };
  if (status === 429) return { is: 'busy', retryAfterMs };
  const isTaken = status >= 200 && status < 300;
  if (isTaken && body.subarray(0, HEAD_BYTES).includes(NO_ERRORS) && !body.includes(NOOP)) return { is: 'done' };
  const answer = parseAnswer<Answered>(response, doing);
  if (status === 400) return { is: 'refused', error: typeof answer.error === 'object' ? answer.error : {} };
  if (!isTaken) throw unexpected(`answered ${status}`, doing);
  const { items } = answer;
  if (!Array.isArray(items) || items.length !== request.items.length) {
    throw unexpected('did not answer for each of its items', doing);
  }
  const answers = (items as readonly AnsweredItem[]).map(onlyOf);
  if (!answers.every((item) => typeof item?.status === 'number')) {
    throw unexpected('did not answer for each of its items', doing);
  }
  const outcomes = inOrder(request.items, answers as readonly ItemAnswer[]).map((item, at) =>
    outcomeOf(item, request.items[at]?.index ?? ''),
  );
  return { is: 'items', outcomes };
}

function onlyOf(item: AnsweredItem): ItemAnswer | undefined {
  return Object.values(item ?? {})[0];
}

/** The answers in the order of the items, where they say whose they are. */
function inOrder(items: readonly BulkItem[], answers: readonly ItemAnswer[]): readonly ItemAnswer[] {
  const isOfItem = (answer: ItemAnswer | undefined, { id, index }: BulkItem) =>
    answer?._id === undefined || (answer._id === id && (answer._index === undefined || answer._index === index));
  const strays = answers.filter((answer, place) => {
    const item = items[place];
    return item === undefined || !isOfItem(answer, item);
  });
  if (strays.length === 0) return answers;
  const left = new Map<string, ItemAnswer[]>();
  for (const answer of strays) left.set(answer._id ?? '', [...(left.get(answer._id ?? '') ?? []), answer]);
  return answers.map((answer, place) => {
    const item = items[place];
    if (item === undefined || isOfItem(answer, item)) return answer;
    const own = left.get(item.id) ?? [];
    // An index has another name than its alias.
    const found = Math.max(
      0,
      own.findIndex(({ _index }) => _index === item.index),
    );
    return own.splice(found, 1)[0] ?? answer;
  });
}

function unexpected(what: string, doing: string): SluiceError {
  return new SluiceError(`could not ${doing}: the server ${what} to a bulk request`, {
    kind: 'config',
    code: 'search.bulk-unavailable',
    hint: 'Let `nodes` name Elasticsearch or OpenSearch itself, or a proxy that passes POST /_bulk and its answers on unchanged.',
  });
}
