import { type FailureKind, SluiceError } from '../../core/failure.ts';

interface StoppingError {
  /** Matched with the type of an error and its reasons. */
  readonly when: RegExp;
  readonly kind?: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint: string;
}

const STOPPING: readonly StoppingError[] = [
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
    when: /^illegal_argument_exception.*(no write index is defined for alias|has more than one ind(?:ex|ices) associated with it|only write ops with an op_type of create)/is,
    code: 'search.not-an-index',
    what: 'it is an alias without a write index, or a data stream',
    hint: 'Let `index` name an index, or an alias of one.',
  },
  {
    when: /number of documents in the index cannot exceed|exceeds the limit of \[\d+\] documents per shard/i,
    code: 'search.index-full',
    what: 'a shard of it has as many documents as one can have',
    hint: 'Make an index with more shards (`settings: {number_of_shards: …}`, another `index`), and copy the collection with `sluice snapshot`. Nested documents count, too.',
  },
  {
    // Somebody may remove indexes at any time, often by a schedule.
    when: /this action would add \[\d+\](?: total)? shards/,
    kind: 'transient',
    code: 'search.shard-limit',
    what: 'the cluster takes no further index: it has as many shards as it may have',
    hint: 'Remove indexes, or raise `cluster.max_shards_per_node`. It is tried again.',
  },
];

/**
 * The error of what every document of an index would be answered with, until somebody changes something; undefined when that is
 * not so. `all` is the type of the answer and its reasons.
 */
export function stoppingError(all: string, index: string): SluiceError | undefined {
  const found = STOPPING.find(({ when }) => when.test(all));
  if (found === undefined) return undefined;
  const { kind = 'config', code, what, hint } = found;
  return new SluiceError(`cannot write to the index "${index}": ${what}`, { kind, code, hint });
}
