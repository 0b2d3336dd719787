import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../bson/plain-document.ts';
import { randomDocument } from '../bson/test-support/random-bson.ts';
import { exactNumber, jsonDifference, parseExactJson } from './compare-json.ts';
import { type Conversion, expectedJson, expectedObject } from './expected-json.ts';
import { testRandom } from './random.ts';

const TEXTS: Conversion = { nonFinite: 'text', decimals: 'text', nul: 'keep' };
const READ = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true };
const { Decimal128, Double, Int32, Long } = BSON;

test('numbers are compared by value with all their digits', () => {
  const equal = [
    [new Int32(1), '1.0'],
    [new Int32(100), '1e2'],
    [new Double(0.1), '0.10000000000000001'],
    [new Double(-0), '0'],
    [Long.fromString('9007199254740993'), '9007199254740993'],
  ] as const;
  for (const [value, text] of equal)
    assert.equal(jsonDifference(expectedJson(value, TEXTS), parseExactJson(text)), undefined);
  const different = [
    [Long.fromString('9007199254740993'), '9007199254740992'],
    [new Int32(1), '"1"'],
    [new Int32(0), 'false'],
    [new Int32(0), 'null'],
    [new Double(0.1), '0.1000001'],
    [Decimal128.fromString('1.10'), '1.10'],
  ] as const;
  for (const [value, text] of different)
    assert.ok(jsonDifference(expectedJson(value, TEXTS), parseExactJson(text)), text);
  const number = expectedJson(Decimal128.fromString('1.10'), { ...TEXTS, decimals: 'number' });
  assert.equal(jsonDifference(number, parseExactJson('1.1')), undefined);
  assert.ok(jsonDifference(number, parseExactJson('1.1000000000000000000000000000000001')));
  assert.equal(exactNumber('-00.0e7'), '0');
});

test('a difference is told with its path', () => {
  const expected = expectedObject({ a: { b: [new Int32(1), { c: 'x' }] } }, TEXTS);
  const differences = [
    ['{"a":{"b":[1,{"c":"y"}]}}', '.a.b[1].c: expected "x", found "y"'],
    ['{"a":{"b":[{"c":"x"},1]}}', '.a.b[0]: expected "number 1", found {"c":"x"}'],
    ['{"a":{"b":[1]}}', '.a.b: expected 2 elements, found 1'],
    ['{"a":{}}', '.a.b: expected ["number 1",{"c":"x"}], found nothing'],
    ['{"a":{"b":[1,{"c":"x"}]},"d":null}', '.d: expected no such field'],
    [
      '{"a":{"b":{"0":1,"1":{"c":"x"}}}}',
      '.a.b: expected ["number 1",{"c":"x"}], found {"0":"number 1","1":{"c":"x"}}',
    ],
    ['null', ': expected {"a":{"b":["number 1",{"c":"x"}]}}, found null'],
  ] as const;
  for (const [json, message] of differences) assert.equal(jsonDifference(expected, parseExactJson(json)), message);
});

test('property: the writer writes what is expected', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 2000; round++) {
    const document = randomDocument(random, { libraryTypes: true });
    const conversion: Conversion = {
      nonFinite: random.pick(['text', 'null']),
      decimals: random.pick(['number', 'text']),
      nul: random.pick(['keep', 'strip']),
    };
    const buffer = new JsonBuffer();
    buffer.begin(document.length);
    new PlainDocumentWriter(buffer, { ...conversion, omitTop: 'a' }).document(document);
    const written = buffer.end().toString();
    const expected = expectedObject(BSON.deserialize(document, READ), conversion, ['a']);
    assert.equal(jsonDifference(expected, parseExactJson(written)), undefined, written);
  }
});
