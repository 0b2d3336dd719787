import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPostgres, testPostgres } from '../../testing/servers/postgres.ts';
import { postgresSinkConfig } from './config.ts';
import { postgresSink } from './sink.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

async function findings(settings: Record<string, unknown>) {
  const found = await postgresSink.check(postgresSinkConfig.parse({ uri: fixture.uri, ...settings }), fixture.context);
  return found.map(({ check, level }) => `${level} ${check}`);
}

test('doctor finds a server that can be used', async () => {
  const found = await findings({});
  for (const check of ['postgres.reachable', 'postgres.version', 'postgres.tls', 'postgres.privileges']) {
    assert.ok(found.includes(`ok ${check}`), `${check} in ${found.join(', ')}`);
  }
  assert.ok(!found.some((line) => line.startsWith('error')));
});

test('doctor says what a user may not do', async () => {
  const role = `${fixture.schema}_reader`;
  const { client } = fixture;
  await client.query(`create role ${role} login`);
  await client.query(`create schema ${fixture.schema}`);
  try {
    const { host, pathname } = new URL(fixture.uri);
    const uri = `postgres://${role}@${host}${pathname}`;
    assert.ok((await findings({ uri, stateSchema: fixture.stateSchema })).includes('error postgres.privileges'));
    assert.ok((await findings({ uri, schema: fixture.schema })).includes('error postgres.privileges'));
    await assert.rejects(fixture.sink({ uri, stateSchema: 'not_there_yet' }), {
      kind: 'transient',
      code: 'postgres.privilege',
    });
  } finally {
    await client.query(`drop role ${role}`);
  }
});

test('doctor says that nobody answers, and that a database has another encoding', async () => {
  assert.deepEqual(await findings({ uri: 'postgres://postgres@127.0.0.1:1/x' }), ['error postgres.reachable']);
  const name = `${fixture.schema}_latin`;
  await fixture.client.query(`create database ${name} encoding LATIN1 template template0 lc_collate 'C' lc_ctype 'C'`);
  try {
    const { host } = new URL(fixture.uri);
    const found = await findings({ uri: `postgres://postgres@${host}/${name}` });
    assert.ok(found.includes('error postgres.encoding'), found.join(', '));
  } finally {
    await fixture.client.query(`drop database ${name} with (force)`);
  }
});

test('a login with a password and certificates on both sides work, and only the right ones', {
  timeout: 300_000,
}, async () => {
  await using server = await startPostgres({ auth: 'scram', tls: 'mutual' });
  const { tls: files, login, port } = server;
  assert.ok(files && login);
  await using place = await PostgresFixture.open(server.uri, server.connection);
  const tls = { ca: files.caFile, cert: files.clientCertificateFile, key: files.clientKeyFile };
  const address = { uri: undefined, host: '127.0.0.1', port, user: login.user, database: 'postgres' };
  const right = { ...address, password: login.password, tls };
  {
    await using sink = await place.sink(right);
    await writeEvents(sink, [event({ sequence: 1, id: 1 })]);
    assert.deepEqual(await place.ids('items'), ['~1']);
  }
  const query = new URLSearchParams({
    sslmode: 'verify-full',
    sslrootcert: files.caFile,
    sslcert: files.clientCertificateFile,
    sslkey: files.clientKeyFile,
  });
  {
    await using sink = await place.sink({ uri: `${server.uri}?${query.toString().replaceAll('+', '%20')}` });
    await writeEvents(sink, [event({ sequence: 2, id: 2 })]);
  }
  const found = await findings(right);
  assert.ok(found.includes('ok postgres.tls'), found.join(', '));
  const wrong: readonly (readonly [object, string])[] = [
    [{ ...right, password: 'wrong' }, 'postgres.authentication'],
    [{ ...right, password: undefined }, 'postgres.authentication'],
    [{ ...right, tls: { ca: files.caFile } }, 'postgres.authentication'],
    [{ ...right, tls: { cert: tls.cert, key: tls.key } }, 'postgres.tls'],
    [{ ...right, tls: false }, 'postgres.authentication'],
  ];
  for (const [settings, code] of wrong) {
    await assert.rejects(place.sink({ ...settings }), (error: { readonly code?: string; readonly message: string }) => {
      assert.equal(error.code, code, error.message);
      assert.ok(!error.message.includes(login.password));
      return true;
    });
  }
  await assert.rejects(place.sink({ ...right, tls: { ...tls, ca: '/nowhere/ca.pem' } }), { kind: 'config' });
});
