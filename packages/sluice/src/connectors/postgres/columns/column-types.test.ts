import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE_NAMES } from '../../../bson/type-names.ts';
import { COLUMN_TYPES, type ColumnType, columnType, scalarColumnType, widerType } from './column-types.ts';

const CASES: readonly (readonly [types: string, scalar: ColumnType | undefined, any: ColumnType | undefined])[] = [
  ['int', 'bigint', 'bigint'],
  ['long', 'bigint', 'bigint'],
  ['int long null', 'bigint', 'bigint'],
  ['double', 'double precision', 'double precision'],
  ['int double', 'double precision', 'double precision'],
  ['long double', 'numeric', 'numeric'],
  ['int long double', 'numeric', 'numeric'],
  ['decimal', 'numeric', 'numeric'],
  ['int double decimal', 'numeric', 'numeric'],
  ['bool', 'boolean', 'boolean'],
  ['bool int', 'text', 'text'],
  ['date', 'timestamptz', 'timestamptz'],
  ['date string', 'text', 'text'],
  ['string', 'text', 'text'],
  ['objectId', 'text', 'text'],
  ['objectId string', 'text', 'text'],
  ['binData', 'uuid', 'uuid'],
  ['binData string', 'text', 'text'],
  ['timestamp', 'jsonb', 'jsonb'],
  ['timestamp int', 'jsonb', 'jsonb'],
  ['regex', 'text', 'text'],
  ['javascript javascriptWithScope symbol dbPointer', 'text', 'text'],
  ['minKey maxKey', 'text', 'text'],
  ['null undefined', undefined, undefined],
  ['', undefined, undefined],
  ['object', undefined, 'jsonb'],
  ['array null', undefined, 'jsonb'],
  ['object int', 'bigint', 'jsonb'],
];

test('columns have the type that holds what was seen', () => {
  for (const [types, scalar, any] of CASES) {
    const names = types.split(' ').filter((name) => name !== '');
    for (const order of [names, names.toReversed()]) {
      assert.equal(scalarColumnType(order), scalar, types);
      assert.equal(columnType(order), any, types);
    }
  }
  for (const name of TYPE_NAMES.values()) {
    const empty = name === 'null' || name === 'undefined';
    assert.equal(columnType([name]) === undefined, empty, name);
  }
});

test('widening goes one way only, whatever the order', () => {
  for (const a of COLUMN_TYPES) {
    for (const b of COLUMN_TYPES) {
      const wide = widerType(a, b);
      assert.equal(widerType(b, a), wide, `${a}, ${b}`);
      assert.equal(widerType(wide, a), wide, `${a}, ${b}`);
      for (const c of COLUMN_TYPES) assert.equal(widerType(wide, c), widerType(a, widerType(b, c)), `${a}, ${b}, ${c}`);
    }
  }
  assert.equal(widerType('bigint', 'double precision'), 'numeric');
  assert.equal(widerType('uuid', 'bytea'), 'bytea');
  assert.equal(widerType('numeric', 'boolean'), 'text');
  assert.equal(widerType('text', 'jsonb'), 'jsonb');
});
