import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { MongoInvalidArgumentError, MongoNetworkError, MongoParseError, MongoServerError } from 'mongodb';
import type { FailureKind } from '../../core/failure.ts';
import { SluiceError } from '../../core/failure.ts';
import { classify, serverCode } from './classify.ts';
import type { MongoPhase } from './error-rules.ts';

const serverError = (code: number, errmsg = 'text of the server', errorLabels: string[] = []) =>
  new MongoServerError({ code, errmsg, errorLabels });

/** The table of what each code means, by phase. */
const CODES: readonly [phase: MongoPhase, codes: readonly number[], kind: FailureKind, code: string][] = [
  ['open', [286, 464], 'position-lost', 'mongodb.position-lost'],
  ['read', [286, 464], 'position-lost', 'mongodb.position-lost'],
  ['read', [136], 'transient', 'mongodb.cursor-overtaken'],
  ['open', [280, 260], 'config', 'mongodb.token-refused'],
  ['read', [280], 'config', 'mongodb.token-refused'],
  ['open', [50811, 15, 40647, 40649], 'config', 'mongodb.bad-token'],
  ['open', [2, 9, 40324, 168, 16020], 'config', 'mongodb.pipeline-refused'],
  ['open', [166, 73], 'config', 'mongodb.namespace-refused'],
  ['open', [40573], 'config', 'mongodb.not-a-replica-set'],
  ['read', [10334], 'config', 'mongodb.event-too-large'],
  ['open', [10334], 'config', 'mongodb.event-too-large'],
  ['read', [47], 'config', 'mongodb.image-missing'],
  ['connect', [18, 8000], 'transient', 'mongodb.authentication-failed'],
  ['read', [18], 'transient', 'mongodb.authentication-failed'],
  ['open', [13], 'transient', 'mongodb.unauthorized'],
  ['read', [13], 'transient', 'mongodb.unauthorized'],
  ['state', [13], 'transient', 'mongodb.unauthorized'],
  ['read', [6, 7, 89, 91, 9001], 'transient', 'mongodb.unreachable'],
  ['read', [43, 237, 175], 'transient', 'mongodb.cursor-lost'],
  ['read', [63, 133, 150, 189, 234, 10107, 11600, 11602, 13388, 13435, 13436], 'transient', 'mongodb.unsettled'],
  ['state', [189, 112, 11000], 'transient', 'mongodb.unsettled'],
  ['read', [50, 262, 11601], 'transient', 'mongodb.overloaded'],
  ['state', [64, 100], 'transient', 'mongodb.write-unconfirmed'],
  ['state', [14031], 'transient', 'mongodb.disk-full'],
  ['snapshot', [239], 'transient', 'mongodb.snapshot-too-old'],
  ['snapshot', [246], 'transient', 'mongodb.snapshot-unavailable'],
  ['snapshot', [361], 'transient', 'mongodb.collection-changed'],
  ['snapshot', [2, 9, 27, 16020], 'config', 'mongodb.match-refused'],
  ['snapshot', [50, 262], 'transient', 'mongodb.overloaded'],
  ['snapshot', [189, 10107, 11602], 'transient', 'mongodb.unsettled'],
  ['snapshot', [13], 'transient', 'mongodb.unauthorized'],
  ['snapshot', [72, 4242], 'internal', 'mongodb.unexpected'],
  // The same numbers mean nothing known elsewhere, and what is not known stops the partition.
  ['state', [280, 10334, 40324], 'internal', 'mongodb.unexpected'],
  ['read', [2, 9, 166, 11000, 4242, 987_654], 'internal', 'mongodb.unexpected'],
  ['connect', [4242], 'internal', 'mongodb.unexpected'],
];

for (const [phase, codes, kind, code] of CODES) {
  test(`${codes.join(', ')} in phase ${phase} is ${code}`, () => {
    for (const number of codes) {
      const error = classify(serverError(number), phase, 'do it');
      assert.equal(error.kind, kind, String(number));
      assert.equal(error.code, code, String(number));
      assert.match(error.message, /^cannot do it: /);
      assert.equal(serverCode(error), number);
    }
  });
}

test('a pipeline that changed the _id is told apart from a token that is not found', () => {
  const message =
    'Encountered an event whose _id field, which contains the resume token, was modified by the pipeline.';
  assert.equal(classify(serverError(280, message), 'read', 'x').code, 'mongodb.pipeline-changes-id');
});

test('a snapshot time that the server has not reached yet is told apart from other invalid options', () => {
  const message = 'readConcern atClusterTime value must not be greater than the current clusterTime.';
  assert.equal(classify(serverError(72, message), 'snapshot', 'x').code, 'mongodb.snapshot-unavailable');
});

test('a capped collection, which waiting does not help, is told apart from a time that is too early', () => {
  const message = 'Reading from capped collections with readConcern snapshot is not supported';
  assert.equal(classify(serverError(246, message), 'snapshot', 'x').code, 'mongodb.capped-collection');
});

test('an unknown code with a resumable label is transient, with any other it is not', () => {
  assert.equal(classify(serverError(4242, '', ['ResumableChangeStreamError']), 'read', 'x').kind, 'transient');
  assert.equal(classify(serverError(4242, '', ['NonResumableChangeStreamError']), 'read', 'x').kind, 'internal');
});

test('codes that the driver left as BSON numbers are understood', () => {
  const error = Object.assign(new MongoServerError({ errmsg: 'x' }), { code: { valueOf: () => 286 } });
  assert.equal(classify(error, 'open', 'x').kind, 'position-lost');
});

/** As the socket throws it, e.g. while the driver waits until a large command is sent. */
function socketError(code: string): Error {
  return Object.assign(new Error(`socket ${code}`), { code });
}

const OWN: readonly (readonly [error: unknown, phase: MongoPhase, kind: FailureKind, code: string])[] = [
  [new MongoNetworkError('connection closed'), 'read', 'transient', 'mongodb.unreachable'],
  [
    Object.assign(new Error('timed out'), { name: 'MongoServerSelectionError' }),
    'connect',
    'transient',
    'mongodb.unreachable',
  ],
  [new MongoParseError('invalid scheme'), 'connect', 'config', 'mongodb.uri-invalid'],
  [new MongoInvalidArgumentError('bad option'), 'connect', 'config', 'mongodb.uri-invalid'],
  [new MongoInvalidArgumentError('our mistake'), 'read', 'internal', 'mongodb.unexpected'],
  [Object.assign(new Error('no such file'), { code: 'ENOENT' }), 'connect', 'config', 'mongodb.tls-file'],
  [Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), 'connect', 'transient', 'mongodb.unreachable'],
  [
    new MongoNetworkError('closed', { cause: Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' }) }),
    'connect',
    'transient',
    'mongodb.tls',
  ],
  ...['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED'].map(
    (code) => [socketError(code), 'write', 'transient', 'mongodb.unreachable'] as const,
  ),
  [new TypeError('undefined is not a function'), 'read', 'internal', 'mongodb.unexpected'],
  ['a string', 'read', 'internal', 'mongodb.unexpected'],
];

for (const [error, phase, kind, code] of OWN) {
  test(`${String(error)} in phase ${phase} is ${code}`, () => {
    const classified = classify(error, phase, 'do it');
    assert.equal(classified.kind, kind);
    assert.equal(classified.code, code);
  });
}

test('what is classified already stays as it is', () => {
  const error = new SluiceError('x', { kind: 'fenced', code: 'y' });
  assert.equal(classify(error, 'read', 'z'), error);
});

test('no command or query of ours gets into the error: they hold document keys', () => {
  const texts = [
    'not authorized on shop to execute command { find: "orders", filter: { _id: "hunter2" } }',
    'error processing query: ns=shop.ordersTree: $expr {"$const":"hunter2"}\nSort: {}\n planner returned error :: caused by :: hint',
  ];
  const shown = texts.map((text) => classify(serverError(2, text), 'check', 'x').message);
  assert.doesNotMatch(shown.join(), /hunter2/);
  assert.match(shown[0] ?? '', /not authorized on shop to execute command …/);
  assert.match(shown[1] ?? '', /planner returned error :: caused by :: hint/);
});

test('reading documents, the server quotes their values: only the name of its code is shown', () => {
  for (const code of [2, 241, 99_999]) {
    const error = classify(serverError(code, "Failed to parse number 'hunter2' in $convert"), 'snapshot', 'read');
    assert.doesNotMatch(error.message, /hunter2/, String(code));
  }
});

test('no secret, token or document gets into the error, its cause or its rendering', () => {
  const text =
    'bad uri mongodb://user:hunter2@host/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2 and the resume token was ' +
    'not found. {_data: "826B01326B0000000646hunter2"} Expected x but found: { _id: "hunter2", name: "hunter2" }';
  const foreign = Object.assign(serverError(280, text), { options: { password: 'hunter2' } });
  const error = classify(foreign, 'open', 'open the stream');
  assert.doesNotMatch(inspect(error, { depth: 9 }) + error.message + error.stack, /hunter2/);
  assert.match(inspect(error.cause), /bad uri mongodb:\/\/\*\*\*@host/);
});
