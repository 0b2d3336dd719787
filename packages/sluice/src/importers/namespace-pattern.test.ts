import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globMatches, parseNamespacePattern } from '../connectors/mongodb/namespace-glob.ts';
import { namespacePattern, regexToPatterns } from './namespace-pattern.ts';

const REGEXES = [
  String.raw`shop\.orders`,
  'shop.orders',
  String.raw`^shop\..*$`,
  String.raw`sh.*\.orders`,
  String.raw`(shop|crm)\.(a|b.*)`,
  String.raw`shop\.order[sx]`,
  String.raw`shop\.o.ders`,
];
const DATABASES = ['shop', 'shopx', 'crm', 'sh'];
const COLLECTIONS = ['orders', 'orderx', 'a', 'b', 'bcd', 'a.orders', 'oXders', 'orders.x'];

test('patterns match the names that the regular expression matches', () => {
  for (const regex of REGEXES) {
    const globs = (regexToPatterns(regex) ?? assert.fail(regex)).flatMap((pattern) => parseNamespacePattern(pattern));
    for (const db of DATABASES) {
      for (const coll of COLLECTIONS) {
        const expected = new RegExp(`^(?:${regex})$`).test(`${db}.${coll}`);
        const matches = globs.some((glob) => globMatches(glob.db, db) && globMatches(glob.coll, coll));
        assert.equal(matches, expected, `${regex} on ${db}.${coll}`);
      }
    }
  }
});

test('what has no pattern is told', () => {
  for (const regex of [
    '',
    'shop',
    'shop.*',
    String.raw`shop\.\d+`,
    String.raw`a\.b|c\.d`,
    String.raw`shop\.a{2}`,
    '(?i)a.b',
  ]) {
    assert.equal(regexToPatterns(regex), undefined, regex);
  }
});

test('special characters of a name are escaped', () => {
  const [glob] = parseNamespacePattern(namespacePattern('shop', 'a{b}*[c]'));
  assert.ok(glob && globMatches(glob.coll, 'a{b}*[c]') && !globMatches(glob.coll, 'a{b}x[c]'));
});
