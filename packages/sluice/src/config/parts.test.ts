import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, parseListenAddress } from './listen-address.ts';
import { formatPath } from './problem.ts';
import { literalPassword, literalSecret, resolveReferences } from './references.ts';
import { editDistance, nearest } from './suggest.ts';

test('the nearest word is suggested, a far one is not', () => {
  const words = ['brokers', 'topic', 'compression'];
  assert.equal(nearest('brokerz', words), 'brokers');
  assert.equal(nearest('borkers', words), 'brokers');
  assert.equal(nearest('Topic', words), 'topic');
  assert.equal(nearest('x', words), undefined);
  assert.equal(nearest('partitions', words), undefined);
  assert.equal(editDistance('kitten', 'sitting', 9), 3);
  assert.equal(editDistance('ab', 'ba', 9), 1);
  assert.equal(editDistance('short', 'a'.repeat(100_000), 3), 3);
});

const sources = { env: { A: 'x', NESTED: '${env:A}', EMPTY: '' }, readFile: (path: string) => `${path}\r\n` };
const resolve = (text: string) => resolveReferences(text, sources).text;

test('references are replaced once, anywhere in a text', () => {
  assert.equal(resolve('a${env:A}b${file:/f}c'), 'axb/fc');
  assert.equal(resolve('${env:NESTED}'), '${env:A}', 'what comes in is not looked at again');
  assert.equal(resolve('${env:NOPE:-d:-e}'), 'd:-e');
  assert.equal(resolve('${env:EMPTY:-d}'), 'd');
  assert.equal(resolve('${env:NOPE:-}'), '');
  assert.equal(resolve('$${env:A} $x $'), '${env:A} $x $');
  assert.deepEqual(resolveReferences('${env:A}-${env:A}', sources).values, ['x', 'x']);
  for (const wrong of ['${env:}', '${env:1A}', '${file:}', '${x:y}', '${}', '${env:A']) {
    assert.throws(() => resolve(wrong), { code: 'config.reference' }, wrong);
  }
});

test('secrets must be one reference without a default', () => {
  assert.equal(literalSecret('${env:A}'), undefined);
  assert.equal(literalSecret('${file:/run/secrets/a}'), undefined);
  for (const text of ['x', 'x${env:A}', '${env:A}x', '${env:A:-x}', '$${env:A}']) assert.ok(literalSecret(text), text);
});

test('a connection string may hold a password by reference only', () => {
  for (const fine of [
    'mongodb://h',
    'mongodb://u@h',
    'mongodb://u:${env:P}@h',
    'mongodb://${env:U}:${file:p}@h',
    'mongodb://h/?tlsCertificateKeyFilePassword=${env:P}',
    '${env:URI}',
  ]) {
    assert.equal(literalPassword(fine), undefined, fine);
  }
  for (const refused of ['mongodb://u:p@h', 'mongodb://u:x${env:P}@h', 'mongodb://u:p@a@h', 'mongodb://u:p/x@h']) {
    assert.ok(literalPassword(refused), refused);
  }
});

test('addresses', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 });
  assert.deepEqual(parseListenAddress('[::1]:0'), { host: '::1', port: 0 });
  for (const wrong of ['', ':80', 'h', 'h:', 'h:65536', '::1:80', '[x]:80', 'h:80/', 'a b:1']) {
    assert.equal(parseListenAddress(wrong), undefined, wrong);
  }
  for (const own of ['127.0.0.1', '127.9.9.9', 'localhost', '::1']) assert.ok(isLoopback(own), own);
  for (const open of ['0.0.0.0', '::', '0', '127.1', '2130706433', '0x7f.1', '127.0.0.1.nip.io', '::ffff:0.0.0.0']) {
    assert.ok(!isLoopback(open), open);
  }
});

test('paths', () => {
  assert.equal(formatPath(['pipelines', 'a-b', 'include', 0]), 'pipelines.a-b.include[0]');
  assert.equal(formatPath(['a b', 'c.d']), '["a b"]["c.d"]');
  assert.equal(formatPath([]), '');
});
