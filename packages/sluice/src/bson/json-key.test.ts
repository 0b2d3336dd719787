import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal128 } from 'bson';
import { seededRandom } from '../testing/random.ts';
import { JsonBuffer } from './json-buffer.ts';
import { KeyWriter } from './json-key.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt, randomDocument } from './test-support/random-bson.ts';

function keyOf(id: b.Value, style: 'relaxed' | 'canonical' = 'relaxed'): string {
  return write(b.document(['_id', id]), style);
}

function write(document: Buffer, style: 'relaxed' | 'canonical' = 'relaxed'): string {
  const buffer = new JsonBuffer();
  const writer = new KeyWriter(buffer, { style });
  buffer.begin(8);
  writer.document(document);
  return buffer.end().toString();
}

function decimal(text: string): b.Value {
  return { type: 0x13, payload: Buffer.from(Decimal128.fromString(text).bytes) };
}

// What is one key and what is not was asked of mongod 6.0.5, by inserting both as `_id`.
test('numbers that MongoDB takes for one key have one key text', () => {
  const one = [b.int32(1), b.int64(1n), b.double(1), decimal('1'), decimal('1.000'), decimal('10E-1')];
  for (const id of one) assert.equal(keyOf(id), '{"_id":1}');
  for (const id of one) assert.equal(keyOf(id, 'canonical'), '{"_id":{"$numberInt":"1"}}');
  const zero = [b.int32(0), b.double(0), b.double(-0), decimal('0'), decimal('-0E+3')];
  for (const id of zero) assert.equal(keyOf(id), '{"_id":0}');
  for (const id of [b.double(0.5), decimal('0.5'), decimal('0.50')]) assert.equal(keyOf(id), '{"_id":0.5}');
  for (const id of [b.double(Number.NaN), decimal('NaN')]) assert.equal(keyOf(id), '{"_id":{"$numberDouble":"NaN"}}');
  for (const id of [b.double(-Infinity), decimal('-Infinity')])
    assert.equal(keyOf(id), '{"_id":{"$numberDouble":"-Infinity"}}');
  for (const id of [b.double(1e22), decimal('1E+22')]) assert.equal(keyOf(id), '{"_id":10000000000000000000000}');
  for (const id of [b.double(1e23), decimal('99999999999999991611392')])
    assert.equal(keyOf(id), '{"_id":99999999999999991611392}');
  for (const id of [b.double(2 ** 63), decimal('9223372036854775808')]) {
    assert.equal(keyOf(id, 'canonical'), '{"_id":{"$numberDecimal":"9223372036854775808"}}');
  }
  assert.equal(keyOf(b.embedded(['a', b.int32(1)])), keyOf(b.embedded(['a', b.double(1)])));
  assert.equal(keyOf(b.symbol('a')), keyOf(b.string('a')));
});

test('ids that MongoDB keeps apart never share a key text', () => {
  const ids = [
    b.double(0.1),
    decimal('0.1'),
    decimal('0.1000000000000000055511151231257827'),
    b.int64(9007199254740993n),
    b.double(9007199254740992),
    b.double(1e23),
    decimal('1E+23'),
    b.double(1e300),
    decimal('1E+300'),
    b.double(5e-324),
    decimal('4.940656458412465441765687928682214E-324'),
    b.double(1e60),
    b.double(1.5),
    b.double(-1.5),
    b.int32(1),
    b.string('1'),
    b.boolean(true),
    b.string('true'),
    b.nothing,
    b.string('null'),
    b.undef,
    b.double(Number.NaN),
    b.string('NaN'),
    b.minKey,
    b.maxKey,
    b.date(2n ** 63n - 1n),
    b.date(-(2n ** 63n)),
    b.date(0n),
    b.timestamp(0, 0),
    b.timestamp(0, 1),
    b.objectId('6b012bb81d9cffe770fcbfd0'),
    b.string('6b012bb81d9cffe770fcbfd0'),
    b.binary(0, Buffer.alloc(0)),
    b.binary(4, Buffer.alloc(16)),
    b.binary(3, Buffer.alloc(16)),
    b.string(''),
    b.string('"'),
    b.string('\\"'),
    b.string('{"$minKey":1}'),
    b.embedded(),
    b.embedded(['a', b.nothing]),
    b.array(),
    b.embedded(['a', b.int32(1)], ['b', b.int32(2)]),
    b.embedded(['b', b.int32(2)], ['a', b.int32(1)]),
    b.code('x'),
    b.string('x'),
    b.codeWithScope('x', b.document()),
    b.regex('x', ''),
    b.regex('x', 'i'),
    b.dbPointer('x', '00'.repeat(12)),
    b.int32(-1),
    b.int64(-(2n ** 63n)),
  ];
  for (const style of ['relaxed', 'canonical'] as const) {
    const seen = new Map<string, number>();
    ids.forEach((id, index) => {
      const text = keyOf(id, style);
      JSON.parse(text);
      assert.equal(seen.get(text), undefined, `ids ${seen.get(text)} and ${index} are both ${text}`);
      seen.set(text, index);
    });
  }
});

test('property: equal values of any number types agree, in both styles', () => {
  const random = seededRandom(8);
  for (let i = 0; i < 2000; i++) {
    const value = random.pick([
      random.int(1000),
      random.int(2 ** 31),
      random.int(2 ** 31) * 2 ** random.int(22),
      random.int(4096) / 2 ** random.int(12),
    ]);
    const forms = [b.double(value), decimal(String(value))];
    if (Number.isInteger(value)) forms.push(b.int64(BigInt(value)));
    if (Number.isInteger(value) && value < 2 ** 31) forms.push(b.int32(value));
    for (const style of ['relaxed', 'canonical'] as const) {
      assert.equal(new Set(forms.map((form) => keyOf(form, style))).size, 1, String(value));
    }
  }
});

test('the whole document key is kept, in its order', () => {
  const key = b.document(['region', b.string('eu')], ['_id', b.objectId('6b012bb81d9cffe770fcbfd0')]);
  assert.equal(write(key), '{"region":"eu","_id":{"$oid":"6b012bb81d9cffe770fcbfd0"}}');
});

test('fuzz: broken keys are rejected', () => {
  const random = seededRandom(77);
  for (let i = 0; i < 5000; i++) {
    const bytes = corrupt(random, randomDocument(random, { libraryTypes: false }));
    try {
      JSON.parse(write(bytes));
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, 'rejected', `case ${i}: ${String(error)}`);
    }
  }
});
