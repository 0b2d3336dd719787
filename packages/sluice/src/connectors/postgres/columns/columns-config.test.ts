import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { columnsConfig } from './columns-config.ts';

const schema = z.strictObject(columnsConfig);

test('without settings the top-level fields that are seen get columns', () => {
  assert.deepEqual(schema.parse({}), {
    columns: { from: 'learned', depth: 1, most: 200, list: [], exclude: [], collections: [] },
    childTables: [],
    drift: { newField: 'add-column', typeChange: 'widen' },
  });
});

test('columns, child tables and exceptions can be asked for', () => {
  const given = {
    columns: {
      from: 'listed',
      list: [{ path: 'address.city', name: 'City', type: 'text' }, { path: 'a\\.b' }],
      collections: [{ collection: 'shop.orders', depth: 3 }],
    },
    childTables: [{ collection: 'shop.*', path: 'cart.items', table: 'lines', list: [{ path: 'sku' }] }],
  };
  const parsed = schema.parse(given);
  assert.deepEqual(parsed.columns.list, given.columns.list);
  assert.deepEqual(parsed.childTables, given.childTables);
});

test('what is done about values of another type can be chosen', () => {
  for (const typeChange of ['widen', 'text', 'keep', 'stop']) {
    assert.equal(schema.parse({ drift: { typeChange } }).drift.typeChange, typeChange);
  }
});

const WRONG: readonly (readonly [settings: unknown, message: RegExp])[] = [
  [{ columns: { list: [{ path: '' }] } }, /names with dots/],
  [{ columns: { list: [{ path: 'a..b' }] } }, /names with dots/],
  [{ columns: { list: [{ path: '.a' }] } }, /names with dots/],
  [{ columns: { list: [{ path: 'a.' }] } }, /names with dots/],
  [{ columns: { list: [{ path: 'items[].sku' }] } }, /not into an array/],
  [{ columns: { list: [{ path: 'items[0]' }] } }, /names with dots/],
  [{ columns: { list: [{ path: 'a' }, { path: 'a', name: 'b' }] } }, /a field twice/],
  [
    {
      columns: {
        list: [
          { path: 'a', name: 'x' },
          { path: 'b', name: 'x' },
        ],
      },
    },
    /the same name/,
  ],
  [{ columns: { list: [{ path: 'a', name: '_ts' }] } }, /every table has/],
  [{ columns: { list: [{ path: 'a', name: 'é'.repeat(32) }] } }, /at most 63 bytes/],
  [{ columns: { list: [{ path: 'a', type: 'integer' }] } }, /Invalid option/],
  [{ columns: { from: 'none', list: [{ path: 'a' }] } }, /from: listed/],
  [{ columns: { most: 301 } }, /from 0 to 300/],
  [{ columns: { depth: 0 } }, /from 1 to 10/],
  [{ columns: { collections: [{ collection: 'orders' }] } }, /database\.collection/],
  [
    {
      childTables: [
        { collection: 'a.b', path: 'x' },
        { collection: 'a.b', path: 'x' },
      ],
    },
    /an array twice/,
  ],
  [{ drift: { newField: 'ignore' } }, /Invalid option/],
  [{ drift: { typeChange: 'jsonb' } }, /Invalid option/],
];

test('settings that mean nothing are refused with a reason', () => {
  for (const [settings, message] of WRONG) {
    const result = schema.safeParse(settings);
    assert.match(
      result.error?.issues.map((issue) => issue.message).join('; ') ?? 'accepted',
      message,
      JSON.stringify(settings),
    );
  }
});
