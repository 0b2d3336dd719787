import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LearnedCollection } from '../../../core/learned-fields.ts';
import { DEPTH_LIMIT, mapField, mappingFor } from './mapping-for.ts';
import type { FieldMapping, Properties } from './properties.ts';

const KEYWORD: FieldMapping = { type: 'keyword', ignore_above: 8191 };
const EXACT: FieldMapping = { type: 'keyword', ignore_above: 256 };
const TEXT: FieldMapping = { type: 'text', fields: { keyword: EXACT } };
const DATE: FieldMapping = { type: 'date', format: 'strict_date_optional_time||epoch_millis' };
const LONG: FieldMapping = { type: 'long' };
const DOUBLE: FieldMapping = { type: 'double' };
const DECIMAL: FieldMapping = { type: 'double', fields: { keyword: EXACT } };
const MAP: FieldMapping = { type: 'flat_object' };
const HIDDEN: FieldMapping = { type: 'object', enabled: false };
const OPTIONS = { mapField: MAP };

function learned(fields: Readonly<Record<string, string>>, maps: readonly string[] = []): LearnedCollection {
  const paths = Object.entries(fields).map(([path, types]) => ({ path, types: types.split(' ') }));
  return { revision: 1, fields: paths, maps };
}

function objectOf(properties: Properties, more: object = {}): FieldMapping {
  return { type: 'object', ...more, properties };
}

const TYPES: readonly (readonly [types: string, field: FieldMapping | undefined])[] = [
  ['string', TEXT],
  ['objectId', KEYWORD],
  ['date', DATE],
  ['int', LONG],
  ['long', LONG],
  ['double', DOUBLE],
  ['decimal', DECIMAL],
  ['bool', { type: 'boolean' }],
  ['binData', EXACT],
  ['regex', KEYWORD],
  ['javascript', KEYWORD],
  ['javascriptWithScope', KEYWORD],
  ['symbol', KEYWORD],
  ['minKey', KEYWORD],
  ['maxKey', KEYWORD],
  ['null', undefined],
  ['undefined', undefined],
  ['array', undefined],
  ['object', objectOf({})],
  ['timestamp', objectOf({ t: LONG, i: LONG })],
  ['dbPointer', objectOf({ $ref: KEYWORD, $id: KEYWORD })],
  ['null int', LONG],
  ['int long double', DOUBLE],
  ['long decimal', DECIMAL],
  ['int string', TEXT],
  ['date objectId string', TEXT],
  ['int date', KEYWORD],
  ['bool int', KEYWORD],
  ['date maxKey', KEYWORD],
  ['object int', HIDDEN],
  ['timestamp string', HIDDEN],
  ['object null', objectOf({})],
];

for (const [types, field] of TYPES) {
  test(`a field of type ${types} is ${field === undefined ? 'not mapped' : JSON.stringify(field)}`, () => {
    const { properties } = mappingFor({ learned: learned({ a: types }) }, OPTIONS);
    assert.deepEqual(properties, field === undefined ? {} : { a: field });
  });
}

test('elements of arrays are mapped as the field itself, and documents in them as objects', () => {
  const fields = {
    tags: 'array',
    'tags[]': 'string null',
    'matrix[]': 'array',
    'matrix[][]': 'double int',
    'items[]': 'object',
    'items[].sku': 'string',
    'items[].at[].x': 'int',
    'either[]': 'int',
    either: 'string array',
  };
  const { properties, problems } = mappingFor({ learned: learned(fields) }, OPTIONS);
  assert.deepEqual(properties, {
    tags: TEXT,
    matrix: DOUBLE,
    items: objectOf({ sku: TEXT, at: objectOf({ x: LONG }) }),
    either: TEXT,
  });
  assert.deepEqual(problems, []);
});

test('a field with objects and other values is kept without being searched, and told of', () => {
  const fields = { 'a.b': 'object', 'a.b.c': 'int', 'a.b[]': 'string' };
  const { properties, problems } = mappingFor({ learned: learned(fields) }, OPTIONS);
  assert.deepEqual(properties, { a: objectOf({ b: HIDDEN }) });
  assert.deepEqual(problems, [{ kind: 'mixed', path: 'a.b' }]);
});

test('objects whose names are data are one field', () => {
  const fields = {
    counts: 'object',
    'counts.*': 'int',
    'items[].attrs.*.x': 'string',
    'ids.*': 'int',
    'ids.all': 'int',
  };
  const maps = ['counts', 'items[].attrs'];
  assert.deepEqual(mappingFor({ learned: learned(fields, maps) }, OPTIONS), {
    properties: {
      counts: MAP,
      items: objectOf({ attrs: MAP }),
      // Names besides those that look like ids are fields, and no further ones come.
      ids: objectOf({ all: LONG }, { dynamic: false }),
    },
    closed: false,
    problems: [],
  });
});

test('a document whose own names are data gets no further fields', () => {
  const { properties, closed } = mappingFor({ learned: learned({ _id: 'objectId', '*': 'int' }, ['']) }, OPTIONS);
  assert.deepEqual([properties, closed], [{}, true]);
});

test('a map that some documents have as something else is kept as it comes', () => {
  const { properties } = mappingFor({ learned: learned({ m: 'object string', 'm.*': 'int' }, ['m']) }, OPTIONS);
  assert.deepEqual(properties, { m: HIDDEN });
});

const PRODUCTS = [
  ['elasticsearch', 7, 2, 'object'],
  ['elasticsearch', 7, 3, 'flattened'],
  ['elasticsearch', 9, 0, 'flattened'],
  ['opensearch', 2, 6, 'object'],
  ['opensearch', 2, 7, 'flat_object'],
  ['opensearch', 3, 0, 'flat_object'],
  ['unknown', 0, 0, 'object'],
] as const;

test('each product has its own field for maps', () => {
  for (const [name, major, minor, type] of PRODUCTS) assert.equal(mapField({ name, major, minor }).type, type);
});

test('a name with dots is a path, merged with the objects of that name', () => {
  const fields = { 'a\\.b': 'int', 'a.b': 'double', 'a.c\\.d': 'bool', x: 'int', 'x\\.y': 'int' };
  const { properties } = mappingFor({ learned: learned(fields) }, OPTIONS);
  assert.deepEqual(properties, {
    a: objectOf({ b: DOUBLE, c: objectOf({ d: { type: 'boolean' } }) }),
    x: HIDDEN,
  });
});

test('names that the products do not take are not mapped', () => {
  const names = ['""', 'a.""', '\\.', 'a\\.\\.b', '\\.a', 'a\\.', ' ', '_source', '_doc_count', `${'x'.repeat(200)}…`];
  const fields = Object.fromEntries(
    [...names, '_id', '_own', 'o._id', '\\*', 'a b', '__proto__', 'constructor'].map((name) => [name, 'int']),
  );
  const { properties, problems } = mappingFor({ learned: learned(fields) }, OPTIONS);
  const mapped = Object.entries(properties).map(([name]) => name);
  assert.deepEqual(mapped, ['_own', 'o', '*', 'a b', '__proto__', 'constructor']);
  assert.deepEqual(properties['o'], objectOf({ _id: LONG }));
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['', 'a.', '.', 'a..b', '.a', ' ', '_source', '_doc_count'],
  );
});

test('objects deeper than the limit are not mapped, and what is above them gets no further fields', () => {
  const path = (levels: number) => Array.from({ length: levels }, () => 'a').join('.');
  const { properties, problems } = mappingFor({ learned: learned({ [path(DEPTH_LIMIT + 3)]: 'int' }) }, OPTIONS);
  let field: FieldMapping | undefined = { properties };
  let objects = 0;
  for (; field?.properties?.['a'] !== undefined; objects++) field = field.properties['a'];
  assert.equal(objects, DEPTH_LIMIT - 1);
  assert.equal(field?.dynamic, false);
  assert.deepEqual(problems, [{ kind: 'depth', path: path(DEPTH_LIMIT) }]);
  const shallow = mappingFor({ learned: learned({ [path(DEPTH_LIMIT)]: 'int' }) }, OPTIONS);
  assert.deepEqual(shallow.problems, []);
});

test('a validator gives types, those in arrays and alternatives too', () => {
  const validator = {
    bsonType: 'object',
    required: ['name'],
    properties: {
      _id: { bsonType: 'objectId' },
      name: { type: 'string', maxLength: 20 },
      price: { bsonType: ['decimal', 'null'] },
      amount: { bsonType: 'number' },
      on: { type: 'boolean' },
      color: { enum: ['red', 'blue'] },
      size: { enum: [1, 2.5] },
      tags: { bsonType: 'array', items: { bsonType: 'objectId' } },
      lines: { bsonType: 'array', items: [{ properties: { sku: { bsonType: 'int' } } }], additionalItems: false },
      by: { oneOf: [{ bsonType: 'int' }, { bsonType: 'double' }] },
      attrs: { bsonType: 'object', additionalProperties: { bsonType: 'int' } },
      open: { bsonType: 'object', properties: { a: { bsonType: 'int' } }, additionalProperties: { bsonType: 'int' } },
      plain: { bsonType: 'object', additionalProperties: false },
      odd: 'no schema',
    },
    allOf: [{ properties: { more: { bsonType: 'date' } } }],
  };
  assert.deepEqual(mappingFor({ validator }, OPTIONS).properties, {
    name: TEXT,
    price: DECIMAL,
    amount: DECIMAL,
    on: { type: 'boolean' },
    color: TEXT,
    size: DOUBLE,
    tags: KEYWORD,
    lines: objectOf({ sku: LONG }),
    by: DOUBLE,
    attrs: MAP,
    open: objectOf({ a: LONG }),
    plain: objectOf({}),
    more: DATE,
  });
});

test('types that documents show count besides those of the validator', () => {
  const validator = { properties: { a: { bsonType: 'int' }, b: { bsonType: 'int' } } };
  const { properties } = mappingFor({ validator, learned: learned({ a: 'double', c: 'bool' }) }, OPTIONS);
  assert.deepEqual(Object.entries(properties), [
    ['a', DOUBLE],
    ['b', LONG],
    ['c', { type: 'boolean' }],
  ]);
});

test('fields of the user win, with what is derived below their objects', () => {
  const user: Properties = {
    price: { type: 'scaled_float', scaling_factor: 100 },
    items: { type: 'nested', properties: { sku: { type: 'keyword' } } },
    'geo.at': { type: 'geo_point' },
    attrs: { type: 'object', enabled: false },
    'geo.by': { type: 'keyword' },
  };
  const fields = {
    price: 'double',
    items: 'array',
    'items[].sku': 'string',
    'items[].n': 'int',
    'geo.at': 'object string',
    'geo.at.lat': 'double',
    'geo.z': 'int',
    'attrs.x': 'int object',
  };
  const { properties, problems } = mappingFor({ user, learned: learned(fields) }, OPTIONS);
  assert.deepEqual(properties, {
    price: user['price'],
    items: { type: 'nested', properties: { sku: { type: 'keyword' }, n: LONG } },
    geo: { properties: { at: { type: 'geo_point' }, by: { type: 'keyword' }, z: LONG } },
    attrs: user['attrs'],
  });
  assert.deepEqual(problems, []);
});

test('fields of the index whose documents come win over what is derived, and not over the user', () => {
  const inherited: Properties = { a: { type: 'date' }, b: { type: 'date' }, o: { properties: { x: LONG } } };
  const user: Properties = { b: { type: 'ip' } };
  const { properties } = mappingFor({ user, inherited, learned: learned({ a: 'int', 'o.y': 'int' }) }, OPTIONS);
  const expected = { b: { type: 'ip' }, a: { type: 'date' }, o: { properties: { x: LONG, y: LONG } } };
  assert.deepEqual(properties, expected);
});
