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
  readonly aliases?: Readonly<Record<string, { readonly is_write_index?: boolean }>>;
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

/** The index, or that which is written to through an alias; undefined when there is none. */
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
  const found = all.find(({ aliases }) => aliases?.[index]?.is_write_index === true) ?? all[0] ?? {};
  const mapping = found.mappings ?? {};
  return { mapping, settings: flatSettings(found.settings ?? {}), mark: markIn(mapping) };
}

function markIn({ _meta: meta }: IndexMapping): IndexMark | undefined {
  const mark = meta?.['sluice'];
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { namespace, version, adopted } = mark as Partial<Record<keyof IndexMark, unknown>>;
  if (typeof namespace !== 'string' || typeof version !== 'number') return undefined;
  return { namespace, version, adopted: adopted === true };
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

function busy(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: the cluster has too much to do (status 429)`, {
    kind: 'transient',
    code: 'search.busy',
    hint: 'It is tried again.',
  });
}
