import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IndexNames, indexName, indexTemplateProblem } from './index-name.ts';

const USUAL = '{db}.{coll}';

/** What Elasticsearch's `MetadataCreateIndexService.validateIndexOrAliasName` refuses, and the start that newer versions do. */
function isLegal(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || Buffer.byteLength(name) > 255) return false;
  return !/[\\/*?"<>| ,#:]/.test(name) && !/^[-_+.]/.test(name) && name === name.toLowerCase();
}

test('legal names stay as they are, in lower case', () => {
  assert.equal(indexName(USUAL, { db: 'shop', coll: 'orders' }), 'shop.orders');
  assert.equal(indexName(USUAL, { db: 'Shop', coll: 'customerOrders' }), 'shop.customerorders');
  assert.equal(indexName(USUAL, { db: 'shop', coll: 'bücher.日本' }), 'shop.bücher.日本');
  assert.equal(indexName('all-{db}', { db: 'shop', coll: 'orders' }), 'all-shop');
});

test('whatever a collection is called, its index has a legal name of its own', () => {
  const collections = [
    'a b',
    'a_b',
    'a/b',
    'a\\b',
    'a*b',
    'a?b',
    'a"b',
    'a<b',
    'a>b',
    'a|b',
    'a,b',
    'a#b',
    'a:b',
    'a\u00a0b',
    'a\tb',
    '_a',
    '-a',
    '+a',
    '.a',
    '..',
    '.',
    '__',
    '*',
    'a\u0001',
    'x'.repeat(300),
    `${'x'.repeat(299)}y`,
    '日'.repeat(100),
    `${'日'.repeat(99)}本`,
    '\ud800',
    'a B',
    'a b ',
    '😀'.repeat(80),
  ];
  for (const template of [USUAL, '{coll}', 'cdc-{coll}-{db}']) {
    const names = collections.map((coll) => indexName(template, { db: 'shop', coll }));
    for (const [at, name] of names.entries()) assert.ok(isLegal(name), `${collections[at]} gives ${name}`);
    assert.equal(new Set(names).size, collections.length);
  }
});

test('a changed name shows where it comes from, and is always the same', () => {
  assert.equal(indexName(USUAL, { db: 'shop', coll: 'new orders' }), 'shop.new_orders-7597f9ef');
  assert.match(indexName('{coll}', { db: 'shop', coll: '_private' }), /^private-[0-9a-f]{8}$/);
  const long = indexName(USUAL, { db: 'shop', coll: '日'.repeat(100) });
  assert.match(long, /^shop\.日{80}-[0-9a-f]{8}$/);
});

test('templates that cannot give names of indexes are told apart from those that can', () => {
  const wrong = [
    '',
    '{db}.{collection}',
    'Shop-{coll}',
    'a b',
    '_x{coll}',
    '-{coll}',
    '.{coll}',
    '{db}/{coll}',
    'x'.repeat(128),
  ];
  for (const template of wrong) assert.notEqual(indexTemplateProblem(template), undefined, template);
  for (const template of [USUAL, '{coll}', 'one', 'cdc-{db}']) assert.equal(indexTemplateProblem(template), undefined);
});

test('names are remembered by collection', () => {
  const names = new IndexNames(USUAL);
  const orders = { db: 'shop', coll: 'new orders' };
  assert.equal(names.of(orders), indexName(USUAL, orders));
  assert.equal(names.of(orders), names.of({ ...orders }));
});
