import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { type NatsServer, startNats } from '../../testing/servers/nats.ts';
import { writeEvents } from '../../testing/sink-writes.ts';
import { openSink, settingsFor } from './sink-fixture.ts';

function refused(code: string, secret?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.code, code, error.message);
    if (secret !== undefined) assert.ok(!inspect(error, { depth: 10 }).includes(secret), 'the secret shows');
    return true;
  };
}

async function works(server: NatsServer, more: Record<string, unknown>): Promise<void> {
  await using sink = await openSink(settingsFor(server.servers, more));
  assert.equal((await writeEvents(sink, [testEvent({ sequence: 1 })])).delivered, 1);
}

const open = (server: NatsServer, more: Record<string, unknown>) => openSink(settingsFor(server.servers, more));

test('user and password; a wrong or missing one is an authentication failure that may pass', async () => {
  await using server = await startNats({ auth: 'password' });
  const { user: username = '', password = '' } = server.security.login ?? {};
  await works(server, { login: { method: 'password', username, password } });
  const wrong = { login: { method: 'password', username, password: 'not-the-password' } };
  await assert.rejects(open(server, wrong), refused('nats.authentication', 'not-the-password'));
  await assert.rejects(open(server, {}), refused('nats.authentication'));
});

test('token', async () => {
  await using server = await startNats({ auth: 'token' });
  await works(server, { login: { method: 'token', token: server.security.token } });
  const wrong = { login: { method: 'token', token: 'not-the-token' } };
  await assert.rejects(open(server, wrong), refused('nats.authentication', 'not-the-token'));
});

test('nkey; what is no seed is a configuration error', async () => {
  await using server = await startNats({ auth: 'nkey' });
  await works(server, { login: { method: 'nkey', seed: server.security.seed } });
  const login = { method: 'nkey', seed: 'SUWRONG' };
  await assert.rejects(open(server, { login }), refused('nats.login-key', 'SUWRONG'));
});

test('JWT of a creds file, over mutual TLS', async () => {
  await using server = await startNats({ auth: 'creds', tls: 'mutual' });
  const { tls: files, credsFile } = server.security;
  assert.ok(files !== undefined && credsFile !== undefined);
  const tls = { ca: files.caFile, cert: files.clientCertificateFile, key: files.clientKeyFile };
  const login = { method: 'creds', file: credsFile };
  await works(server, { login, tls });
  await assert.rejects(open(server, { login, tls: { ca: files.caFile } }), (error: unknown) => {
    assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
    return true;
  });
  await assert.rejects(open(server, { login, tls: { ...tls, ca: undefined } }), refused('nats.tls'));
  const empty = join(server.dir, 'empty.creds');
  await writeFile(empty, 'nothing');
  await assert.rejects(open(server, { login: { method: 'creds', file: empty }, tls }), refused('nats.login-key'));
  const missing = { method: 'creds', file: join(server.dir, 'no.creds') };
  await assert.rejects(open(server, { login: missing, tls }), refused('nats.file'));
});

test('TLS without client certificates, by address and by name', async () => {
  await using server = await startNats({ tls: true });
  const tls = { ca: server.security.tls?.caFile };
  await works(server, { tls });
  const [port] = server.servers.map((address) => address.split(':')[1]);
  await works(server, { tls, servers: [`tls://localhost:${port}`] });
});

test('a subject that the user may not publish to ends the write at once', async () => {
  const users =
    'authorization { users: [{ user: a, password: b, permissions: { publish: { deny: "*.test.items.delete" } } }] }';
  await using server = await startNats({ config: [users] });
  const login = { method: 'password', username: 'a', password: 'b' };
  const settings = settingsFor(server.servers, { login, requestTimeout: '1m' });
  await using sink = await openSink(settings);
  await writeEvents(sink, [testEvent({ sequence: 1 })]);
  const startedMs = performance.now();
  const events = [testEvent({ sequence: 2 }), testEvent({ sequence: 3, op: 'delete' }), testEvent({ sequence: 4 })];
  await assert.rejects(writeEvents(sink, events), refused('nats.authorization'));
  assert.ok(performance.now() - startedMs < 30_000, 'it did not wait for a time-out');
});
