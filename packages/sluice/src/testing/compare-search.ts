import { compareWithSource, type PlainDifferences } from './compare-common.ts';
import type { ComparedCollection } from './compare-documents.ts';
import { type FoundJson, jsonDifference, NumberText, parseExactJson } from './compare-json.ts';
import { type Conversion, expectedObject } from './expected-json.ts';

/** An index, or an alias or pattern of several, of OpenSearch or Elasticsearch. */
export interface ComparedIndex {
  /** `http://host:port`. */
  readonly url: string;
  readonly index: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How the target was written. */
export interface CompareSearchOptions {
  /** Default: texts for decimals and for what is not finite, and NUL characters kept. */
  readonly conversion?: Partial<Conversion>;
  /** Top-level fields that the target ought not to have. Default: `_id`. */
  readonly omit?: readonly string[];
}

const CONVERSION: Conversion = { nonFinite: 'text', decimals: 'text', nul: 'keep' };
const PAGE = 500;
const KEEP = '1m';

/**
 * Compares an index with a collection document by document, after a refresh. Numbers are compared by value with all their
 * digits; the order of fields does not matter. A tombstone counts as no document, and a missing index as an empty one.
 */
export async function compareSearch(
  source: ComparedCollection,
  target: ComparedIndex,
  options: CompareSearchOptions = {},
): Promise<PlainDifferences> {
  const conversion = { ...CONVERSION, ...options.conversion };
  const found = new Map<string, FoundJson>();
  const twice: string[] = [];
  for await (const { id, source: document } of readIndex(target)) {
    if (isTombstone(document)) continue;
    if (found.has(id)) twice.push(id);
    found.set(id, document);
  }
  return compareWithSource(source, { found, twice }, (document, there) =>
    jsonDifference(expectedObject(document, conversion, options.omit ?? ['_id']), there),
  );
}

/** A document of an index, tombstones included. */
export interface IndexedDocument {
  readonly id: string;
  readonly source: FoundJson;
}

/** Reads all documents of an index, after a refresh. */
export async function* readIndex(target: ComparedIndex): AsyncGenerator<IndexedDocument> {
  const index = encodeURIComponent(target.index);
  await request(target, 'POST', `/${index}/_refresh?ignore_unavailable=true`);
  let page = await request(target, 'POST', `/${index}/_search?ignore_unavailable=true&scroll=${KEEP}`, {
    size: PAGE,
    sort: ['_doc'],
    query: { match_all: {} },
  });
  const failed = field(field(page, '_shards'), 'failed');
  if (failed instanceof NumberText && failed.text !== '0') throw new Error(`cannot read all of ${target.index}`);
  try {
    for (let hits = hitsOf(page); hits.length > 0; hits = hitsOf(page)) {
      for (const hit of hits) yield { id: field(hit, '_id') as string, source: field(hit, '_source') ?? null };
      page = await request(target, 'POST', '/_search/scroll', { scroll: KEEP, scroll_id: field(page, '_scroll_id') });
    }
  } finally {
    const scroll = field(page, '_scroll_id');
    if (typeof scroll === 'string') await request(target, 'DELETE', '/_search/scroll', { scroll_id: scroll });
  }
}

/** `{"_sluice":{"deleted":true,…}}` */
export function isTombstone(document: FoundJson): boolean {
  return field(field(document, '_sluice'), 'deleted') === true;
}

function field(value: FoundJson | undefined, name: string): FoundJson | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as { readonly [name: string]: FoundJson })[name] : undefined;
}

function hitsOf(page: FoundJson): readonly FoundJson[] {
  return (field(field(page, 'hits'), 'hits') ?? []) as readonly FoundJson[];
}

async function request(target: ComparedIndex, method: string, path: string, body?: object): Promise<FoundJson> {
  const response = await fetch(`${target.url}${path}`, {
    method,
    headers: { ...target.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} of ${target.url}: ${response.status} ${text.slice(0, 500)}`);
  return parseExactJson(text);
}
