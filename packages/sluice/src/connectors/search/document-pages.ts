import { SluiceError } from '../../core/failure.ts';
import type { SendScope } from './bulk-answer.ts';
import type { SearchClient, SearchRequest, SearchResponse } from './client.ts';

/** A document of an index. */
export interface FoundDocument {
  readonly id: string;
  readonly version: bigint;
  readonly routing: string | undefined;
}

/** A document with what it holds. */
export interface WholeDocument extends FoundDocument {
  /** As JSON text with every digit; undefined when the index does not keep it. */
  readonly source: string | undefined;
}

/** Which documents are looked at. */
export interface PagesOptions {
  readonly index: string;
  /** All of them when left out. */
  readonly query?: object | undefined;
}

const PAGE_SIZE = 2000;
/** Whole documents that are asked for at first; they can be large. */
const FIRST_WHOLE = 16;
const MOST_WHOLE = 500;
/** About so much is wanted in one answer. */
const WHOLE_BYTES = 4 * 1024 * 1024;
/** How long a page may be worked on. */
const KEEP_ALIVE = '10m';
const FILTER = '_scroll_id,_shards.failed,hits.hits._id,hits.hits._version,hits.hits._routing';
const WHOLE_FILTER = 'docs._id,docs._version,docs._routing,docs.found,docs._source,docs.error.type';
/** An answer that is larger than the client reads. */
const TOO_LARGE = 'search.response-too-large';

/** A number that JavaScript would round. */
interface RawJson {
  readonly rawJSON: string;
}

interface Hit {
  readonly _id: string;
  readonly _version: number | RawJson;
  readonly _routing?: string;
}

interface Found extends Hit {
  readonly found?: boolean;
  readonly _source?: object;
  /** Its shard could not be asked. */
  readonly error?: object;
}

interface Answered {
  readonly docs?: readonly Found[];
}

interface Page {
  readonly _scroll_id?: string;
  readonly _shards?: { readonly failed?: number };
  readonly hits?: { readonly hits?: readonly Hit[] };
}

/**
 * The documents of an index, page by page, as they were when it began: a scroll in the order of the index, which both products
 * have in all versions. The index is refreshed before, so that every write that was acknowledged until then is found; writes
 * that come later carry newer versions than what is deleted here, and keep their documents. No pages for an index that
 * does not exist. Throws `transient` when not every shard answers: what is missing would be taken for looked at.
 */
export async function* pagesOf(
  client: SearchClient,
  options: PagesOptions,
  scope: SendScope,
): AsyncGenerator<readonly FoundDocument[]> {
  const { index, query = { match_all: {} } } = options;
  const doing = `look through the index "${index}"`;
  const path = `/${encodeURIComponent(index)}`;
  const send = (method: 'POST' | 'DELETE', to: string, body?: object) => {
    scope.signal.throwIfAborted();
    scope.ensureOwned?.();
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    return client.request({ method, path: to, doing, signal: scope.signal, ...text });
  };
  const refreshed = await send('POST', `${path}/_refresh`);
  if (refreshed.status === 404) return;
  pageIn(refreshed, doing);
  const search = { size: PAGE_SIZE, sort: ['_doc'], version: true, _source: false, query };
  const parameters = `scroll=${KEEP_ALIVE}&allow_partial_search_results=false&filter_path=${FILTER}`;
  let page = pageIn(await send('POST', `${path}/_search?${parameters}`, search), doing);
  try {
    for (let hits = foundIn(page); hits.length > 0; hits = foundIn(page)) {
      yield hits;
      const next = { scroll: KEEP_ALIVE, scroll_id: page._scroll_id };
      page = pageIn(await send('POST', `/_search/scroll?filter_path=${FILTER}`, next), doing);
    }
  } finally {
    await endScroll(client, page._scroll_id, doing);
  }
}

/**
 * What documents hold, as they are now; without those that are gone. In parts whose size follows from that of the documents, so
 * that no answer becomes much larger than a few documents.
 */
export async function* wholeDocuments(
  client: SearchClient,
  index: string,
  documents: readonly FoundDocument[],
  { signal, ensureOwned }: SendScope,
): AsyncGenerator<readonly WholeDocument[]> {
  const doing = `read documents of the index "${index}"`;
  const path = `/${encodeURIComponent(index)}/_mget?filter_path=${WHOLE_FILTER}`;
  let count = FIRST_WHOLE;
  for (let start = 0; start < documents.length; ) {
    const part = documents.slice(start, start + count);
    ensureOwned?.();
    const docs = part.map(({ id, routing }) => ({ _id: id, ...(routing === undefined ? {} : { routing }) }));
    const request = { method: 'POST', path, body: JSON.stringify({ docs }), doing, signal } as const;
    const answer = await answerThatFits(client, request, part.length);
    if (answer === undefined) {
      count = Math.ceil(part.length / 2);
      continue;
    }
    start += part.length;
    yield wholeIn(answer, doing);
    const perDocument = Math.max(1, answer.body.length / part.length);
    count = Math.max(1, Math.min(MOST_WHOLE, Math.floor(WHOLE_BYTES / perDocument)));
  }
}

/** Undefined when fewer documents have to be asked for: those behind may be much larger than those before. */
async function answerThatFits(
  client: SearchClient,
  request: SearchRequest,
  count: number,
): Promise<SearchResponse | undefined> {
  try {
    return await client.request(request);
  } catch (error) {
    if (count > 1 && error instanceof SluiceError && error.code === TOO_LARGE) return undefined;
    throw error;
  }
}

function wholeIn(answer: SearchResponse, doing: string): readonly WholeDocument[] {
  const { docs = [] }: Answered = parsed(answer, doing);
  const failed = docs.filter(({ error }) => error !== undefined).length;
  if (failed > 0) throw incomplete(doing, `the shards of ${failed} documents did not answer`);
  return docs
    .filter(({ found }) => found === true)
    .map((document) => ({
      ...documentOf(document),
      source: document._source === undefined ? undefined : JSON.stringify(document._source),
    }));
}

/** Whether there is such an index. */
export async function indexExists(client: SearchClient, index: string, signal: AbortSignal): Promise<boolean> {
  const doing = `look for the index "${index}"`;
  const { status } = await client.request({ method: 'HEAD', path: `/${encodeURIComponent(index)}`, doing, signal });
  if (status === 429) throw incomplete(doing, 'it has too much to do (429)');
  return status !== 404;
}

/** Without it the cluster keeps what belongs to the scroll for some minutes more. */
async function endScroll(client: SearchClient, id: string | undefined, doing: string): Promise<void> {
  if (id === undefined) return;
  const signal = AbortSignal.timeout(5_000);
  const body = JSON.stringify({ scroll_id: [id] });
  await client.request({ method: 'DELETE', path: '/_search/scroll', body, doing, signal }).catch(() => undefined);
}

function foundIn({ hits }: Page): readonly FoundDocument[] {
  return (hits?.hits ?? []).map(documentOf);
}

function documentOf({ _id, _version, _routing }: Hit): FoundDocument {
  const version = BigInt(typeof _version === 'number' ? _version : _version.rawJSON);
  return { id: _id, version, routing: _routing };
}

function pageIn(response: SearchResponse, doing: string): Page {
  const page: Page = parsed(response, doing);
  const failed = page._shards?.failed ?? 0;
  if (failed > 0) throw incomplete(doing, `${failed} of its shards did not answer`);
  return page;
}

function parsed({ status, body }: SearchResponse, doing: string): object {
  if (status === 429) throw incomplete(doing, 'it has too much to do (429)');
  if (status === 404) throw incomplete(doing, 'it has forgotten the search (404)');
  if (status < 200 || status >= 300) {
    if (status === 400 && body.includes('"index_closed_exception"')) throw closed(doing);
    throw new SluiceError(`cannot ${doing}: the server answered ${status} to a search`, {
      kind: 'config',
      code: 'search.search-refused',
      hint: 'Let `index` name an index that can be searched, and what stands before the cluster pass searches on unchanged.',
    });
  }
  return JSON.parse(body.toString(), exactly as Parameters<typeof JSON.parse>[1]) as object;
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;
const rawJson = (JSON as unknown as { readonly rawJSON: (text: string) => RawJson }).rawJSON;

/** Versions, and whatever numbers documents hold, keep their digits. */
const exactly: Reviver = (_, value, { source }) =>
  typeof value !== 'number' || source === undefined || String(value) === source ? value : rawJson(source);

function closed(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: it is closed`, {
    kind: 'config',
    code: 'search.index-closed',
    hint: 'Open it (POST /<index>/_open), then start again.',
  });
}

function incomplete(doing: string, why: string): SluiceError {
  return new SluiceError(`cannot ${doing} to its end: ${why}`, {
    kind: 'transient',
    code: 'search.incomplete',
    hint: 'It begins again by itself.',
  });
}
