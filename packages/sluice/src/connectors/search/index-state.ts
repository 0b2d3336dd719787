import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { SearchClient, SearchRequest } from './client.ts';
import { type FlatSettings, flatSettings } from './index-settings.ts';
import type { CountedMapping } from './mapping/field-usage.ts';
import type { Properties } from './mapping/properties.ts';

/** What the sink notes in the mapping of an index. */
export interface IndexMark {
  /** The collection of the source whose documents it has, as `db.coll`. */
  readonly namespace: string;
  readonly version: number;
  /** True when it was there before. */
  readonly adopted?: boolean;
  /** The name that the collection got while its documents stay in this index. */
  readonly renamedTo?: string;
  /** Names that the collection had before; changes from that time may come once more. */
  readonly formerly?: readonly string[];
  /** A version number in digits. What is older is gone at the source: the collection was dropped, or copied anew. */
  readonly goneBefore?: string;
}

/** The mapping of an index. */
export interface IndexMapping extends CountedMapping {
  readonly dynamic?: boolean | string;
  readonly properties?: Properties;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** An index as the server has it. */
export interface IndexState {
  readonly mapping: IndexMapping;
  readonly settings: FlatSettings;
  readonly mark: IndexMark | undefined;
}

/** A refusal of the server. */
export interface Refusal {
  readonly type: string;
  /** Names fields and settings, no values of documents. */
  readonly reason: string;
}

/** What the server answered to a change. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly refusal: Refusal };

interface FoundIndex {
  readonly mappings?: IndexMapping;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly data_stream?: string;
}

interface ErrorAnswer {
  readonly error?: {
    readonly type?: string;
    readonly reason?: string;
    readonly caused_by?: { readonly reason?: string };
  };
}

const LONGEST_REASON = 300;
export const MARK_VERSION = 1;

/** The mark of an index of that collection. */
export function markOf(source: Namespace, adopted: boolean): IndexMark {
  return { namespace: formatNamespace(source), version: MARK_VERSION, ...(adopted ? { adopted } : {}) };
}

/**
 * Adds to the mark when the index takes documents of a collection that are not noted in it yet; undefined when there is nothing to
 * add. Throws `search.shared-index` when the index has documents of another collection.
 */
export function markFor(index: string, { mark }: IndexState, source: Namespace): IndexMark | undefined {
  if (mark === undefined) return markOf(source, true);
  const name = formatNamespace(source);
  const { namespace, renamedTo, formerly = [], ...rest } = mark;
  if (namespace === name || formerly.includes(name)) return undefined;
  if (renamedTo !== name) throw foreign(index, namespace, name);
  return { ...rest, namespace: name, formerly: [...formerly, namespace] };
}

/** The part of a mapping that holds the mark; what others note there stays. */
export function noteOf({ mapping }: IndexState, mark: IndexMark): IndexMapping {
  return { _meta: { ...mapping._meta, sluice: mark } };
}

/**
 * The index, or that which an alias means; undefined when there is none. Throws `search.not-an-index` (`config`) for an alias of
 * several indexes and for a data stream: an update or a delete would not reach what is in the other ones.
 */
export async function readIndex(
  client: SearchClient,
  index: string,
  signal: AbortSignal,
): Promise<IndexState | undefined> {
  const doing = `read the mapping of the index "${index}"`;
  const request = { method: 'GET', path: `/${encodeURIComponent(index)}`, doing, signal } as const;
  const { status, value } = await client.json<Readonly<Record<string, FoundIndex>> & ErrorAnswer>(request);
  if (status === 404) return undefined;
  if (status >= 300) throw refused(refusalOf(status, value), doing);
  const all = Object.values(value as Readonly<Record<string, FoundIndex>>);
  const [found = {}] = all;
  if (all.length > 1 || found.data_stream !== undefined) throw notAnIndex(index, all.length);
  const mapping = found.mappings ?? {};
  return { mapping, settings: flatSettings(found.settings ?? {}), mark: markIn(mapping) };
}

function markIn({ _meta: meta }: IndexMapping): IndexMark | undefined {
  const mark = meta?.['sluice'];
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { namespace, version, adopted, renamedTo, formerly, goneBefore } = mark as Partial<
    Record<keyof IndexMark, unknown>
  >;
  if (typeof namespace !== 'string' || typeof version !== 'number') return undefined;
  return {
    namespace,
    version,
    ...(adopted === true ? { adopted } : {}),
    ...(typeof renamedTo === 'string' ? { renamedTo } : {}),
    ...(Array.isArray(formerly) ? { formerly: formerly.map(String) } : {}),
    ...(/^\d{1,19}$/.test(String(goneBefore)) ? { goneBefore: String(goneBefore) } : {}),
  };
}

/** Sends a change of an index. Throws for everything but 2xx and refusals of what is in it. */
export async function change(
  client: SearchClient,
  request: Pick<SearchRequest, 'path' | 'doing' | 'signal'> & { readonly content: object },
): Promise<Outcome> {
  const { path, doing, signal, content } = request;
  const body = JSON.stringify(content);
  const { status, value } = await client.json<ErrorAnswer>({ method: 'PUT', path, body, doing, signal });
  if (status < 300) return { ok: true };
  if (status === 429) throw busy(doing);
  return { ok: false, refusal: refusalOf(status, value) };
}

function refusalOf(status: number, { error }: ErrorAnswer): Refusal {
  const { type = `status ${status}`, reason = 'no reason given', caused_by: cause } = error ?? {};
  const whole = cause?.reason === undefined || reason.includes(cause.reason) ? reason : `${reason}: ${cause.reason}`;
  return { type, reason: whole.slice(0, LONGEST_REASON) };
}

/** The error of a change that the operator must make possible. */
export function refused({ type, reason }: Refusal, doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: ${reason} (${type})`, {
    kind: 'config',
    code: 'search.index-refused',
    hint: 'Change `settings` or `mapping` to what the server takes, or create the index yourself and set `createIndexes: false`.',
  });
}

function notAnIndex(name: string, count: number): SluiceError {
  const what = count > 1 ? `an alias of ${count} indexes` : 'a data stream';
  return new SluiceError(
    `cannot write to "${name}": it is ${what}, and changes of a document would miss its old copies`,
    {
      kind: 'config',
      code: 'search.not-an-index',
      hint: 'Let `index` name an index, or an alias of one.',
    },
  );
}

function foreign(index: string, has: string, wanted: string): SluiceError {
  return new SluiceError(`documents of ${wanted} would go to the index "${index}", which has those of ${has}`, {
    kind: 'config',
    code: 'search.shared-index',
    hint: 'Ids are unique in one collection only: give each an index of its own (`{db}` and `{coll}` in `index`). If the other collection is gone for good, delete the index.',
  });
}

function busy(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: the cluster has too much to do (status 429)`, {
    kind: 'transient',
    code: 'search.busy',
    hint: 'It is tried again.',
  });
}
