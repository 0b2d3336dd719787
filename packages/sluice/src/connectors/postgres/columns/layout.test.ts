import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ColumnType, scalarColumnType } from './column-types.ts';
import {
  type Column,
  type DriftRules,
  EMPTY_LAYOUT,
  planLayout,
  RESERVED_COLUMNS,
  type TableLayout,
  type WantedColumn,
  type WantedLayout,
} from './layout.ts';

const FOLLOW: DriftRules = { newField: 'add-column', typeChange: 'widen' };

function want(path: string, type: ColumnType, more: Partial<WantedColumn> = {}): WantedColumn {
  return { path, type, types: ['string'], listed: false, fixed: false, ...more };
}

function wanted(columns: readonly WantedColumn[], more: Partial<WantedLayout> = {}): WantedLayout {
  return { table: 'orders', columns, children: [], kept: [], drift: FOLLOW, most: 100, ...more };
}

function table(...columns: readonly Column[]): TableLayout {
  return { columns, children: [] };
}

test('a new table gets all columns, and nothing is to be done the next time', () => {
  const wish = wanted([want('status', 'text'), want('total', 'double precision')]);
  const plan = planLayout(undefined, wish);
  assert.deepEqual(plan.layout, {
    columns: [
      { name: 'status', path: 'status', type: 'text' },
      { name: 'total', path: 'total', type: 'double precision' },
    ],
    children: [],
  });
  assert.deepEqual(plan.steps, [
    { kind: 'add-column', child: undefined, column: { name: 'status', path: 'status', type: 'text' } },
    { kind: 'add-column', child: undefined, column: { name: 'total', path: 'total', type: 'double precision' } },
  ]);
  assert.deepEqual([plan.kept, plan.stop], [[], undefined]);
  const again = planLayout(plan.layout, wish);
  assert.deepEqual(again.layout, plan.layout);
  assert.deepEqual(again.steps, []);
});

test('columns are only added and widened: nobody loses one', () => {
  const current = table({ name: 'n', path: 'n', type: 'numeric' }, { name: 'gone', path: 'gone', type: 'uuid' });
  const plan = planLayout(current, wanted([want('n', 'bigint'), want('extra', 'text')]));
  assert.deepEqual(plan.layout.columns, [...current.columns, { name: 'extra', path: 'extra', type: 'text' }]);
  assert.equal(plan.steps.length, 1);
});

/** What becomes of a column when values of these types are known: its type then, and ` !` when some stay outside. */
function drifted(column: ColumnType, types: string, typeChange: DriftRules['typeChange']): string {
  const names = types.split(' ');
  const current = table({ name: 'n', path: 'n', type: column });
  const wish = want('n', scalarColumnType(names) ?? 'text', { types: names });
  const plan = planLayout(current, wanted([wish], { drift: { newField: 'add-column', typeChange } }));
  const [step] = plan.steps;
  if (step !== undefined) {
    assert.ok(step.kind === 'widen');
    const type = plan.layout.columns[0]?.type;
    assert.deepEqual([step.from, step.to, step.column.type], [column, type, type]);
  }
  const isKept = plan.kept.some(({ path, why }) => path === 'n' && why === 'type-change');
  return `${plan.layout.columns[0]?.type}${isKept ? ' !' : ''}${plan.stop === undefined ? '' : ' stop'}`;
}

/** By rule; ` !`: some values stay outside of the column. */
const DRIFT: readonly (readonly [column: ColumnType, types: string, widen: string, text: string, keep: string])[] = [
  ['bigint', 'int long', 'bigint', 'bigint', 'bigint'],
  ['bigint', 'int double', 'numeric', 'numeric', 'bigint !'],
  ['bigint', 'double', 'numeric', 'numeric', 'bigint !'],
  ['bigint', 'int decimal', 'numeric', 'numeric', 'bigint !'],
  ['bigint', 'int string', 'bigint !', 'text', 'bigint !'],
  ['bigint', 'int bool date', 'bigint !', 'text', 'bigint !'],
  ['bigint', 'int timestamp', 'bigint !', 'text', 'bigint !'],
  ['bigint', 'int string decimal', 'numeric !', 'text', 'bigint !'],
  ['bigint', 'string', 'bigint !', 'text', 'bigint !'],
  ['double precision', 'int', 'double precision', 'double precision', 'double precision'],
  ['double precision', 'int double', 'double precision', 'double precision', 'double precision'],
  ['double precision', 'int string', 'double precision !', 'text', 'double precision !'],
  ['double precision', 'long', 'numeric', 'numeric', 'double precision !'],
  ['double precision', 'double decimal', 'numeric', 'numeric', 'double precision !'],
  ['numeric', 'int double', 'numeric', 'numeric', 'numeric'],
  ['boolean', 'bool int', 'boolean !', 'text', 'boolean !'],
  ['timestamptz', 'date string', 'timestamptz !', 'text', 'timestamptz !'],
  ['uuid', 'binData', 'uuid', 'uuid', 'uuid'],
  ['uuid', 'binData string', 'uuid !', 'text', 'uuid !'],
  ['bytea', 'binData', 'bytea', 'bytea', 'bytea'],
  ['text', 'string int date timestamp', 'text', 'text', 'text'],
  ['jsonb', 'timestamp string', 'jsonb', 'jsonb', 'jsonb'],
];

test('a column is widened where its meaning stays; values of another kind stay in the document, or make it a text', () => {
  for (const [column, types, widen, text, keep] of DRIFT) {
    const where = `${column}, ${types}`;
    assert.equal(drifted(column, types, 'widen'), widen, where);
    assert.equal(drifted(column, types, 'text'), text, where);
    assert.equal(drifted(column, types, 'keep'), keep, where);
    const stops = keep.endsWith('!') ? ' ! stop' : '';
    assert.equal(drifted(column, types, 'stop'), `${column}${stops}`, where);
  }
});

test('a new column holds all kinds that were seen before it was made', () => {
  const plan = planLayout(undefined, wanted([want('n', 'text', { types: ['int', 'string'] })]));
  assert.equal(plan.layout.columns[0]?.type, 'text');
});

test('values that did not fit widen a column within its kind, whatever else came with them', () => {
  const misfit = want('id', 'text', { types: ['binData', 'string'], within: 'bytea' });
  for (const typeChange of ['widen', 'keep'] as const) {
    const plan = planLayout(CURRENT, wanted([misfit], { drift: { newField: 'add-column', typeChange } }));
    assert.equal(plan.layout.columns[1]?.type, 'bytea', typeChange);
    assert.deepEqual(
      plan.kept.map(({ path, why }) => `${path} ${why}`),
      ['id type-change'],
    );
  }
});

test('a type that is asked for by name widens the column, and never becomes another one', () => {
  const cases: readonly (readonly [column: ColumnType, listed: ColumnType, then: string])[] = [
    ['bigint', 'bigint', 'bigint'],
    ['bigint', 'numeric', 'numeric'],
    ['bigint', 'text', 'text'],
    ['bigint', 'jsonb', 'jsonb'],
    ['text', 'jsonb', 'jsonb'],
    ['uuid', 'bytea', 'bytea'],
    ['bigint', 'boolean', 'bigint listed-type'],
    ['bigint', 'double precision', 'bigint listed-type'],
    ['numeric', 'bigint', 'numeric listed-type'],
    ['text', 'bigint', 'text listed-type'],
    ['jsonb', 'text', 'jsonb listed-type'],
  ];
  for (const [column, listed, then] of cases) {
    for (const typeChange of ['widen', 'text', 'keep', 'stop'] as const) {
      const wish = want('n', listed, { listed: true, fixed: true, types: ['string', 'double'] });
      const current = table({ name: 'n', path: 'n', type: column });
      const plan = planLayout(current, wanted([wish], { drift: { newField: 'stop', typeChange } }));
      assert.equal(plan.stop, undefined);
      assert.equal([plan.layout.columns[0]?.type, ...plan.kept.map(({ why }) => why)].join(' '), then);
    }
  }
});

test('where nothing is known of the values, a column stays as it is', () => {
  for (const typeChange of ['widen', 'text', 'keep', 'stop'] as const) {
    const wish = want('a', 'text', { types: [], listed: true, isGuess: true });
    const plan = planLayout(CURRENT, wanted([wish], { drift: { newField: 'stop', typeChange } }));
    assert.deepEqual([plan.steps, plan.kept, plan.stop], [[], [], undefined]);
  }
});

test("a new column does not take the name of somebody else's, in the table and in child tables", () => {
  const takenColumns = new Map([
    ['orders', new Set(['_id', 'a', 'id', 'extra', 'extra_2', 'City'])],
    ['lines', new Set(['_parent', 'sku'])],
  ]);
  const children = [{ path: 'items', name: 'lines', columns: [want('sku', 'text')], most: 10 }];
  const columns = [
    want('a', 'bigint', { types: ['int'] }),
    want('extra', 'text'),
    want('city', 'text', { name: 'City' }),
    want('free', 'text'),
  ];
  const plan = planLayout(CURRENT, wanted(columns, { children, takenColumns }));
  assert.deepEqual(
    plan.layout.columns.map(({ name }) => name),
    ['a', 'id', 'extra_3', 'City_2', 'free'],
  );
  assert.equal(plan.layout.children[0]?.columns[0]?.name, 'sku_2');
  const own = new Map([['orders', new Set(plan.layout.columns.map(({ name }) => name))]]);
  assert.deepEqual(planLayout(plan.layout, wanted(columns, { children, takenColumns: own })).steps, []);
});

const CURRENT = table({ name: 'a', path: 'a', type: 'bigint' }, { name: 'id', path: 'id', type: 'uuid' });

test('new fields stay in the document when that is asked for, but listed ones get their column', () => {
  const drift: DriftRules = { newField: 'keep', typeChange: 'keep' };
  const wish = wanted([want('b', 'text'), want('c', 'text', { listed: true })], { drift });
  const plan = planLayout(CURRENT, wish);
  assert.deepEqual(plan.layout.columns.slice(2), [{ name: 'c', path: 'c', type: 'text' }]);
  assert.deepEqual(plan.kept, [{ path: 'b', types: ['string'], why: 'new-field' }]);
  assert.equal(plan.stop, undefined);
  assert.equal(planLayout(undefined, wish).layout.columns.length, 2, 'in a new table nothing is new');
});

test('new types stay in the document when that is asked for', () => {
  const drift: DriftRules = { newField: 'add-column', typeChange: 'keep' };
  const plan = planLayout(CURRENT, wanted([want('a', 'text')], { drift }));
  assert.deepEqual([plan.layout, plan.steps], [CURRENT, []]);
  assert.deepEqual(plan.kept, [{ path: 'a', types: ['string'], why: 'type-change' }]);
  const other = planLayout(CURRENT, wanted([want('a', 'text', { listed: true, fixed: true })], { drift }));
  assert.equal(other.steps.length, 1, 'another type in the settings is no change of the documents');
});

test('the pipeline stops only where that is asked for, and nothing is done then', () => {
  const drift: DriftRules = { newField: 'stop', typeChange: 'stop' };
  const field = planLayout(CURRENT, wanted([want('c', 'text', { listed: true }), want('b', 'text')], { drift }));
  assert.equal(field.stop?.code, 'postgres.new-field');
  assert.equal(field.stop.kind, 'config');
  assert.match(field.stop.message, /table orders.*`b` \(string\)/);
  assert.deepEqual([field.layout, field.steps], [CURRENT, []]);
  const type = planLayout(CURRENT, wanted([want('a', 'text')], { drift }));
  assert.equal(type.stop?.code, 'postgres.type-change');
  assert.match(type.stop.message, /`a`.*bigint.*string/);
  for (const none of [undefined, EMPTY_LAYOUT]) {
    assert.equal(planLayout(none, wanted([want('a', 'text')], { drift })).steps.length, 1);
  }
  assert.equal(planLayout(CURRENT, wanted([want('a', 'bigint')], { drift })).stop, undefined);
  const full = planLayout(CURRENT, wanted([want('b', 'text')], { drift, most: 2 }));
  assert.equal(full.stop, undefined, 'a field for which there was never room is not new');
});

test('binary data that is no UUID does not count as another type', () => {
  for (const typeChange of ['widen', 'keep', 'stop'] as const) {
    const plan = planLayout(CURRENT, wanted([want('id', 'bytea')], { drift: { newField: 'stop', typeChange } }));
    assert.deepEqual(plan.steps, [
      { kind: 'widen', child: undefined, column: { name: 'id', path: 'id', type: 'bytea' }, from: 'uuid', to: 'bytea' },
    ]);
  }
});

test('where there is no room for all columns, those that were asked for by name come first', () => {
  const wish = [want('a', 'text'), want('b', 'text'), want('c', 'text', { listed: true })];
  const plan = planLayout(undefined, wanted(wish, { most: 2 }));
  assert.deepEqual(
    plan.layout.columns.map(({ name }) => name),
    ['c', 'a'],
  );
  assert.deepEqual(plan.kept, [{ path: 'b', types: ['string'], why: 'most' }]);
  const later = planLayout(plan.layout, wanted([...wish, want('d', 'text', { listed: true })], { most: 1 }));
  assert.deepEqual(later.layout, plan.layout, 'a smaller limit takes nothing away');
});

test('names are unique, not those of other columns, and stay as they were', () => {
  const long = 'x'.repeat(70);
  const paths = ['document', 'ctid', '_ts', 'a.b', 'a_b', 'A_b', '""', long, `${long}y`, 'back\\.slash', '_id'];
  const wish = paths.map((path) => want(path, 'text'));
  const { layout } = planLayout(undefined, wanted(wish));
  const names = layout.columns.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 7), ['document_2', 'ctid_2', '_ts_2', 'a_b', 'a_b_2', 'A_b', '_']);
  assert.deepEqual(names.slice(9), ['back.slash', '_id_2']);
  assert.equal(new Set(names).size, paths.length);
  assert.ok(names.every((name) => !RESERVED_COLUMNS.has(name) && Buffer.byteLength(name) <= 63));
  const other = planLayout(layout, wanted([want('A.b', 'text'), ...wish.toReversed()]));
  assert.deepEqual(other.layout.columns.slice(0, -1), layout.columns, 'the order in which they are wanted is nothing');
  assert.equal(other.layout.columns.at(-1)?.name, 'A_b_2');
});

test('a listed name counts when the column is made', () => {
  const named = want('address.city', 'text', { listed: true, name: 'city' });
  const { layout } = planLayout(undefined, wanted([want('city', 'text'), named]));
  assert.deepEqual(
    layout.columns.map(({ name, path }) => `${path}=${name}`),
    ['address.city=city', 'city=city_2'],
  );
  const renamed = planLayout(layout, wanted([{ ...named, name: 'town' }]));
  assert.deepEqual(renamed.steps, []);
});

test('child tables are made with their columns, called after their array, and follow it', () => {
  const items = { path: 'cart.items', columns: [want('sku', 'text')], most: 2 };
  const first = planLayout(
    undefined,
    wanted([want('status', 'text')], { children: [items] }),
    (name) => name === 'orders_cart_items',
  );
  const made = {
    name: 'orders_cart_items_2',
    path: 'cart.items',
    columns: [{ name: 'sku', path: 'sku', type: 'text' }],
  };
  assert.deepEqual(first.layout.children, [made]);
  assert.deepEqual(first.steps[1], { kind: 'add-child-table', table: made });
  const sku = want('sku', 'jsonb', { listed: true, fixed: true });
  const columns = [sku, want('price.amount', 'numeric'), want('more', 'text')];
  const next = planLayout(first.layout, wanted([], { children: [{ ...items, columns }] }));
  assert.deepEqual(next.steps, [
    { kind: 'widen', child: made.name, column: { name: 'sku', path: 'sku', type: 'jsonb' }, from: 'text', to: 'jsonb' },
    {
      kind: 'add-column',
      child: made.name,
      column: { name: 'price_amount', path: 'price.amount', type: 'numeric' },
    },
  ]);
  assert.deepEqual(next.kept, [{ path: 'cart.items[].more', types: ['string'], why: 'most' }]);
  assert.deepEqual(planLayout(next.layout, wanted([])).layout, next.layout, 'one that nobody wants stays');
});

test('a child table that is asked for later is no change of the documents, new fields in it are', () => {
  const drift: DriftRules = { newField: 'stop', typeChange: 'stop' };
  const children = [{ path: 'items', name: 'lines', columns: [want('sku', 'text')], most: 10 }];
  const plan = planLayout(EMPTY_LAYOUT, wanted([], { drift, children }));
  assert.equal(plan.stop, undefined);
  assert.equal(plan.layout.children[0]?.name, 'lines');
  const columns = [want('sku', 'text'), want('price', 'text')];
  const later = planLayout(plan.layout, wanted([], { drift, children: [{ path: 'items', columns, most: 10 }] }));
  assert.match(later.stop?.message ?? '', /`items\[\]\.price`/);
});
