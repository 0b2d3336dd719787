import { SluiceError } from '../../core/failure.ts';
import { versionNumberOfTime } from '../../core/version-number.ts';
import { shownReason } from './shown-reason.ts';
import { stoppingError } from './stopping-errors.ts';

/** What an answer says of one action of a bulk request; `error` is left out when there is none. */
export interface ItemAnswer {
  readonly status: number;
  readonly error?: ItemError | undefined;
  /** Only there when it was asked for. */
  readonly result?: string | undefined;
  readonly _id?: string | undefined;
  readonly _index?: string | undefined;
}

/** An error as both products write it. Its texts can quote documents. */
export interface ItemError {
  readonly type?: string | undefined;
  readonly reason?: string | undefined;
  readonly caused_by?: { readonly type?: string | undefined; readonly reason?: string | undefined } | undefined;
}

/** What becomes of an action. */
export type ItemOutcome =
  /** It was done, or the index has something newer already. */
  | { readonly is: 'done' }
  /** It may be taken later: the cluster is busy, not complete, or keeps the index from being written. */
  | { readonly is: 'busy'; readonly type: string }
  | { readonly is: 'no-index' }
  /** An ingest pipeline has dropped the document, and the index keeps what it had. */
  | { readonly is: 'dropped' }
  /**
   * It may be taken when it is sent again; if not, it is refused. `mayBeAny` when any document might get this error, so that it
   * has to be proven first that it is about this one.
   */
  | { readonly is: 'unclear'; readonly error: ItemError; readonly mayBeAny: boolean }
  /** It never will be taken like this. `mayBeAny` as above. */
  | { readonly is: 'refused'; readonly error: ItemError; readonly mayBeAny: boolean };

/** No clock of a source is that far ahead: two years. */
const MOST_AHEAD_SECONDS = 2 * 365 * 86_400;

const DONE: ItemOutcome = { is: 'done' };
const NO_INDEX: ItemOutcome = { is: 'no-index' };
const DROPPED: ItemOutcome = { is: 'dropped' };

/** Statuses of a cluster that has too much to do, or not all of its nodes. */
const BUSY_STATUS = new Set([429, 502, 503, 504]);
/** Blocks are set by the disk watermark, by people and by a cluster without a master; all of them are lifted again. */
const BLOCKED = 'cluster_block_exception';

/**
 * Errors of nodes, shards and connections, with which a document has nothing to do and which pass: `already_closed`,
 * `illegal_index_shard_state`, `i_o`, `translog`, `timeout`, …
 */
const PASSING =
  /shard|engine|node_|translog|^i_?o_|corrupt|^lock_|_lock_|timeout|reject|unavailable|not_available|closed|disconnect|transport|connect|recovery|primary|master|cluster_manager|circuit_breaking|interrupted|cancelled/;
const MAPPING_UPDATE_LATE = /timed out while waiting for a dynamic mapping update/i;
/**
 * Two requests that bring the same new field with different types at once: one of them maps it, the other one gets this. Sent
 * again, its value is read as what the mapping has by then.
 */
const MAPPING_RACE =
  /mapper \[[^[\]]*\] (?:cannot|can't) be changed from type|(?:cannot|can't) merge a (?:non[- ]object|object) mapping/;

/** Errors that are about one document, by what stands before `_exception`. */
const ABOUT_DOCUMENT = new Set([
  'mapper_parsing',
  'document_parsing',
  'strict_dynamic_mapping',
  'illegal_argument',
  'parse',
  'parsing',
  'x_content_parse',
  'json_parse',
  'number_format',
  'date_time_parse',
  'max_bytes_length_exceeded',
  'action_request_validation',
  'script',
  'fail_processor',
  'ingest_processor',
  'find_match',
  'invalid_shape',
]);

/**
 * What the answer to one action means. Throws for what stops every document of the index.
 */
export function outcomeOf({ status, error, result }: ItemAnswer, index: string): ItemOutcome {
  if (status >= 200 && status < 300) return result === 'noop' ? DROPPED : DONE;
  const type = error?.type ?? '';
  if (type === 'version_conflict_engine_exception') return newerThere(error?.reason, index);
  // A delete of what is not there. It leaves its version behind all the same.
  if (status === 404 && error === undefined) return DONE;
  if (BUSY_STATUS.has(status) || type === BLOCKED) return { is: 'busy', type: type === '' ? `status ${status}` : type };
  if (type === 'index_not_found_exception') return NO_INDEX;
  const all = textOf(error ?? {});
  const stopping = stoppingError(all, index);
  if (stopping !== undefined) throw stopping;
  return errorOutcome(status, error ?? {}, all);
}

/** The type of an error and its reasons. */
export function textOf({ type = '', reason = '', caused_by: cause }: ItemError): string {
  return `${type} ${reason} ${cause?.reason ?? ''}`;
}

function errorOutcome(status: number, error: ItemError, all: string): ItemOutcome {
  const { type = '' } = error;
  const isOfServer = status >= 500 || status === 404;
  if (isOfServer && (PASSING.test(type) || MAPPING_UPDATE_LATE.test(all))) return { is: 'busy', type };
  if (MAPPING_RACE.test(all)) return { is: 'unclear', error, mayBeAny: false };
  if (!ABOUT_DOCUMENT.has(type.replace(/_exception$/, ''))) return { is: 'unclear', error, mayBeAny: true };
  // The products use it for everything: only a reason that is known says that it is about the document.
  const mayBeAny = type === 'illegal_argument_exception' && shownReason(error).text === undefined;
  return { is: 'refused', error, mayBeAny };
}

/**
 * The index has a newer version, which is what is wanted, unless that version is one that no event can have yet: then another tool
 * wrote it, and everything that comes would be taken for old. (Some use the whole cluster time as a version.)
 */
function newerThere(reason: string | undefined, index: string): ItemOutcome {
  const current = /current version \[(\d{1,19})\]/.exec(reason ?? '')?.[1];
  if (current === undefined) return DONE;
  const latest = versionNumberOfTime({ t: Math.floor(Date.now() / 1000) + MOST_AHEAD_SECONDS, i: 0 });
  if (BigInt(current) <= latest) return DONE;
  throw new SluiceError(`the index "${index}" has versions of another tool, beside which those of events look old`, {
    kind: 'config',
    code: 'search.foreign-version',
    hint: 'Let `index` name a new index, or remove this one, and copy the collection with `sluice snapshot`.',
  });
}

/** The type of an error, for messages; a server may put anything there. */
export function shownType(type: string | undefined): string {
  return type !== undefined && /^[a-z0-9_]{1,100}$/.test(type) ? type : 'an error without a type';
}

/** The rejection of a document that the index does not take. */
export function refused(error: ItemError, index: string): SluiceError {
  const { text, hint } = shownReason(error);
  const why = text === undefined ? '' : `: ${text}`;
  return new SluiceError(`the index "${index}" does not take the document (${shownType(error.type)}${why})`, {
    kind: 'rejected',
    code: 'search.document-refused',
    hint,
  });
}
