import { SluiceError } from '../../core/failure.ts';
import { versionNumberOfTime } from '../../core/version-number.ts';
import { shownReason } from './shown-reason.ts';

/** What an answer says of one action of a bulk request; `error` is left out when there is none. */
export interface ItemAnswer {
  readonly status: number;
  readonly error?: ItemError | undefined;
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
  /** It never will be taken like this. */
  | { readonly is: 'refused'; readonly error: SluiceError };

/** No clock of a source is that far ahead: two years. */
const MOST_AHEAD_SECONDS = 2 * 365 * 86_400;

const DONE: ItemOutcome = { is: 'done' };
const NO_INDEX: ItemOutcome = { is: 'no-index' };

/** Statuses of a cluster that has too much to do, or not all of its nodes. */
const BUSY_STATUS = new Set([429, 502, 503, 504]);
/** Blocks are set by the disk watermark, by people and by a cluster without a master; all of them are lifted again. */
const BLOCKED = 'cluster_block_exception';

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
  'invalid_shape',
]);

/** Errors that every document would get, until somebody changes something. */
const STOPPING: readonly {
  readonly when: RegExp;
  readonly code: string;
  readonly what: string;
  readonly hint: string;
}[] = [
  {
    when: /^security_exception/,
    code: 'search.authorization',
    what: 'the login may not write to it',
    hint: 'Give the user of the sink the privileges to index and delete documents of this index.',
  },
  {
    when: /^index_closed_exception/,
    code: 'search.index-closed',
    what: 'it is closed',
    hint: 'Open it (POST /<index>/_open), then start again.',
  },
  {
    when: /^invalid_index_name_exception/,
    code: 'search.index-name',
    what: 'no index can have this name',
    hint: 'Change `index`.',
  },
  {
    when: /^routing_missing_exception/,
    code: 'search.routing-required',
    what: 'its mapping requires a routing',
    hint: 'Set `routing` to the field that chooses the shard.',
  },
  {
    when: /^illegal_argument_exception.*pipeline with id \[.*\] does not exist/s,
    code: 'search.no-pipeline',
    what: 'its ingest pipeline does not exist',
    hint: 'Create the pipeline that `pipeline`, or the index setting default_pipeline, names.',
  },
  {
    when: /^illegal_argument_exception.*(no write index is defined for alias|only write ops with an op_type of create)/s,
    code: 'search.not-an-index',
    what: 'it is an alias without a write index, or a data stream',
    hint: 'Let `index` name an index, or an alias of one.',
  },
];

/**
 * What the answer to one action means. Throws `config` for what stops every document of the index, and `internal` for an
 * error that is not known. Messages name index, type and field, never values.
 */
export function outcomeOf({ status, error }: ItemAnswer, index: string): ItemOutcome {
  if (status >= 200 && status < 300) return DONE;
  const type = error?.type ?? '';
  if (type === 'version_conflict_engine_exception') return newerThere(error?.reason, index);
  // A delete of what is not there. It leaves its version behind all the same.
  if (status === 404 && error === undefined) return DONE;
  if (BUSY_STATUS.has(status) || type === BLOCKED) return { is: 'busy', type: type === '' ? `status ${status}` : type };
  if (type === 'index_not_found_exception') return NO_INDEX;
  const all = `${type} ${error?.reason ?? ''} ${error?.caused_by?.reason ?? ''}`;
  for (const { when, code, what, hint } of STOPPING) {
    if (when.test(all))
      throw new SluiceError(`cannot write to the index "${index}": ${what}`, { kind: 'config', code, hint });
  }
  if (ABOUT_DOCUMENT.has(type.replace(/_exception$/, ''))) return { is: 'refused', error: refused(error ?? {}, index) };
  throw new SluiceError(
    `the index "${index}" answered a write with ${status} ${shownType(type)}, which is not known here`,
    {
      kind: 'internal',
      code: 'search.unknown-item-error',
      hint: 'The log of the cluster says more. Nothing of this batch is taken as delivered; it is written again after a restart.',
    },
  );
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
