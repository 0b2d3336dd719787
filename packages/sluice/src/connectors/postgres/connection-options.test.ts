import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PostgresConnection, postgresSinkConfig } from './config.ts';
import { connectionOptions, tlsSetting } from './connection-options.ts';
import { parseConnectionUri } from './connection-uri.ts';

function connection(settings: object): PostgresConnection {
  return postgresSinkConfig.parse(settings);
}

const URI = 'postgresql://u:p@h/d';

test('how the certificate is checked follows from the URI, unless `tls` says it', () => {
  const cases: readonly (readonly [string, object, string | undefined])[] = [
    ['', {}, undefined],
    ['?sslmode=disable', {}, undefined],
    ['?sslmode=require', {}, 'none'],
    ['?sslmode=require&sslrootcert=/ca', {}, 'ca'],
    ['?sslmode=verify-ca', {}, 'ca'],
    ['?sslmode=verify-full', {}, 'full'],
    ['?sslrootcert=system', {}, 'full'],
    ['?channel_binding=require', {}, 'full'],
    ['?sslmode=require&channel_binding=require', {}, 'full'],
    ['?sslmode=require&channel_binding=require&sslrootcert=/ca', {}, 'ca'],
    ['?sslmode=require&channel_binding=prefer', {}, 'none'],
    ['?sslmode=require', { tls: true }, 'full'],
    ['?sslmode=require', { tls: false }, undefined],
  ];
  for (const [query, more, verify] of cases) {
    const uri = URI + query;
    assert.equal(tlsSetting(connection({ uri, ...more }), parseConnectionUri(uri))?.verify, verify, query);
  }
});

test('what hosted services write into connection strings gets to the server', async () => {
  const query = 'sslmode=require&channel_binding=require&options=endpoint%3Dx&ssl_min_protocol_version=TLSv1.3';
  const [one] = await connectionOptions(connection({ uri: `${URI}?${query}&connect_timeout=10` }));
  assert.equal(one?.client.options, 'endpoint=x');
  assert.equal(one.client.enableChannelBinding, true);
  assert.deepEqual(one.client.ssl, { rejectUnauthorized: true, minVersion: 'TLSv1.3', host: 'h' });
  const [plain] = await connectionOptions(connection({ uri: URI }));
  assert.deepEqual(
    [plain?.client.options, plain?.client.enableChannelBinding, plain?.client.ssl, plain?.client.application_name],
    [undefined, undefined, false, 'sluice'],
  );
});

test('a channel that is to be bound is never left unchecked by `tls`', async () => {
  for (const tls of [false, { verify: 'none' }]) {
    const given = connection({ uri: `${URI}?channel_binding=require`, tls });
    await assert.rejects(connectionOptions(given), { kind: 'config', code: 'postgres.channel-binding' });
  }
});
