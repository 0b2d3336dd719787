import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Client, type ClientConfig } from 'pg';
import { waitFor } from '../wait-for.ts';
import { isRunning, startServerOwner, waitUntilGone } from './orphan-check.ts';
import { startPostgres, testPostgres } from './postgres.ts';
import { childrenOf, processState } from './process-family.ts';

async function query(connection: ClientConfig | string, text: string): Promise<unknown[]> {
  const client = new Client(typeof connection === 'string' ? { connectionString: connection } : connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text, rowMode: 'array' });
    return rows.map(([value]) => value);
  } finally {
    await client.end();
  }
}

test('the shared server is the same for the whole process, and answers', async () => {
  const uri = await testPostgres();
  assert.equal(await testPostgres(), uri);
  assert.deepEqual(await query(uri, 'select 1'), [1]);
});

test('stopped, killed or paused, it comes back with its data on the same port', { timeout: 300_000 }, async () => {
  const server = await startPostgres();
  const { uri } = server;
  await query(uri, 'create table t (s text)');
  const written: string[] = [];
  const pids = new Set<number>();
  for (const signal of ['SIGINT', 'SIGKILL', 'SIGSTOP'] as const) {
    written.push(signal);
    await query(uri, `insert into t values ('${signal}')`);
    for (const pid of [server.pid, ...(await childrenOf(server.pid))]) pids.add(pid);
    await server.stop(signal);
    assert.equal(isRunning(server.pid), signal === 'SIGSTOP');
    await server.start();
    assert.deepEqual(await query(uri, 'select s from t order by ctid'), written);
  }
  const { dir } = server;
  await server[Symbol.asyncDispose]();
  await waitUntilGone({ dir, pids: [...pids] });
});

test('paused and killed are all of its processes, those that serve clients too', { timeout: 300_000 }, async () => {
  await using server = await startPostgres();
  const sleeping = assert.rejects(query(server.uri, 'select pg_sleep(3600)'));
  const active = "select pid from pg_stat_activity where state = 'active' and query like '%(3600)'";
  await waitFor(async () => (await query(server.uri, active)).length === 1, {
    timeoutMs: 60_000,
    message: 'the statement runs',
  });
  const [serving = 0] = (await query(server.uri, active)) as number[];
  await server.stop('SIGSTOP');
  assert.deepEqual(await Promise.all([server.pid, serving].map(processState)), ['T', 'T']);
  await server.start();
  assert.deepEqual(await query(server.uri, active), [serving]);
  await server.stop('SIGKILL');
  await sleeping;
  await waitFor(() => !isRunning(serving), { timeoutMs: 60_000, message: 'it is gone' });
});

test('with scram a password is needed, with TLS the CA, with mutual TLS a certificate', {
  timeout: 300_000,
}, async () => {
  await using scram = await startPostgres({ auth: 'scram' });
  assert.deepEqual(await query(scram.uri, 'select 1'), [1]);
  await assert.rejects(query({ ...scram.connection, password: 'x' }, 'select 1'), { code: '28P01' });
  await using tls = await startPostgres({ tls: true });
  assert.deepEqual(await query(tls.connection, 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'), [true]);
  await assert.rejects(query({ ...tls.connection, ssl: {} }, 'select 1'), /self-signed certificate/);
  await assert.rejects(query(tls.uri, 'select 1'), { code: '28000' });
  await using mutual = await startPostgres({ auth: 'scram', tls: 'mutual' });
  assert.deepEqual(await query(mutual.connection, 'select 1'), [1]);
  const { ca } = mutual.connection.ssl as { readonly ca: string };
  await assert.rejects(query({ ...mutual.connection, ssl: { ca } }, 'select 1'), /certificate/);
});

test('PostgreSQL does not outlive a killed test run, paused or not', { timeout: 300_000 }, async () => {
  const owner = await startServerOwner(
    `
    import { startPostgres } from './postgres.ts';
    import { childrenOf, processState } from './process-family.ts';
    const [one, two] = await Promise.all([startPostgres(), startPostgres()]);
    const pids = [one.pid, ...await childrenOf(one.pid), two.pid, ...await childrenOf(two.pid)];
    await two.stop('SIGSTOP');
    console.log(JSON.stringify({ dir: two.dir, pids }));
    setInterval(() => {}, 1000);
    `,
    import.meta.url,
  );
  owner.process.kill('SIGKILL');
  await once(owner.process, 'exit');
  await waitUntilGone(owner);
});

test('settings reach the server, and one that it does not know is told', async () => {
  await using server = await startPostgres({ config: ['max_connections = 17'] });
  assert.deepEqual(await query(server.uri, 'show max_connections'), ['17']);
  await assert.rejects(
    startPostgres({ config: ['no_such_setting = 1'] }),
    /PostgreSQL did not start: exit code 1[^]*no_such_setting/,
  );
});
