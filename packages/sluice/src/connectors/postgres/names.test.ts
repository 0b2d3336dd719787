import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Envelope } from '../../core/envelope.ts';
import { isNameTemplate, quoteName, quotePath, schemaName, TargetNames } from './names.ts';
import { event } from './sink-fixture.ts';

test('names are quoted whatever they hold', () => {
  assert.equal(quoteName('plain'), '"plain"');
  assert.equal(quoteName('a"; drop table b; --'), '"a""; drop table b; --"');
  assert.equal(quotePath('s', 'a.b'), '"s"."a.b"');
});

test('a template is a name in which {db} and {coll} are replaced', () => {
  for (const text of ['{db}', '{coll}', 'copy_{db}_{coll}', 'fixed']) assert.ok(isNameTemplate(text), text);
  for (const text of ['', '{database}', 'a{', 'a\0']) assert.ok(!isNameTemplate(text), JSON.stringify(text));
  const names = new TargetNames({ schema: 'from_{db}', table: '{coll}_v1' });
  assert.deepEqual(names.of({ db: 'shop', coll: 'orders' }), { schema: 'from_shop', table: 'orders_v1' });
});

test('schemas get names that the server allows', () => {
  assert.equal(schemaName('shop'), 'shop');
  assert.equal(schemaName('pg_shop'), '_pg_shop');
  assert.equal(schemaName('PG_shop'), '_PG_shop');
  assert.equal(schemaName('information_schema'), '_information_schema');
  assert.ok(Buffer.byteLength(schemaName('ü'.repeat(60))) <= 63);
});

test('the new name of a collection is known unless a transform has given the old one another name', () => {
  const names = new TargetNames({ schema: '{db}', table: '{coll}' });
  const of = (namespace: Envelope['namespace'], db = 'shop') =>
    names.other({ event: event({ coll: 'old' }), namespace }, { db, coll: 'new' });
  assert.deepEqual(of({ db: 'shop', coll: 'old' }), { db: 'shop', coll: 'new' });
  assert.deepEqual(of({ db: 'shop', coll: 'old' }, 'archive'), { db: 'archive', coll: 'new' });
  assert.deepEqual(of({ db: 'copy', coll: 'old' }), { db: 'copy', coll: 'new' });
  assert.equal(of({ db: 'shop', coll: 'renamed' }), undefined);
  assert.equal(of({ db: 'copy', coll: 'old' }, 'archive'), undefined);
});
