import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { type ItemAnswer, outcomeOf, refused } from './item-outcome.ts';

function isOf(answer: ItemAnswer): string {
  try {
    const outcome = outcomeOf(answer, 'items');
    if (outcome.is === 'unclear') return outcome.mayBeAny ? 'unclear, then prove' : 'unclear, then refused';
    return outcome.is === 'refused' && outcome.mayBeAny ? 'refused, doubtful' : outcome.is;
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    return `${error.kind} ${error.code}`;
  }
}

const error = (status: number, type: string, reason = '') => ({ status, error: { type, reason } });

test('each answer to an action has one meaning', () => {
  const cases: readonly (readonly [ItemAnswer, string])[] = [
    [{ status: 200 }, 'done'],
    [{ status: 201 }, 'done'],
    [error(409, 'version_conflict_engine_exception'), 'done'],
    [error(409, 'version_conflict_engine_exception', '[a]: current version [900000000000000000] is higher'), 'done'],
    [
      error(409, 'version_conflict_engine_exception', '[a]: current version [7700000000000000000] is higher'),
      'config search.foreign-version',
    ],
    [{ status: 404 }, 'done'],
    [error(429, 'es_rejected_execution_exception'), 'busy'],
    [error(429, 'circuit_breaking_exception'), 'busy'],
    [error(503, 'unavailable_shards_exception'), 'busy'],
    [error(403, 'cluster_block_exception'), 'busy'],
    [error(404, 'index_not_found_exception'), 'no-index'],
    [error(400, 'mapper_parsing_exception'), 'refused'],
    [error(400, 'document_parsing_exception'), 'refused'],
    [error(400, 'strict_dynamic_mapping_exception'), 'refused'],
    [error(400, 'illegal_argument_exception'), 'refused, doubtful'],
    [error(400, 'illegal_argument_exception', 'Limit of total fields [1000] has been exceeded'), 'refused'],
    [error(400, 'illegal_argument_exception', "field [a] doesn't exist"), 'refused'],
    [error(400, 'illegal_argument_exception', 'unable to convert [x] to integer'), 'refused'],
    [{ status: 200, result: 'noop' }, 'dropped'],
    [{ status: 200, result: 'updated' }, 'done'],
    [error(500, 'fail_processor_exception'), 'refused'],
    [error(400, 'illegal_argument_exception', 'pipeline with id [p] does not exist'), 'config search.no-pipeline'],
    [error(400, 'illegal_argument_exception', 'no write index is defined for alias [a]'), 'config search.not-an-index'],
    [error(400, 'index_closed_exception'), 'config search.index-closed'],
    [error(403, 'security_exception'), 'config search.authorization'],
    [error(400, 'invalid_index_name_exception'), 'config search.index-name'],
    [error(400, 'routing_missing_exception'), 'config search.routing-required'],
    [
      error(400, 'illegal_argument_exception', 'number of documents in the index cannot exceed 2147483519'),
      'config search.index-full',
    ],
    [
      error(
        400,
        'illegal_argument_exception',
        'Number of documents in shard [x][0] exceeds the limit of [2147483519] documents per shard',
      ),
      'config search.index-full',
    ],
    [
      error(
        400,
        'validation_exception',
        'Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;',
      ),
      'transient search.shard-limit',
    ],
    [error(500, 'null_pointer_exception'), 'unclear, then prove'],
    [error(500, 'class_cast_exception'), 'unclear, then prove'],
    [error(400, 'never_seen_exception'), 'unclear, then prove'],
    [error(409, 'something_else'), 'unclear, then prove'],
    [error(500, 'mapper_exception', 'timed out while waiting for a dynamic mapping update'), 'busy'],
    ...[
      'already_closed',
      'engine_closed',
      'node_closed',
      'i_o',
      'translog',
      'timeout',
      'process_cluster_event_timeout',
      'illegal_index_shard_state',
      'es_rejected_execution',
    ].map((type) => [error(500, `${type}_exception`), 'busy'] as const),
    [error(404, 'shard_not_found_exception'), 'busy'],
    [
      error(400, 'illegal_argument_exception', 'mapper [p0] cannot be changed from type [double] to [long]'),
      'unclear, then refused',
    ],
    [
      error(400, 'illegal_argument_exception', "can't merge a non object mapping [a] with an object mapping"),
      'unclear, then refused',
    ],
  ];
  for (const [answer, expected] of cases) assert.equal(isOf(answer), expected, JSON.stringify(answer));
});

test('a rejection names index, type and field, never the value or the id', () => {
  const reasons: readonly (readonly [string, string | undefined, RegExp])[] = [
    [
      "failed to parse field [n] of type [long] in document with id 'SECRET'. Preview of field's value: 'SECRET'",
      'For input string: "SECRET"',
      /failed to parse field \[n\] of type \[long\]\)$/,
    ],
    ['failed to parse', 'field name cannot be an empty string', /field name cannot be an empty string/],
    ['failed to parse', "Duplicate field 'SECRET'", /Duplicate field\)$/],
    ['failed to parse', 'unheard of: SECRET', /\(mapper_parsing_exception\)$/],
    [
      "failed to parse field [_id] of type [_id] in document with id 'SECRET'",
      'Field [_id] is a metadata field and cannot be added inside a document. Use …',
      /Field \[_id\] is a metadata field and cannot be added inside a document\)$/,
    ],
    [
      'Document contains at least one immense term in field="k" (whose …), prefix \'[83, 69]\' SECRET',
      undefined,
      /immense term in field="k"\)$/,
    ],
    ['unable to convert [SECRET] to integer', 'For input string: "SECRET"', /unable to convert\)$/],
    [
      'Unable to find match for dissect pattern: %{a} %{b} against source: SECRET',
      undefined,
      /find match for dissect pattern\)$/,
    ],
    ['Limit of total fields [1000] has been exceeded', undefined, /Limit of total fields \[1000\]/],
  ];
  for (const [reason, cause, expected] of reasons) {
    const caused = cause === undefined ? {} : { caused_by: { type: 'x', reason: cause } };
    const outcome = outcomeOf({ status: 400, error: { type: 'mapper_parsing_exception', reason, ...caused } }, 'items');
    assert.ok(outcome.is === 'refused');
    const { message, hint, kind, code } = refused(outcome.error, 'items');
    assert.equal(`${kind} ${code}`, 'rejected search.document-refused');
    assert.match(message, expected);
    assert.match(message, /"items"/);
    assert.doesNotMatch(`${message} ${hint}`, /SECRET/);
    assert.ok(hint);
  }
});
