import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { classifyClientError, Outage } from './classify.ts';

function failure(code: string, cause?: unknown): Error {
  return Object.assign(new Error('secret detail', { cause }), { code });
}

test('errors of the network, and of this machine, are outages and never end the pipeline', () => {
  const cases: readonly (readonly [Error, string])[] = [
    ...['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM'].map(
      (code) => [failure(code), 'webhook.no-connection-made'] as const,
    ),
    [failure('UND_ERR_CONNECT', failure('EMFILE')), 'webhook.no-connection-made'],
    [new AggregateError([failure('EACCES'), failure('EPERM')]), 'webhook.no-connection-made'],
    [new AggregateError([failure('EACCES'), failure('ECONNREFUSED')]), 'webhook.unreachable'],
    [failure('ECONNRESET'), 'webhook.unreachable'],
    [failure('ENOTFOUND'), 'webhook.name'],
    [failure('CERT_HAS_EXPIRED'), 'webhook.tls'],
    [failure('HPE_INVALID_CONSTANT'), 'webhook.protocol'],
  ];
  for (const [error, code] of cases) {
    const outage = classifyClientError(error, 'https://a.example');
    assert.ok(outage instanceof Outage, code);
    assert.equal(outage.code, code);
    assert.match(outage.message, /https:\/\/a\.example/);
    assert.doesNotMatch(outage.message, /secret detail/);
  }
});

test('an error that nobody knows is a bug, and a classified one passes unchanged', () => {
  const unknown = classifyClientError(new TypeError('x'), 'https://a.example');
  assert.ok(unknown instanceof SluiceError && unknown.kind === 'internal');
  const known = new SluiceError('x', { kind: 'config', code: 'webhook.address-refused' });
  assert.equal(classifyClientError(new Error('y', { cause: known }), 'https://a.example'), known);
});
