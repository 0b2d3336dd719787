import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeScope, literalDatabases, scopeIncludes, scopeOf } from './scope.ts';

test('one literal namespace is a collection stream', () => {
  assert.deepEqual(scopeOf(['shop.orders'], []), { level: 'collection', db: 'shop', coll: 'orders' });
  assert.deepEqual(scopeOf(['shop.a\\*'], []), { level: 'collection', db: 'shop', coll: 'a*' });
});

test('patterns within one literal database are a database stream', () => {
  for (const include of [['shop.*'], ['shop.a', 'shop.b'], ['shop.{a,b}']]) {
    const scope = scopeOf(include, ['crm.*', 'shop.log*']);
    assert.equal(scope.level, 'database');
    assert.equal(describeScope(scope), 'database shop');
    // Patterns of other databases say nothing here.
    assert.deepEqual(scope.level === 'database' && scope.exclude, [{ db: 'shop', coll: 'log*' }]);
  }
  assert.equal(scopeOf(['shop.orders'], ['shop.x']).level, 'database');
});

test('everything else is a stream of the deployment', () => {
  for (const include of [['*.*'], ['shop.a', 'crm.b'], ['sh*.a'], ['*.a']]) {
    assert.equal(scopeOf(include, []).level, 'deployment');
  }
});

test('what the patterns include', () => {
  const scope = scopeOf(['shop.*', 'crm.user*'], ['shop.log*']);
  assert.equal(scopeIncludes(scope, 'shop', 'orders'), true);
  assert.equal(scopeIncludes(scope, 'shop', 'logs.old'), false);
  assert.equal(scopeIncludes(scope, 'crm', 'users'), true);
  assert.equal(scopeIncludes(scope, 'crm', 'orders'), false);
});

test('system databases and our own are not part of everything', () => {
  const all = scopeOf(['*.*'], []);
  for (const db of ['admin', 'local', 'config', 'sluice']) assert.equal(scopeIncludes(all, db, 'x'), false, db);
  assert.equal(scopeIncludes(scopeOf(['*.*', 'sluice.x'], []), 'sluice', 'x'), true);
});

test('databases that are spelled out', () => {
  assert.deepEqual(literalDatabases(scopeOf(['shop.a', 'crm.*', 'shop.b'], [])), ['shop', 'crm']);
  assert.equal(literalDatabases(scopeOf(['*.a'], [])), undefined);
});
