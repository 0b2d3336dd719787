import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GlobError,
  globMatches,
  globToRegex,
  isLiteral,
  literalText,
  parseNamespacePattern,
} from './namespace-glob.ts';

test('the first dot separates the database from the collection', () => {
  assert.deepEqual(parseNamespacePattern('shop.orders'), [{ db: 'shop', coll: 'orders' }]);
  assert.deepEqual(parseNamespacePattern('shop.orders.eu'), [{ db: 'shop', coll: 'orders.eu' }]);
  assert.deepEqual(parseNamespacePattern('*.*'), [{ db: '*', coll: '*' }]);
});

test('alternatives are written out, also nested and across the dot', () => {
  const texts = (pattern: string) => parseNamespacePattern(pattern).map(({ db, coll }) => `${db}|${coll}`);
  assert.deepEqual(texts('{shop,crm}.{orders,users*}'), ['shop|orders', 'shop|users*', 'crm|orders', 'crm|users*']);
  assert.deepEqual(texts('{shop.a,crm.b}'), ['shop|a', 'crm|b']);
  assert.deepEqual(texts('s.a{1,{2,3}}'), ['s|a1', 's|a2', 's|a3']);
  assert.deepEqual(texts('s.a{,_old}'), ['s|a', 's|a_old']);
  assert.deepEqual(texts('s.\\{a,b\\}'), ['s|\\{a,b\\}']);
});

const WRONG: readonly [pattern: string, message: RegExp][] = [
  ['shop', /names no collection/],
  ['shop.', /must be "database\.collection"/],
  ['.orders', /must be "database\.collection"/],
  ['shop.{a', /\{ without its \}/],
  ['shop.a}', /\} without its \{/],
  ['shop.[ab]', /uses "\["/],
  ['shop.!a', /uses "!"/],
  ['shop.a\\', /backslash/],
  ['my shop.a', /space/],
  [`shop.${'*a'.repeat(11)}`, /more than 10 stars/],
  [`shop.${'{a,b}'.repeat(30)}`, /more than 1000 alternatives/],
];

for (const [pattern, message] of WRONG) {
  test(`"${pattern.slice(0, 30)}" is refused with a reason`, () => {
    assert.throws(
      () => parseNamespacePattern(pattern),
      (error) => error instanceof GlobError && message.test(error.message),
    );
  });
}

/** Glob, matching texts, other texts. Also run on the server, in `namespace-filter.mongo.test.ts`. */
const MATCHES: readonly [glob: string, yes: readonly string[], no: readonly string[]][] = [
  ['orders', ['orders'], ['order', 'orderss', 'Orders', '']],
  ['*', ['orders', 'a.b.c', 'ä'], []],
  ['user*', ['user', 'users', 'user.archive'], ['auser', 'use']],
  ['*.archive', ['a.archive', 'a.b.archive', '.archive'], ['archive', 'a.archives']],
  ['a*b*c', ['abc', 'axxbxxc', 'abcbc', 'abbc'], ['ab', 'acb', 'abcd']],
  ['*ab*ab*', ['abab', 'xabxabx'], ['ab', 'aba', 'abxba']],
  ['a?c', ['abc', 'a.c', 'aäc', 'a😀c'], ['ac', 'abbc']],
  ['?*', ['a', 'ab'], ['']],
  ['a\\*', ['a*'], ['ab', 'a']],
  ['a+(b)$'.replaceAll('(', '\\(').replaceAll(')', '\\)'), ['a+(b)$'], ['aab']],
  ['**a**', ['a', 'bab'], ['b']],
  ['a*a', ['aa', 'aba'], ['a']],
];

for (const [glob, yes, no] of MATCHES) {
  test(`${glob} matches whole names`, () => {
    for (const text of yes) assert.equal(globMatches(glob, text), true, text);
    for (const text of no) assert.equal(globMatches(glob, text), false, text);
  });
}

test('literal patterns know their text', () => {
  assert.equal(isLiteral('a\\*b'), true);
  assert.equal(literalText('a\\*b'), 'a*b');
  assert.equal(isLiteral('a*'), false);
  assert.equal(isLiteral('a?'), false);
});

test('the parts between stars are atomic, so nothing is tried twice', () => {
  assert.equal(globToRegex('a*b*c'), 'a(?>.*?b).*c');
  assert.equal(globToRegex('a.b'), 'a\\.b');
  assert.equal(globToRegex('a?'), 'a.');
});

test('matching a hostile name takes no time', () => {
  const startedAtMs = performance.now();
  assert.equal(globMatches(`${'*a'.repeat(10)}*b`, 'a'.repeat(5_000)), false);
  // With parts that are tried twice it would be years.
  assert.ok(performance.now() - startedAtMs < 10_000);
});
