import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { errors } from 'undici';
import { SluiceError } from '../../core/failure.ts';
import { classifyAnswer, classifyClientError, errorType, isForCaller } from './classify.ts';

const ORIGIN = 'http://127.0.0.1:9200';

function answer(status: number, error?: unknown) {
  return { status, body: Buffer.from(error === undefined ? '' : JSON.stringify({ error, status })), origin: ORIGIN };
}

function failure(code: string, cause?: unknown): Error {
  return Object.assign(new Error('secret detail', { cause }), { code });
}

test('answers about one request are for its caller', () => {
  for (const status of [200, 201, 400, 404, 409, 413, 429]) assert.ok(isForCaller(answer(status)), String(status));
  for (const status of [301, 401, 403, 405, 406, 408, 500, 502, 503, 504]) {
    assert.ok(!isForCaller(answer(status)), String(status));
  }
});

test('statuses are classified by what helps', () => {
  const block = {
    type: 'cluster_block_exception',
    reason: 'index [orders] blocked by: [FORBIDDEN/8/index write (api)];',
  };
  const cases: readonly (readonly [number, unknown, string, string])[] = [
    [401, { type: 'security_exception' }, 'config', 'search.authentication'],
    [403, { type: 'security_exception' }, 'config', 'search.authorization'],
    [403, undefined, 'config', 'search.authorization'],
    [403, block, 'transient', 'search.blocked'],
    [429, block, 'transient', 'search.blocked'],
    [503, block, 'transient', 'search.blocked'],
    [503, undefined, 'transient', 'search.not-available'],
    [502, undefined, 'transient', 'search.not-available'],
    [504, { type: 'process_cluster_event_timeout_exception' }, 'transient', 'search.not-available'],
    [500, { type: 'null_pointer_exception' }, 'transient', 'search.server-error'],
    [408, undefined, 'transient', 'search.timeout'],
    [302, undefined, 'config', 'search.redirect'],
    [406, undefined, 'config', 'search.refused'],
  ];
  for (const [status, body, kind, code] of cases) {
    const judged = answer(status, body);
    assert.ok(!isForCaller(judged));
    const error = classifyAnswer(judged, 'write to orders');
    assert.deepEqual([error.kind, error.code], [kind, code], String(status));
    assert.match(error.message, /^cannot write to orders: .+ from http:\/\/127\.0\.0\.1:9200\)$/);
  }
});

test('a refused action is named, and nothing else of what the server says', () => {
  const reasons = [
    'no permissions for [indices:data/write/bulk[s]] and User [name=canary, backend_roles=[], requestedTenant=null]',
    'action [indices:data/write/bulk[s]] is unauthorized for user [canary] with effective roles [none]',
  ];
  for (const reason of reasons) {
    const error = classifyAnswer(answer(403, { type: 'security_exception', reason }), 'write');
    assert.match(error.message, /may not do indices:data\/write\/bulk\[s\]/);
    assert.match(error.hint ?? '', /indices:data\/write\/bulk/);
    assert.doesNotMatch(inspect(error), /canary/);
  }
  const odd = classifyAnswer(answer(500, { type: 'canary value!', reason: 'canary' }), 'write');
  assert.doesNotMatch(inspect(odd), /canary/);
});

test('the type of an error is read where there is one', () => {
  assert.equal(errorType(answer(400, { type: 'mapper_parsing_exception' }).body), 'mapper_parsing_exception');
  for (const text of ['', '<html>', '{', '{"error":"text"}', '{"error":{"type":7}}']) {
    assert.equal(errorType(Buffer.from(text)), undefined, text);
  }
});

test('errors of the network are transient, and unknown ones are ours', () => {
  const cases: readonly (readonly [unknown, string, string])[] = [
    [failure('ECONNREFUSED'), 'transient', 'search.unreachable'],
    [failure('UND_ERR_SOCKET'), 'transient', 'search.unreachable'],
    [new AggregateError([failure('EACCES'), failure('ECONNREFUSED')]), 'transient', 'search.unreachable'],
    [failure('UND_ERR_CONNECT', failure('EMFILE')), 'transient', 'search.no-connection-made'],
    [failure('ENOTFOUND'), 'transient', 'search.name'],
    [failure('CERT_HAS_EXPIRED'), 'transient', 'search.tls'],
    [failure('EPROTO'), 'transient', 'search.tls'],
    [failure('HPE_INVALID_CONSTANT'), 'transient', 'search.protocol'],
    [
      Object.assign(new errors.HTTPParserError('bad'), { code: 'HPE_X', data: 'canary' }),
      'transient',
      'search.protocol',
    ],
    [failure('UND_ERR_INVALID_ARG'), 'internal', 'search.unexpected'],
    [new TypeError('odd'), 'internal', 'search.unexpected'],
  ];
  for (const [error, kind, code] of cases) {
    const classified = classifyClientError(error, ORIGIN, 'write to orders');
    assert.deepEqual([classified.kind, classified.code], [kind, code], inspect(error));
    assert.match(classified.message, /^cannot write to orders: .*http:\/\/127\.0\.0\.1:9200/);
    assert.doesNotMatch(classified.message, /secret detail/);
    assert.doesNotMatch(inspect(classified), /canary/);
  }
});

test('a classified error passes unchanged', () => {
  const error = new SluiceError('known', { kind: 'config', code: 'search.file' });
  assert.equal(classifyClientError(new Error('outer', { cause: error }), ORIGIN, 'write'), error);
});
