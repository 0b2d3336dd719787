import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { redactUri, Secret } from './secret.ts';

test('a secret prints as *** however it is printed', () => {
  const secret = new Secret('canary');
  const printed = [
    String(secret),
    secret.toString(),
    ['', secret].join(),
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
    format('%s %o %O %j', secret, secret, secret, secret),
    Object.values(secret).join(),
  ].join('\n');
  assert.doesNotMatch(printed, /canary/);
  assert.match(printed, /\*\*\*/);
  assert.equal(secret.reveal(), 'canary');
});

test('user info of URIs is masked, hosts stay', () => {
  assert.equal(redactUri('mongodb://u:canary@h1:1,h2:2/db?w=1'), 'mongodb://***@h1:1,h2:2/db?w=1');
  assert.equal(redactUri('mongodb+srv://canary@h/'), 'mongodb+srv://***@h/');
  assert.equal(redactUri('no answer from mongodb://h1,h2/'), 'no answer from mongodb://h1,h2/');
  assert.equal(redactUri('"amqp://a:b@h", "http://c:d@i"'), '"amqp://***@h", "http://***@i"');
});

test('passwords with characters that should have been escaped are masked too', () => {
  for (const password of ['can@ary', 'can/ary', 'can?ary', 'can:ary', 'can#ary', 'can&ary', 'ca%40nary']) {
    assert.equal(redactUri(`mongodb://u:${password}@host/db`), 'mongodb://***@host/db', password);
  }
});

test('query parameters that hold secrets are masked', () => {
  const uri = 'mongodb://h/?tlsCertificateKeyFilePassword=canary&authMechanismProperties=AWS_SESSION_TOKEN:canary&w=1';
  assert.equal(redactUri(uri), 'mongodb://h/?tlsCertificateKeyFilePassword=***&authMechanismProperties=***&w=1');
});
