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
  ];
  for (const [text, expected] of cases) {
    const parsed = parseConnectionUri(text);
    assert.deepEqual({ ...parsed, ...expected }, parsed, text);
  }
});

test('what it cannot mean is refused, without showing any of it', () => {
  const cases = [
    'postgres://h:99999/d',
    'postgres://h:x/d',
    'postgres://u:secret@h/d?sslmode=prefer',
    'postgres://h/d?sslmode=on',
    'postgres://h/d?secret=1&options=secret',
    'postgres://h/d?sslcert=/secret',
    'postgres://u:secret%zz@h/d',
    'postgres://h/d?target_session_attrs=any',
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
