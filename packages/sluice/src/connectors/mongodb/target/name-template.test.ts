import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mongodbSinkConfig } from './config.ts';
import { isNameTemplate, TargetNames } from './name-template.ts';

test('placeholders are replaced, also by names that look like some', () => {
  const names = new TargetNames({ database: 'copy_{db}', collection: '{db}.{coll}' });
  assert.deepEqual(names.of({ db: 'shop', coll: 'orders' }), {
    db: 'copy_shop',
    coll: 'shop.orders',
    name: 'copy_shop.shop.orders',
  });
  assert.equal(names.of({ db: '{coll}', coll: '$&' }).coll, '{coll}.$&');
  assert.deepEqual(names.of({ db: 'shop', coll: '' }), { db: 'copy_shop', coll: '', name: 'copy_shop' });
});

test('only names with known placeholders are templates', () => {
  for (const text of ['a', '{db}', '{coll}-{db}']) assert.ok(isNameTemplate(text), text);
  for (const text of ['', '{op}', 'a{', '$a', 'a\0']) assert.ok(!isNameTemplate(text), text);
});

test('`checkpoint: target` is another way to say exactly-once', () => {
  const uri = 'mongodb://localhost';
  assert.equal(mongodbSinkConfig.parse({ uri }).delivery, 'at-least-once');
  assert.equal(mongodbSinkConfig.parse({ uri, checkpoint: 'target' }).delivery, 'exactly-once');
  assert.equal(mongodbSinkConfig.parse({ uri, delivery: 'exactly-once' }).checkpoint, 'store');
});
