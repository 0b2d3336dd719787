import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Document, serialize } from 'bson';
import { validatorFields } from './validator-fields.ts';

function shown(description: Document): readonly string[] | undefined {
  return validatorFields(serialize(description))?.map(({ path, types }) => `${path}: ${types.join(' ')}`);
}

test('the schema of a validator says which fields there are, and of which types', () => {
  const $jsonSchema = {
    bsonType: 'object',
    required: ['status'],
    properties: {
      status: { enum: ['open', 'paid', null] },
      total: { bsonType: ['double', 'int'], minimum: 0 },
      amount: { bsonType: 'number' },
      flag: { type: 'boolean' },
      'a.b': { bsonType: 'string' },
      address: { bsonType: 'object', properties: { city: { bsonType: 'string' } } },
      items: { bsonType: 'array', items: { bsonType: 'object', properties: { sku: { bsonType: 'string' } } } },
      either: { anyOf: [{ bsonType: 'string' }, { bsonType: 'objectId' }] },
      untyped: { description: 'anything' },
    },
  };
  assert.deepEqual(shown({ validator: { $jsonSchema }, validationLevel: 'strict' }), [
    'a\\.b: string',
    'address: object',
    'address.city: string',
    'amount: int long double decimal',
    'either: string objectId',
    'flag: bool',
    'items: array',
    'items[]: object',
    'items[].sku: string',
    'status: string null',
    'total: double int',
  ]);
});

test('a schema is also found beside other conditions', () => {
  const inner = (name: string) => ({ $jsonSchema: { properties: { [name]: { bsonType: 'int' } } } });
  const validator = { total: { $gt: 0 }, $and: [inner('a'), { $and: [inner('b')] }, { c: 1 }] };
  assert.deepEqual(shown({ validator }), ['a: int', 'b: int']);
});

test('an event that does not speak of a validator says nothing; one without a schema says that there are no fields', () => {
  assert.equal(shown({ index: { name: 'a_1' } }), undefined);
  assert.deepEqual(shown({ validator: {} }), []);
  assert.deepEqual(shown({ validator: { total: { $gt: 0 } } }), []);
});

test('what is not understood in a schema is passed over', () => {
  const properties = { a: 1, b: { bsonType: 5 }, c: { bsonType: [1, 'int'] }, d: { items: [{ bsonType: 'int' }] } };
  assert.deepEqual(shown({ validator: { $jsonSchema: { properties, anyOf: [1], items: 'x' } } }), ['c: int']);
  assert.deepEqual(shown({ validator: 7 }), []);
  let deep: Document = { bsonType: 'int' };
  for (let level = 0; level < 100; level++) deep = { bsonType: 'object', properties: { x: deep } };
  const found = shown({ validator: { $jsonSchema: deep } });
  assert.ok(found !== undefined && found.length < 30);
});
