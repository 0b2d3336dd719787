import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { jsonSchemaOf } from './json-schema.ts';
import { inserts, pass, signal, watchedSchema } from './schema-fixture.ts';

async function learned(...documents: readonly object[]) {
  const { schema } = watchedSchema({ onChange: 'dead-letter', learnDocuments: 2 });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...documents));
  const [collection] = schema.view().collections;
  return collection ?? assert.fail('nothing was learned');
}

const id = new BSON.ObjectId();
const documents = [
  { _id: id, name: 'Ann', at: new Date(), lines: [{ sku: 'x' }, 7], address: { city: 'x' }, by: { 17: 1.5 }, 'a.b': 1 },
  {
    _id: id,
    name: null,
    at: new Date(),
    address: { city: 'y', zip: 1 },
    n: new BSON.Long(1),
    d: BSON.Decimal128.fromString('1'),
  },
  { _id: id, name: 'Bob', at: new Date(), address: { city: 'y' }, refused: 1 },
];

test('for MongoDB: bsonType, and required where every document had it', async () => {
  assert.deepEqual(jsonSchemaOf(await learned(...documents), 'mongodb'), {
    bsonType: 'object',
    required: ['_id', 'address', 'at', 'name'],
    properties: {
      _id: { bsonType: 'objectId' },
      'a.b': { bsonType: 'int' },
      address: {
        bsonType: 'object',
        required: ['city'],
        properties: { city: { bsonType: 'string' }, zip: { bsonType: 'int' } },
      },
      at: { bsonType: 'date' },
      by: { bsonType: 'object', additionalProperties: { bsonType: 'double' } },
      d: { bsonType: 'decimal' },
      lines: {
        bsonType: 'array',
        items: { bsonType: ['object', 'int'], properties: { sku: { bsonType: 'string' } } },
      },
      n: { bsonType: 'long' },
      name: { bsonType: ['string', 'null'] },
    },
  });
});

test('as 2020-12: how the values look in relaxed Extended JSON', async () => {
  const wrapper = (name: string) => ({ type: 'object', required: [name], properties: { [name]: {} } });
  assert.deepEqual(jsonSchemaOf(await learned(...documents), '2020-12'), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'test.users',
    type: 'object',
    required: ['_id', 'address', 'at', 'name'],
    properties: {
      _id: wrapper('$oid'),
      'a.b': { type: 'integer' },
      address: {
        type: 'object',
        required: ['city'],
        properties: { city: { type: 'string' }, zip: { type: 'integer' } },
      },
      at: wrapper('$date'),
      by: { type: 'object', additionalProperties: { type: 'number' } },
      d: wrapper('$numberDecimal'),
      lines: {
        type: 'array',
        items: { type: ['object', 'integer'], properties: { sku: { type: 'string' } } },
      },
      n: { type: 'integer' },
      name: { type: ['string', 'null'] },
    },
  });
  const mixed = await learned({ x: new Date() }, { x: { a: 1 } });
  assert.deepEqual(jsonSchemaOf(mixed, '2020-12')['properties'], {
    x: { anyOf: [{ type: 'object', required: ['a'], properties: { a: { type: 'integer' } } }, wrapper('$date')] },
  });
});

test('nothing but updates makes fields without anything required; any name is a property', async () => {
  const { schema } = watchedSchema();
  await using step = await schema.openStep(signal);
  await pass(step, { op: 'update', updated: { 'a.b': 1 } });
  const [collection] = schema.view().collections;
  const properties = { a: { properties: { b: { bsonType: 'int' } } } };
  assert.deepEqual(collection && jsonSchemaOf(collection, 'mongodb'), { bsonType: 'object', properties });
  const odd = await learned(BSON.deserialize(BSON.serialize(JSON.parse('{"__proto__": 1, "": 2, "*": 3}'))));
  const named = jsonSchemaOf(odd, 'mongodb')['properties'] as object;
  assert.deepEqual(Object.keys(named).toSorted(), ['', '*', '__proto__']);
});
