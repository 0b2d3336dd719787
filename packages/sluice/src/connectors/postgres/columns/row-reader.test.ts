import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  boolean,
  date,
  decimal128,
  document,
  double,
  embedded,
  type Field,
  framed,
  int32,
  int64,
  nothing,
  string,
  timestamp,
} from '../../../bson/test-support/bson-bytes.ts';
import { COLUMN_TYPES, type ColumnType } from './column-types.ts';
import type { Column } from './layout.ts';
import { RowReader, type RowReaderOptions } from './row-reader.ts';
import { OPTIONS, VALUE_CASES } from './value-table-fixture.ts';

function columns(paths: Readonly<Record<string, ColumnType>>): readonly Column[] {
  return Object.entries(paths).map(([path, type]) => ({ name: path, path, type }));
}

function reader(paths: Readonly<Record<string, ColumnType>>, options: Partial<RowReaderOptions> = {}): RowReader {
  return new RowReader({ columns: columns(paths), children: [] }, { ...OPTIONS, ...options });
}

function read(paths: Readonly<Record<string, ColumnType>>, ...fields: readonly Field[]): readonly (string | null)[] {
  return reader(paths).read(document(...fields)).values;
}

test('every type of value has its text in every type of column, or does not fit', () => {
  for (const [what, value, texts] of VALUE_CASES) {
    for (const type of COLUMN_TYPES) {
      const one = reader({ v: type });
      const text = texts[type];
      assert.deepEqual(one.read(document(['v', value])).values, [text ?? null], `${what} as ${type}`);
      assert.equal(one.misfits().length, text === undefined ? 1 : 0, `${what} as ${type}`);
    }
  }
});

test('the options say what becomes of values that JSON or the server has no form for', () => {
  const nan = decimal128('7c000000000000000000000000000000');
  const cases = [
    [{ numericInfinity: false }, 'numeric', double(Infinity), null, 1],
    [{ numericInfinity: false }, 'numeric', decimal128('78000000000000000000000000000000'), null, 1],
    [{ numericInfinity: false }, 'numeric', nan, 'NaN', 0],
    [{ nonFinite: 'null' }, 'text', double(Infinity), null, 0],
    [{ nonFinite: 'null' }, 'jsonb', double(Infinity), null, 0],
    [{ nonFinite: 'null' }, 'double precision', double(Infinity), 'Infinity', 0],
    [{ nonFinite: 'null' }, 'text', nan, null, 0],
    [{ nonFinite: 'null' }, 'jsonb', nan, null, 0],
    [{ decimals: 'text' }, 'text', decimal128('304c0000000000000000000000000001'), '1E+6', 0],
    [{ decimals: 'number' }, 'text', decimal128('304c0000000000000000000000000001'), '1000000', 0],
  ] as const;
  for (const [options, type, value, text, misfits] of cases) {
    const one = reader({ v: type }, options);
    assert.deepEqual(one.read(document(['v', value])).values, [text], JSON.stringify(options));
    assert.equal(one.misfits().length, misfits);
  }
});

test('values stand in the order of the columns, wherever their fields are', () => {
  const paths = { b: 'bigint', missing: 'text', 'd.x': 'text', a: 'text', 'd.y.z': 'boolean' } as const;
  const d: Field = ['d', embedded(['y', embedded(['q', nothing], ['z', boolean(true)])], ['x', string('dx')])];
  const fields: readonly Field[] = [['a', string('A')], ['other', int32(1)], d, ['b', int32(2)]];
  const one = reader(paths);
  for (const order of [fields, fields.toReversed(), fields, [...fields.slice(2), ...fields.slice(0, 2)]]) {
    assert.deepEqual(one.read(document(...order)).values, ['2', null, 'dx', 'A', 'true']);
  }
  assert.deepEqual(one.read(document()).values, [null, null, null, null, null]);
});

test('names are compared whole, byte for byte', () => {
  const paths = ['ab', 'abc', 'a\\.b', '""', 'ключ', '__proto__'];
  const one = new RowReader(
    { columns: paths.map((path) => ({ name: path, path, type: 'bigint' })), children: [] },
    OPTIONS,
  );
  const names = ['a', 'ab', 'abc', 'abcd', 'a.b', '', 'ключ', 'клю', '__proto__'];
  const { values } = one.read(document(...names.map((name, at): Field => [name, int32(at)])));
  assert.deepEqual(values, ['1', '2', '4', '5', '6', '8']);
});

test('a path does not go into an array, except by a number', () => {
  const list = array(embedded(['x', int32(7)]), embedded(['x', int32(8)]));
  assert.deepEqual(read({ 'l.x': 'bigint', 'l.1.x': 'bigint', 'l.2.x': 'bigint' }, ['l', list]), [null, '8', null]);
});

test('of several fields of one name the last counts, with nothing of those before', () => {
  const paths = { a: 'jsonb', 'a.x': 'bigint', 'a.y': 'bigint', 'a.z.q': 'bigint' } as const;
  const x = embedded(['x', int32(1)], ['z', embedded(['q', int32(9)])]);
  const y = embedded(['y', int32(2)]);
  assert.deepEqual(read(paths, ['a', x], ['a', y]), ['{"y":2}', null, '2', null]);
  assert.deepEqual(read(paths, ['a', x], ['a', int32(5)]), ['5', null, null, null]);
  assert.deepEqual(read(paths, ['a', int32(5)], ['a', x]), ['{"x":1,"z":{"q":9}}', '1', null, '9']);
  assert.deepEqual(read(paths, ['a', x], ['b', y], ['a', nothing]), [null, null, null, null]);
  assert.deepEqual(read({ a: 'bigint' }, ['a', int32(1)], ['a', string('x')]), [null]);
  const one = reader(paths);
  assert.deepEqual(
    one.read(document(['a', x])).values,
    one.read(document(['a', x])).values,
    'over documents nothing is the same field',
  );
});

const ITEMS = {
  name: 'items',
  path: 'cart.items',
  columns: columns({ sku: 'text', 'price.amount': 'double precision' }),
};

test('elements of an array become rows, with their document and their columns', () => {
  const one = new RowReader({ columns: columns({ n: 'bigint', 'cart.items': 'jsonb' }), children: [ITEMS] }, OPTIONS);
  const first = embedded(['sku', string('a')], ['price', embedded(['amount', double(1.5)])], ['tags', array(int32(1))]);
  const elements = array(first, embedded(['sku', string('b')]), int32(3), nothing, array(first));
  const row = one.read(document(['cart', embedded(['items', elements])], ['n', int32(1)]));
  assert.equal(row.values[0], '1');
  assert.equal(row.children.length, 1);
  const shown = row.children.map(({ documents, values }) => ({ documents: documents.map(String), values }));
  assert.deepEqual(shown, [
    {
      documents: [
        '{"sku":"a","price":{"amount":1.5},"tags":[1]}',
        '{"sku":"b"}',
        '3',
        'null',
        '[{"sku":"a","price":{"amount":1.5},"tags":[1]}]',
      ],
      values: [
        ['a', '1.5'],
        ['b', null],
        [null, null],
        [null, null],
        [null, null],
      ],
    },
  ]);
  assert.equal(row.values[1], `[${row.children[0]?.documents.join(',')}]`);
  assert.deepEqual(one.misfits(), []);
});

test('where there is no array there are no rows; another value in its place is told', () => {
  const one = new RowReader({ columns: [], children: [ITEMS] }, OPTIONS);
  const none = [{ documents: [], values: [] }];
  const inCart = (...fields: Field[]) => one.read(document(['cart', embedded(...fields)])).children;
  assert.deepEqual(one.read(document()).children, none);
  assert.deepEqual(inCart(['items', array()]), none);
  assert.deepEqual(inCart(['items', nothing]), none);
  assert.deepEqual(one.misfits(), []);
  assert.deepEqual(inCart(['items', embedded(['sku', string('a')])]), none);
  assert.deepEqual(one.misfits(), [
    { child: 'cart.items', path: '', types: ['object'], count: 1, wants: undefined, within: undefined },
  ]);
  const list = array(embedded(['sku', string('a')]));
  assert.deepEqual(inCart(['items', list], ['items', int32(1)]), none, 'the last counts');
  assert.equal(
    one.read(document(['cart', embedded(['items', list])], ['cart', int32(1)])).children[0]?.documents.length,
    0,
  );
});

test('of several fields of one name in an element the last counts', () => {
  const one = new RowReader({ columns: [], children: [ITEMS] }, OPTIONS);
  const price = (name: string) => embedded([name, double(2)]);
  const twice = embedded(['price', price('amount')], ['price', price('other')]);
  const rows = one.read(
    document(['cart', embedded(['items', array(twice, twice, embedded(['price', price('amount')]))])]),
  );
  assert.deepEqual(rows.children[0]?.values, [
    [null, null],
    [null, null],
    [null, '2'],
  ]);
});

test('values that do not fit are counted once, with the types of column that would take them or those of their kind', () => {
  const paths = {
    n: 'bigint',
    d: 'double precision',
    t: 'timestamptz',
    u: 'uuid',
    b: 'boolean',
    s: 'numeric',
  } as const;
  const one = new RowReader({ columns: columns(paths), children: [ITEMS] }, OPTIONS);
  const far = date(2n ** 62n);
  one.read(document(['n', double(1.5)], ['d', int64(2n ** 60n)], ['t', far], ['b', embedded()]));
  one.read(
    document(
      ['n', string('x')],
      ['d', int32(1)],
      ['t', far],
      ['u', { type: 5, payload: Buffer.from([0, 0, 0, 0, 0]) }],
    ),
  );
  one.read(
    document(
      ['s', timestamp(1, 1)],
      [
        'cart',
        embedded(['items', array(embedded(['sku', string('s')], ['price', embedded(['amount', boolean(true)])]))]),
      ],
    ),
  );
  assert.deepEqual(one.misfits(), [
    { child: undefined, path: 'n', types: ['double', 'string'], count: 2, wants: 'text', within: 'numeric' },
    { child: undefined, path: 'd', types: ['long'], count: 1, wants: 'numeric', within: 'numeric' },
    { child: undefined, path: 't', types: ['date'], count: 2, wants: undefined, within: undefined },
    { child: undefined, path: 'u', types: ['binData'], count: 1, wants: 'bytea', within: 'bytea' },
    { child: undefined, path: 'b', types: ['object'], count: 1, wants: undefined, within: undefined },
    { child: undefined, path: 's', types: ['timestamp'], count: 1, wants: 'jsonb', within: undefined },
    { child: 'cart.items', path: 'price.amount', types: ['bool'], count: 1, wants: 'text', within: undefined },
  ]);
  assert.deepEqual(one.misfits(), []);
});

test('documents that are broken where it matters are rejected', () => {
  const cut = document(['a', string('abc')]);
  cut.writeInt32LE(100, 7);
  const nul = document(['a', string('a\0b')]);
  const cases: readonly (readonly [bytes: Buffer, code: string, nul?: 'reject'])[] = [
    [cut, 'bson.malformed'],
    [document(['a', string('abc')]).subarray(0, -1), 'bson.malformed'],
    [framed(Buffer.from([0x10, 0x61])), 'bson.malformed'],
    [framed(Buffer.from([0x10, 0x61, 0x62])), 'bson.malformed'],
    [document(['a', { type: 0x20, payload: Buffer.alloc(0) }]), 'bson.malformed'],
    [document(['a', string(Buffer.from([0x61, 0xff]))]), 'bson.invalid-utf8'],
    [document(['a', string(Buffer.from(`${'a'.repeat(50)}\xff`, 'latin1'))]), 'bson.invalid-utf8'],
    [document(['a', string(Buffer.from([0xed, 0xa0, 0x80]))]), 'bson.invalid-utf8'],
    [nul, 'bson.nul-character', 'reject'],
    [
      document(['a', { type: 0x0d, payload: document(['a', string('x\0')]).subarray(7, -1) }]),
      'bson.nul-character',
      'reject',
    ],
  ];
  for (const [bytes, code, policy] of cases) {
    const one = reader({ a: 'text' }, { nul: policy ?? 'strip' });
    assert.throws(() => one.read(bytes), { name: 'SluiceError', kind: 'rejected', code }, bytes.toString('hex'));
    assert.deepEqual(one.read(document(['a', string('fine')])).values, ['fine'], 'the next one is read all the same');
  }
  assert.throws(() => reader({ a: 'boolean' }).read(document(['a', { type: 8, payload: Buffer.from([2]) }])), {
    code: 'bson.malformed',
  });
});
