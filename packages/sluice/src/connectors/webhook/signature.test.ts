import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { batchId, parseSigningKey, type SigningKey, signatures, webhookId } from './signature.ts';

/** The worked example of the reference libraries of Standard Webhooks. */
const EXAMPLE = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: 1614265330,
  body: Buffer.from('{"test": 2432232314}'),
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

const keyOf = (text: string) => parseSigningKey(text) as SigningKey;

test('a message is signed as in the published example', () => {
  assert.equal(signatures(EXAMPLE, [keyOf(EXAMPLE.secret)]), EXAMPLE.signature);
});

test('every key gives a signature, and an ed25519 one can be verified with the public key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const both = Buffer.concat([seed, publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  for (const bytes of [seed, both]) {
    const key = keyOf(`whsk_${bytes.toString('base64')}`);
    const [first, second = ''] = signatures(EXAMPLE, [keyOf(EXAMPLE.secret), key]).split(' ');
    assert.equal(first, EXAMPLE.signature);
    assert.match(second, /^v1a,/);
    const text = Buffer.concat([Buffer.from(`${EXAMPLE.id}.${EXAMPLE.timestamp}.`), EXAMPLE.body]);
    assert.ok(verify(null, text, publicKey, Buffer.from(second.slice('v1a,'.length), 'base64')));
  }
});

test('what is no key of the standard is refused', () => {
  const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');
  for (const good of [`whsec_${base64(24)}`, `whsec_${base64(64)}`, `whsk_${base64(32)}`, `whsk_${base64(64)}`]) {
    assert.ok(parseSigningKey(good), good);
  }
  const bad = [
    '',
    'whsec_',
    base64(32),
    `whsec_${base64(23)}`,
    `whsec_${base64(65)}`,
    'whsec_a b',
    `whsk_${base64(31)}`,
  ];
  for (const text of bad) assert.equal(parseSigningKey(text), undefined, text);
});

test('ids hold no dots, stay the same, and stay different', () => {
  assert.equal(webhookId('orders_', '8263f0'), 'orders_8263f0');
  const odd = ['a.b', 'a_b', 'topic/0/1', 'x'.repeat(300), ''];
  const ids = odd.map((id) => webhookId('p_', id));
  assert.deepEqual(
    ids,
    odd.map((id) => webhookId('p_', id)),
  );
  assert.equal(new Set(ids).size, odd.length);
  for (const id of [...ids, batchId(ids)]) assert.match(id, /^[A-Za-z0-9_-]{1,200}$/);
});
