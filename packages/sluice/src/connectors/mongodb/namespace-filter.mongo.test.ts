import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Document } from 'mongodb';
import { testMongo } from '../../testing/servers/mongo.ts';
import { namespaceFilter } from './namespace-filter.ts';
import { scopeIncludes, scopeOf } from './scope.ts';
import { StreamFixture } from './stream-fixture.ts';

/*
 * The filter as the server evaluates it, over made-up events in a collection: fast, and any name can be tried.
 */

let fixture: StreamFixture;
before(async () => void (fixture = await StreamFixture.open(await testMongo())));
after(() => fixture[Symbol.asyncDispose]());

async function passing(include: string[], exclude: string[], events: readonly Document[]): Promise<Document[]> {
  const scope = scopeOf(include, exclude);
  const filter = namespaceFilter(scope);
  const stages = [{ $documents: { $literal: events } }, ...(filter === undefined ? [] : [filter])];
  return fixture.db.aggregate(stages, { readConcern: { level: 'local' } }).toArray();
}

const NAMES: readonly [db: string, coll: string][] = [
  ['shop', 'orders'],
  ['shop', 'Orders'],
  ['shop', 'orders.eu'],
  ['shop', 'users'],
  ['shop', 'user'],
  ['shop', 'a*b'],
  ['shop', 'a+(b)|c'],
  ['shop', 'line\nfeed'],
  ['shop', 'line\n'],
  ['shop', 'ünï😀'],
  ['shop', '$cmd.x'],
  ['shop2', 'orders'],
  ['crm', 'orders'],
  ['crm', 'log.2026'],
  ['sluice', 'checkpoints'],
];

const SELECTIONS: readonly [include: string[], exclude: string[]][] = [
  [['*.*'], []],
  [['*.*'], ['crm.log*', 'shop.Orders']],
  [['shop.*'], ['shop.user?']],
  [['shop.{orders,users}'], []],
  [['shop.orders*', 'crm.orders'], ['*.orders.eu']],
  [['sh?p.*', 'sluice.checkpoints'], []],
  [['*.a\\*b', '*.a+\\(b\\)|c'], []],
  [['*.line?'], []],
  [['*.line', 'x.y'], []],
  [['*.?nï?', 'shop*.line*feed'], []],
  [['shop.$cmd.*', '*.u*s*r*'], []],
  [['*.*o*d*r*'], ['shop.*']],
];

for (const [include, exclude] of SELECTIONS) {
  test(`${include.join(' ')} without ${exclude.join(' ') || 'anything'}: the server agrees with the patterns`, async () => {
    const scope = scopeOf(include, exclude);
    // On the level of a database the stream itself shows no other.
    const names = scope.level === 'database' ? NAMES.filter(([db]) => db === scope.db) : NAMES;
    const events = names.map(([db, coll]) => ({ operationType: 'insert', ns: { db, coll } }));
    const passed = await passing(include, exclude, events);
    const expected = names.filter(([db, coll]) => scopeIncludes(scope, db, coll));
    assert.deepEqual(
      passed.map(({ ns }) => [ns.db, ns.coll]),
      expected,
    );
    assert.ok(expected.length < names.length || include[0] === '*.*');
  });
}

test('renames into and out of the scope pass, others do not', async () => {
  const rename = (from: string, to: string) => {
    const [db, coll] = from.split('.');
    const [toDb, toColl] = to.split('.');
    return { operationType: 'rename', ns: { db, coll }, to: { db: toDb, coll: toColl } };
  };
  const events = [rename('shop.orders', 'shop.x'), rename('shop.x', 'shop.orders'), rename('shop.x', 'shop.y')];
  for (const include of [
    ['shop.orders', 'shop.orders2'],
    ['shop.orders', 'crm.orders'],
  ]) {
    assert.deepEqual(await passing(include, [], events), events.slice(0, 2), include.join());
  }
});

test('a dropped database passes when the patterns reach into it', async () => {
  const drop = (db: string) => ({ operationType: 'dropDatabase', ns: { db } });
  const events = [drop('shop'), drop('crm'), drop('log')];
  assert.deepEqual(await passing(['shop.a', 'crm.b*'], [], events), [drop('shop'), drop('crm')]);
  assert.deepEqual(await passing(['*.*'], ['crm.*', 'log.x'], events), [drop('shop'), drop('log')]);
  assert.deepEqual(await passing(['shop.a', 'shop.b'], [], [drop('shop')]), [drop('shop')]);
});

test('invalidate passes a filter on the level of a database', async () => {
  const invalidate = { operationType: 'invalidate' };
  assert.deepEqual(await passing(['shop.a', 'shop.b'], [], [invalidate]), [invalidate]);
});

test('a hostile name does not hold up the server', async () => {
  // With its last letter somewhere else, as the server looks for that first. Parts tried twice would take about 10 s.
  const coll = `b${'a'.repeat(200)}`;
  const events = Array.from({ length: 2_000 }, () => ({ operationType: 'insert', ns: { db: 'shop', coll } }));
  const startedAtMs = performance.now();
  assert.deepEqual(await passing([`shop.${'*a'.repeat(9)}*b`, 'crm.x'], [], events), []);
  assert.ok(performance.now() - startedAtMs < 5_000);
});
