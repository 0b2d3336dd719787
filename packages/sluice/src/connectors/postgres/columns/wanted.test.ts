import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { LearnedField } from '../../../core/learned-fields.ts';
import { columnsConfig } from './columns-config.ts';
import type { WantedColumn } from './layout.ts';
import type { Misfit } from './misfits.ts';
import { wantedLayout } from './wanted.ts';

const schema = z.strictObject(columnsConfig);
const namespace = { db: 'shop', coll: 'orders' };

function fields(types: Readonly<Record<string, string>>): readonly LearnedField[] {
  return Object.entries(types)
    .map(([path, names]) => ({ path, types: names.split(' ') }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const ORDERS = fields({
  _id: 'objectId',
  address: 'object',
  'address.city': 'string',
  'address.geo': 'object null',
  'address.geo.lat': 'double',
  'address.secret': 'string',
  byDay: 'object',
  'byDay.*': 'int',
  extra: 'object string',
  items: 'array',
  'items[]': 'object',
  'items[].price': 'int double',
  'items[].sku': 'string',
  'items[].tags': 'array',
  'items[].tags[]': 'string',
  'items[].unit': 'object',
  'items[].unit.name': 'string',
  nothing: 'null',
  status: 'string null',
  total: 'int double',
});

interface Given {
  readonly learned?: readonly LearnedField[];
  readonly validator?: readonly LearnedField[];
  readonly misfits?: readonly Misfit[];
}

function wantedOf(settings: unknown, { learned, ...rest }: Given = { learned: ORDERS }) {
  const known = learned === undefined ? undefined : { fields: learned };
  return wantedLayout({ table: 'orders', namespace, config: schema.parse(settings), learned: known, ...rest });
}

function shown(columns: readonly WantedColumn[] = []): string {
  return columns.map(({ path, type }) => `${path} ${type}`).join(', ');
}

test('the scalars that were seen at the top get columns', () => {
  const wanted = wantedOf({});
  assert.equal(shown(wanted.columns), 'extra text, status text, total double precision');
  assert.deepEqual(
    wanted.kept.map(({ path, why }) => `${path} ${why}`),
    ['address container', 'byDay container', 'items container'],
  );
  assert.deepEqual(wanted.columns[1], {
    path: 'status',
    type: 'text',
    types: ['string', 'null'],
    listed: false,
    fixed: false,
  });
  assert.deepEqual([wanted.table, wanted.most, wanted.children], ['orders', 200, []]);
});

test('embedded documents are taken apart as deep as is asked for, maps and arrays never', () => {
  const two = wantedOf({ columns: { depth: 2 } });
  const top = 'extra text, status text, total double precision';
  assert.equal(shown(two.columns), `${top}, address.city text, address.secret text`);
  assert.deepEqual(
    two.kept.map(({ path, why }) => `${path} ${why}`),
    ['items container', 'address.geo container', 'byDay.* map'],
  );
  const three = wantedOf({ columns: { depth: 3 } });
  assert.ok(shown(three.columns).endsWith('address.geo.lat double precision'));
});

test('excluded fields get no columns, nor does what is below them', () => {
  const { columns, kept } = wantedOf({ columns: { depth: 3, exclude: ['*.secret', 'address.g?o', 'tot*'] } });
  assert.equal(shown(columns), 'extra text, status text, address.city text');
  assert.deepEqual(
    kept.filter(({ why }) => why === 'excluded').map(({ path }) => path),
    ['total', 'address.geo', 'address.secret', 'address.geo.lat'],
  );
});

test('listed columns come first, with their names and types, or with those that were seen', () => {
  const list = [
    { path: 'address.geo.lat', name: 'lat' },
    { path: 'total', type: 'numeric' },
    { path: 'items' },
    { path: 'later' },
    { path: 'nothing' },
  ];
  const wanted = wantedOf({ columns: { list, exclude: ['total'] } });
  assert.equal(
    shown(wanted.columns),
    'address.geo.lat double precision, total numeric, items jsonb, extra text, status text',
  );
  assert.deepEqual(
    wanted.columns.slice(0, 4).map(({ name, listed, fixed }) => [name, listed, fixed]),
    [
      ['lat', true, false],
      [undefined, true, true],
      [undefined, true, false],
      [undefined, false, false],
    ],
  );
  assert.deepEqual(
    wanted.kept.filter(({ why }) => why === 'unseen').map(({ path }) => path),
    ['later', 'nothing'],
  );
  assert.equal(shown(wantedOf({ columns: { from: 'listed', list } }).columns), shown(wanted.columns.slice(0, 3)));
});

test('where nothing is learned, listed columns without a type are made as texts, and are what they are once made', () => {
  const listed = (misfits: readonly Misfit[] = []) =>
    wantedOf({ columns: { list: [{ path: 'a' }] } }, { misfits }).columns[0];
  assert.deepEqual([listed()?.type, listed()?.isGuess], ['text', true]);
  const met = listed([
    { child: undefined, path: 'a', types: ['double'], count: 1, wants: 'numeric', within: 'numeric' },
  ]);
  assert.deepEqual([met?.type, met?.within, met?.isGuess], ['numeric', 'numeric', undefined]);
});

test('a validator names columns before there are documents, and its types join those that were seen', () => {
  const validator = fields({ total: 'int long double decimal', shipped: 'date', address: 'object' });
  assert.equal(shown(wantedOf({}, { validator }).columns), 'shipped timestamptz, total numeric');
  assert.equal(
    shown(wantedOf({}, { validator, learned: ORDERS }).columns),
    'extra text, shipped timestamptz, status text, total numeric',
  );
  const only = wantedOf(
    { columns: { from: 'validator' } },
    { validator, learned: fields({ shipped: 'string', a: 'int' }) },
  );
  assert.equal(shown(only.columns), 'shipped text, total numeric');
});

test('none means none', () => {
  assert.deepEqual(wantedOf({ columns: { from: 'none' } }).columns, []);
});

test('collections can have other settings', () => {
  const collections = [
    { collection: 'shop.o*', from: 'listed', list: [{ path: 'status' }], most: 7 },
    { collection: 'shop.orders', depth: 3 },
  ];
  const { columns, most } = wantedOf({ columns: { collections } });
  assert.deepEqual([shown(columns), most], ['status text', 7]);
  assert.equal(
    shown(wantedOf({ columns: { collections: [{ collection: 'shop.other', from: 'none' }] } }).columns).length,
    47,
  );
});

test('child tables have the fields of the elements as columns', () => {
  const childTables = [
    { collection: 'shop.orders', path: 'items', table: 'lines', exclude: ['p*'], list: [{ path: 'unit.name' }] },
    { collection: '*.orders', path: 'items' },
    { collection: 'shop.others', path: 'status' },
  ];
  const wanted = wantedOf({ childTables });
  assert.equal(wanted.children.length, 1);
  assert.equal(wanted.children[0]?.name, 'lines');
  assert.equal(shown(wanted.children[0].columns), 'unit.name text, sku text');
  assert.equal(shown(wanted.columns), 'extra text, status text, total double precision');
  assert.deepEqual(
    wanted.kept.filter(({ path }) => path.startsWith('items')).map(({ path, why }) => `${path} ${why}`),
    ['items[].price excluded', 'items[].tags container', 'items[].unit container'],
  );
});

test('the kind of the column that values did not fit is told, unless its type was given', () => {
  const misfits: readonly Misfit[] = [
    { child: undefined, path: 'total', types: ['string', 'long'], count: 2, wants: 'text', within: 'numeric' },
  ];
  const given = { learned: ORDERS, misfits };
  const total = (settings: unknown) => wantedOf(settings, given).columns.find(({ path }) => path === 'total');
  assert.deepEqual([total({})?.type, total({})?.within], ['text', 'numeric']);
  const fixed = total({ columns: { list: [{ path: 'total', type: 'double precision' }] } });
  assert.deepEqual([fixed?.type, fixed?.within, fixed?.fixed], ['double precision', undefined, true]);
});

test('values that did not fit widen the column, unless its type was given', () => {
  const misfit = (path: string, child?: string): Misfit => ({
    child,
    path,
    types: ['long'],
    count: 1,
    wants: 'numeric',
  });
  const childTables = [{ collection: 'shop.orders', path: 'items' }];
  const misfits = [misfit('total'), misfit('price', 'items'), misfit('status')];
  const wanted = wantedOf({ childTables }, { learned: ORDERS, misfits });
  assert.equal(shown(wanted.columns), 'extra text, status text, total numeric');
  assert.equal(shown(wanted.children[0]?.columns), 'price numeric, sku text');
  const list = [{ path: 'total', type: 'double precision' }];
  assert.equal(shown(wantedOf({ columns: { from: 'listed', list } }, { misfits }).columns), 'total double precision');
});
