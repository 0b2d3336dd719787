import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsSinkConfig } from './config.ts';

const parse = (settings: object) => natsSinkConfig.safeParse({ servers: ['a:4222'], stream: 'S', ...settings });

function accepted(settings: object) {
  const result = parse(settings);
  assert.ok(result.success, JSON.stringify(result.error?.issues));
  return result.data;
}

function refused(settings: object, pattern: RegExp): void {
  const result = parse(settings);
  assert.ok(!result.success, `${JSON.stringify(settings)} is accepted`);
  assert.match(JSON.stringify(result.error.issues), pattern);
}

test('a server and a stream are enough', () => {
  const config = accepted({});
  assert.equal(config.subject, '{coll}.{op}');
  assert.equal(config.delivery, 'at-least-once');
  assert.equal(config.createStream.enabled, true);
  assert.equal(config.tls, undefined);
});

test('servers are addresses without logins', () => {
  accepted({ servers: ['nats://a:1', 'tls://b', '[::1]:4222', 'c'] });
  refused({ servers: [] }, /at least one/);
  for (const server of ['nats://u:p@a:1', 'http://a', 'a b', 'ws://a'])
    refused({ servers: [server] }, /without a login/);
});

test('streams, subjects and batches that JetStream would not take are refused', () => {
  for (const stream of ['', 'a.b', 'a b', 'a*']) refused({ stream }, /letters, digits/);
  for (const subject of ['{collection}.x', 'a..b', '>', 'a b']) refused({ subject }, /must be a subject/);
  for (const recordPrefix of ['a.*', '>', 'a..b']) refused({ recordPrefix }, /must be a subject/);
  refused({ createStream: { subjects: ['a..b'] } }, /must be a subject/);
  refused({ createStream: { retention: 'interest' } }, /limits/);
  refused({ batchRecords: 1000 }, /999/);
});

test('a login holds what its method needs and no secret shows', () => {
  const config = accepted({ login: { method: 'nkey', seed: 'SUSECRET' } });
  assert.ok(!JSON.stringify(config).includes('SUSECRET'));
  refused({ login: { method: 'password', username: 'a' } }, /password/);
  refused({ login: { method: 'creds' } }, /file/);
  refused({ tls: { cert: 'a.pem' } }, /go together/);
});
