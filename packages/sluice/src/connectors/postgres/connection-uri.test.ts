import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConnectionUri, UriError } from './connection-uri.ts';

test('a connection string is read as libpq reads it', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['postgresql://', { hosts: [{ host: 'localhost', port: 5432 }], user: undefined, database: undefined }],
    ['postgres://h', { hosts: [{ host: 'h', port: 5432 }] }],
    ['postgres://u@h:5433/d', { hosts: [{ host: 'h', port: 5433 }], user: 'u', password: undefined, database: 'd' }],
    ['postgres://u%40x:p%2F%3A@h/d%20b', { user: 'u@x', password: 'p/:', database: 'd b' }],
    [
      'postgres://a:1,b,[::1]:3/d',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 5432 },
          { host: '::1', port: 3 },
        ],
      },
    ],
    ['postgres://%2Fvar%2Frun/d', { hosts: [{ host: '/var/run', port: 5432 }] }],
    [
      'postgres:///d?host=/var/run&port=7&user=u&dbname=x',
      { hosts: [{ host: '/var/run', port: 7 }], user: 'u', database: 'd' },
    ],
    ['postgres://h/d?sslmode=verify-full&sslrootcert=/a%20b', { sslMode: 'verify-full', ca: '/a b' }],
    ['postgres://h/d?application_name=x&target_session_attrs=read-write', { applicationName: 'x' }],
    ['postgres://h/d?fallback_application_name=y', { applicationName: 'y' }],
    ['postgres://h/d?fallback_application_name=y&application_name=a@b', { applicationName: 'a@b' }],
    ['postgres://h/d?options=-c%20work_mem%3D8MB%20endpoint%3Dx', { options: '-c work_mem=8MB endpoint=x' }],
    ['postgres://h/d?sslmode=require&channel_binding=require', { sslMode: 'require', bindsChannel: true }],
    ['postgres://h/d?channel_binding=prefer', { bindsChannel: false, sslMode: undefined }],
    ['postgres://h/d?sslmode=verify-full&sslrootcert=system', { sslMode: 'verify-full', ca: undefined }],
    ['postgres://h/d?sslrootcert=system', { sslMode: 'verify-full', ca: undefined }],
    ['postgres://h/d?ssl=true', { sslMode: 'require' }],
    ['postgres://h/d?ssl=true&sslmode=verify-ca', { sslMode: 'verify-ca' }],
    ['postgres://h/d?ssl_min_protocol_version=TLSv1.3', { minTls: 'TLSv1.3' }],
    ['postgres://h/d?ssl_min_protocol_version=TLSv1', { minTls: 'TLSv1.2' }],
  ];
  for (const [text, expected] of cases) {
    const parsed = parseConnectionUri(text);
    assert.deepEqual({ ...parsed, ...expected }, parsed, text);
  }
});

test('parameters that ask for nothing more than is done in any case are taken', () => {
  const parameters = [
    'connect_timeout=10&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=1',
    'target_session_attrs=any&load_balance_hosts=random',
    'client_encoding=UTF8&gssencmode=disable&krbsrvname=x&sslcompression=0&sslsni=1&sslnegotiation=postgres',
    'target_session_attrs=primary&uselibpqcompat=true&replication=false&sslcertmode=allow',
  ];
  const plain = parseConnectionUri('postgres://u:p@h/d');
  for (const text of parameters) assert.deepEqual(parseConnectionUri(`postgres://u:p@h/d?${text}`), plain, text);
});

test('parameters that cannot be heeded are refused with what to do, without their values', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['target_session_attrs=standby', /read-write, primary, any .*Sluice writes/],
    ['target_session_attrs=prefer-standby', /Sluice writes/],
    ['client_encoding=LATIN1', /UTF-8/],
    ['gssencmode=require', /use TLS/],
    ['sslnegotiation=direct', /sslnegotiation=postgres/],
    ['hostaddr=10.0.0.1', /the address as the host/],
    ['passfile=/secret', /password into the URI/],
    ['service=secret', /what the service stands for/],
    ['sslpassword=secret', /take the password off/],
    ['sslcrl=/secret', /revoked/],
    ['require_auth=scram-sha-256', /verify-full/],
    ['requirepeer=secret', /cannot heed/],
    ['channel_binding=secret', /require, prefer, disable/],
    ['sslmode=disable&channel_binding=require', /it takes TLS/],
    ['sslmode=require&sslrootcert=system', /verify-full with sslrootcert=system/],
    ['ssl=secret', /ssl=true/],
    ['ssl_min_protocol_version=SSLv3', /TLSv1.2, TLSv1.3/],
    ['pool_size=secret', /"pool_size", which Sluice does not know/],
    ['constructor=secret', /"constructor"/],
    ['__proto__=secret', /a parameter, which/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseConnectionUri(`postgres://u:p@h/d?${text}`),
      (error) => error instanceof UriError && message.test(error.message) && !error.message.includes('secret'),
      text,
    );
  }
});

test('no piece of a password with unescaped characters is shown', () => {
  for (const password of [
    'pa?ssw0rd',
    'pa?ss&word',
    'pa?ss=word',
    'pa?word=x&y',
    '12/word',
    'pa/word',
    'pa?sslmode=word',
  ]) {
    const uri = `postgresql://u:${password}@host/db?sslmode=require`;
    assert.throws(
      () => parseConnectionUri(uri),
      (error) => error instanceof UriError && !/ss=?w0?o?rd|word|"/.test(error.message.replace('password', '')),
      uri,
    );
  }
  assert.throws(() => parseConnectionUri('postgres://u:pa?ssword@h/d'), /a \? in a password is written %3F/);
});

test('what it cannot mean is refused, without showing any of it', () => {
  const cases = [
    'postgres://h:99999/d',
    'postgres://h:x/d',
    'postgres://u:secret@h/d?sslmode=prefer',
    'postgres://h/d?sslmode=on',
    'postgres://h/d?secret=1&options=secret',
    'postgres://h/d?options',
    'postgres://h/d?sslcert=/secret',
    'postgres://u:secret%zz@h/d',
    'http://h',
  ];
  for (const text of cases) {
    assert.throws(
      () => parseConnectionUri(text),
      (error) => error instanceof UriError && !error.message.includes('secret"') === !text.includes('secret=1'),
      text,
    );
  }
});
