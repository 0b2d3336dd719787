import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPostgres, testPostgres } from '../../testing/servers/postgres.ts';
import { Session } from './client.ts';
import { postgresSinkConfig } from './config.ts';

const signal = new AbortController().signal;

async function shown(uri: string, text: string): Promise<unknown> {
  await using session = await Session.open(postgresSinkConfig.parse({ uri }), signal);
  const { rows } = await session.query({ text }, signal);
  return rows[0]?.['shown'];
}

test('options and names of the URI hold in the session, and nothing that the sink relies on', async () => {
  const uri = new URL(await testPostgres());
  uri.searchParams.set('application_name', 'named');
  const options = '-c work_mem=7MB -c client_encoding=LATIN1 -c TimeZone=Asia/Kathmandu --statement_timeout=9000';
  uri.search += `&options=${encodeURIComponent(options)}&connect_timeout=3&target_session_attrs=any`;
  const settings = ['application_name', 'work_mem', 'client_encoding', 'TimeZone', 'statement_timeout'];
  const text = `select concat_ws(' ', ${settings.map((name) => `current_setting('${name}')`).join()}) as shown`;
  assert.equal(await shown(uri.href, text), 'named 7MB UTF8 UTC 1min');
});

test('a bound channel takes the certificate of the right authority', { timeout: 300_000 }, async () => {
  await using server = await startPostgres({ auth: 'scram', tls: true });
  const { tls, uri } = server;
  assert.ok(tls);
  const bound = `${uri}${uri.includes('?') ? '&' : '?'}sslmode=require&channel_binding=require`;
  const text = 'select ssl as shown from pg_stat_ssl where pid = pg_backend_pid()';
  assert.equal(await shown(`${bound}&sslrootcert=${encodeURIComponent(tls.caFile)}`, text), true);
  await assert.rejects(shown(bound, text), ({ code }: { code: string }) => code.startsWith('postgres.'));
  assert.equal(await shown(bound.replace('&channel_binding=require', ''), text), true, 'as libpq, nothing is checked');
});
