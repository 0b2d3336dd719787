import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { idTextOf } from '../bson/id-text.ts';
import * as b from '../bson/test-support/bson-bytes.ts';
import { edgeIds } from '../bson/test-support/random-ids.ts';
import { expectedId } from './expected-id.ts';
import { mixedId } from './mixed-ids.ts';

const READ = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true };
const { Decimal128, Double, Int32, Long, ObjectId } = BSON;

test('the rule for ids gives the texts that are documented', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [new ObjectId('6b012bb81d9cffe770fcbfd0'), '6b012bb81d9cffe770fcbfd0'],
    ['6b012bb81d9cffe770fcbfd0', '~"6b012bb81d9cffe770fcbfd0"'],
    ['a', 'a'],
    ['', '~""'],
    ['~1', '~"~1"'],
    ['a\0', '~"a\\u0000"'],
    [new Int32(1), '~1'],
    [Long.fromString('9007199254740993'), '~9007199254740993'],
    [new Double(1e21), '~1000000000000000000000'],
    [new Double(0.1), '~0.1'],
    [Decimal128.fromString('1.50'), '~1.5'],
    [Decimal128.fromString('0.1'), '~{"$numberDecimal":"0.1"}'],
    [{ a: new Double(2), b: [null] }, '~{"a":2,"b":[null]}'],
    [null, '~null'],
  ];
  for (const [id, text] of cases) assert.equal(expectedId(id), text);
});

test('the ids of the writer are those of the rule, for ids of every type', () => {
  const ofBytes = edgeIds.map((id) => b.document(['_id', id]));
  const mixed = Array.from({ length: 500 }, (_, number) => Buffer.from(BSON.serialize({ _id: mixedId(number) })));
  let compared = 0;
  for (const document of [...ofBytes, ...mixed]) {
    const id = readId(document);
    if (id === undefined || !isWhole(id[0])) continue;
    assert.equal(expectedId(id[0]), idTextOf(document));
    compared += 1;
  }
  assert.ok(compared > 600, `${compared} compared`);
});

/** Undefined when the library does not read it as it is. */
function readId(document: Buffer): readonly [unknown] | undefined {
  try {
    const read = BSON.deserialize(document, READ);
    return Buffer.from(BSON.serialize(read, { ignoreUndefined: false })).equals(document) ? [read['_id']] : undefined;
  } catch {
    return undefined;
  }
}

/** Numbers in the scope of code are not brought to one form; dates beyond JavaScript's are lost. */
function isWhole(id: unknown): boolean {
  if (id instanceof BSON.Code) return id.scope === undefined || id.scope === null;
  return !(id instanceof Date) || !Number.isNaN(id.getTime());
}
