import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors } from '@nats-io/transport-node';
import { SluiceError } from '../../core/failure.ts';
import { classifyNatsError, type NatsPhase } from './classify.ts';
import { PublishRefusal } from './error-facts.ts';

const refusal = (err_code: number, code: number) => new PublishRefusal({ err_code, code, description: 'said' });

function verdict(error: unknown, phase: NatsPhase = 'publish') {
  const { kind, code } = classifyNatsError(error, phase);
  return [kind, code];
}

test('answers of JetStream', () => {
  const expected: [number, number, string, string][] = [
    [10071, 400, 'transient', 'nats.wrong-sequence'],
    [10164, 400, 'transient', 'nats.wrong-sequence'],
    [10077, 503, 'transient', 'nats.stream-full'],
    [10047, 500, 'transient', 'nats.resources'],
    [10054, 400, 'rejected', 'nats.message-too-large'],
    [10059, 404, 'transient', 'nats.stream-gone'],
    [10039, 503, 'transient', 'nats.jetstream-disabled'],
    [10065, 400, 'config', 'nats.subjects-overlap'],
    [19999, 503, 'transient', 'nats.not-available'],
    [19999, 429, 'transient', 'nats.not-available'],
    [19999, 400, 'internal', 'nats.unexpected'],
  ];
  for (const [code, status, ...wanted] of expected) assert.deepEqual(verdict(refusal(code, status)), wanted, `${code}`);
  assert.deepEqual(verdict(refusal(19999, 400), 'stream'), ['config', 'nats.stream-refused']);
});

test('errors of the client and of the connection', () => {
  const request = (cause: Error) => new errors.RequestError('failed', { cause });
  const node = (code: string) => Object.assign(new Error('no'), { code });
  const expected: [unknown, string, string][] = [
    [new errors.TimeoutError(), 'transient', 'nats.timeout'],
    [request(new errors.NoRespondersError('a.b')), 'transient', 'nats.no-stream'],
    [new errors.ClosedConnectionError(), 'transient', 'nats.unreachable'],
    [new errors.AuthorizationError('who'), 'transient', 'nats.authentication'],
    [request(new errors.PermissionViolationError('no', 'publish', 'a.b')), 'transient', 'nats.authorization'],
    [new errors.ConnectionError('x', { cause: node('ECONNREFUSED') }), 'transient', 'nats.unreachable'],
    [new errors.ConnectionError('x', { cause: node('DEPTH_ZERO_SELF_SIGNED_CERT') }), 'transient', 'nats.tls'],
    [new TypeError('a bug'), 'internal', 'nats.unexpected'],
    ['text', 'internal', 'nats.unexpected'],
  ];
  for (const [error, ...wanted] of expected) assert.deepEqual(verdict(error), wanted, String(error));
});

test('a refused login keeps the words of the server out; what is classified stays as it is', () => {
  const classified = classifyNatsError(new errors.AuthorizationError('user "bob" password "x"'), 'connect');
  assert.doesNotMatch(classified.message, /bob/);
  const own = new SluiceError('mine', { kind: 'config', code: 'test.own' });
  assert.equal(classifyNatsError(own, 'stream'), own);
});
