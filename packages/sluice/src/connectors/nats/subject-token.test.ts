import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Binary, BSON, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from 'mongodb';
import { keyToken, LONGEST_TOKEN, subjectToken } from './subject-token.ts';

const token = (id: unknown) => keyToken(BSON.serialize({ _id: id }));
const LEGAL = /^[A-Za-z0-9_%~-]+$/;

test('text becomes one legal token', () => {
  assert.equal(subjectToken('orders'), 'orders');
  assert.equal(subjectToken('orders.archive'), 'orders%2Earchive');
  assert.equal(subjectToken('a b*c>'), 'a%20b%2Ac%3E');
  assert.equal(subjectToken('größe'), 'gr%C3%B6%C3%9Fe');
  assert.equal(subjectToken(''), '_');
  assert.equal(subjectToken('_'), '%5F');
  assert.equal(subjectToken('%2E'), '%252E');
});

test('common ids are readable', () => {
  assert.equal(token(new ObjectId('65f0c0ffee65f0c0ffee1234')), '65f0c0ffee65f0c0ffee1234');
  assert.equal(token('user-1'), 'user-1');
  assert.equal(token(42), '42');
  assert.equal(keyToken(undefined), '_');
  assert.equal(keyToken(BSON.serialize({ _id: 1, shard: 'x' })), '~%7B%22_id%22%3A1%2C%22shard%22%3A%22x%22%7D');
});

test('numbers that MongoDB takes for the same are one token', () => {
  const same = [1, new Int32(1), Long.fromNumber(1), new Double(1), Decimal128.fromString('1.0')].map(token);
  assert.equal(new Set(same).size, 1);
});

test('different ids of every type have different legal tokens, however long', () => {
  const date = new Date(0);
  const hex = 'aaaaaaaaaaaaaaaaaaaaaaaa';
  const ids = [
    '',
    '_',
    ' ',
    '.',
    '*',
    '>',
    'a.b',
    'a b',
    'ä',
    '\0',
    '~',
    '%5F',
    'null',
    'true',
    '1',
    '"1"',
    '-1',
    '{}',
    '[]',
    'NaN',
    'Infinity',
    hex,
    hex.toUpperCase(),
    'x'.repeat(5000),
    'x'.repeat(5001),
    'ü'.repeat(5000),
    '€',
    null,
    true,
    false,
    1,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    new ObjectId(hex),
    date,
    Timestamp.fromBits(1, 2),
    new MinKey(),
    new MaxKey(),
    Long.MAX_VALUE,
    Decimal128.fromString('1.1'),
    new UUID('00000000-0000-4000-8000-000000000000'),
    new Binary(Buffer.alloc(3)),
    {},
    { a: 1 },
    { a: [1, 2] },
    { _id: 1 },
    { $dollar: 1 },
  ];
  const tokens = ids.map(token);
  for (const [index, text] of tokens.entries()) {
    assert.match(text, LEGAL, `${index}`);
    assert.ok(text.length <= LONGEST_TOKEN);
  }
  const several = [{ _id: 1, a: 2 }, { _id: { _id: 1, a: 2 } }, { a: 2, _id: 1 }].map((key) =>
    keyToken(BSON.serialize(key)),
  );
  const all = [...tokens, ...several];
  const repeated = all.filter((text, index) => all.indexOf(text) !== index);
  assert.deepEqual(repeated, []);
});
