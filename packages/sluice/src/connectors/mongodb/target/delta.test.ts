import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize } from 'bson';
import { findField } from '../../../bson/elements.ts';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { deltaStatements } from './delta.ts';

const key = b.document(['_id', b.int32(7)]);
const id = findField(key, '_id') as BsonValue;

interface Description {
  readonly updated?: readonly b.Field[];
  readonly removed?: readonly string[];
  readonly truncated?: readonly (readonly [field: string, size: number])[];
  readonly paths?: readonly b.Field[];
}

function description({ updated = [], removed = [], truncated = [], paths }: Description): Buffer {
  return b.document(
    ['updatedFields', b.embedded(...updated)],
    ['removedFields', b.array(...removed.map((name) => b.string(name)))],
    [
      'truncatedArrays',
      b.array(
        ...truncated.map(([field, newSize]) => b.embedded(['field', b.string(field)], ['newSize', b.int32(newSize)])),
      ),
    ],
    ...(paths === undefined ? [] : [['disambiguatedPaths', b.embedded(...paths)] as const]),
  );
}

/** The statements as objects, without what is the same in all. */
function statements(of: Description): readonly object[] {
  return deltaStatements(key, id, description(of)).map((statement) => {
    const target = Buffer.alloc(statement.size);
    assert.equal(statement.writeTo(target, 0), statement.size);
    const { q, u, upsert } = deserialize(target);
    assert.equal(upsert, true);
    const { $setOnInsert: _, ...update } = u;
    return { q, u: update };
  });
}

const q = { _id: 7 };
const one = b.int32(1);

test('nothing changed is no statement', () => assert.deepEqual(statements({}), []));

test('fields are set and removed in one statement', () => {
  const expected = [{ q, u: { $unset: { c: true }, $set: { a: 1, b: 1 } } }];
  assert.deepEqual(
    statements({
      updated: [
        ['a', one],
        ['b', one],
      ],
      removed: ['c'],
    }),
    expected,
  );
});

test('arrays are cut first', () => {
  const found = statements({
    updated: [['list.1', one]],
    truncated: [
      ['list', 2],
      ['x.list', 0],
    ],
  });
  assert.deepEqual(found, [
    { q, u: { $push: { list: { $each: [], $slice: 2 } } } },
    { q: { ...q, x: { $exists: true } }, u: { $push: { 'x.list': { $each: [], $slice: 0 } } } },
    { q: { ...q, list: { $exists: true } }, u: { $set: { 'list.1': 1 } } },
  ]);
});

test('what a path leads through must be there', () => {
  const found = statements({ updated: [['a.b.c', one]], removed: ['a.b.d', 'e.f', 'g'] });
  assert.deepEqual(found, [
    { q: { ...q, 'a.b': { $exists: true } }, u: { $unset: { 'a.b.d': true }, $set: { 'a.b.c': 1 } } },
    { q: { ...q, e: { $exists: true } }, u: { $unset: { 'e.f': true } } },
    { q, u: { $unset: { g: true } } },
  ]);
});

test('fields that the server would add in another order are set one after the other', () => {
  const updated = ['b', 'c', 'a', 'list.9', 'list.10', 'list.x'].map((name): b.Field => [name, one]);
  const sets = statements({ updated }).map((statement) => Object.keys((statement as { u: { $set: object } }).u.$set));
  assert.deepEqual(sets, [['b', 'c'], ['a'], ['list.9', 'list.10', 'list.x']]);
});

const unsayable: readonly Description[] = [
  { updated: [['$a', one]] },
  { updated: [['a.$[]', one]] },
  { removed: ['a.$b'] },
  { truncated: [['', 1]] },
  { updated: [['a..b', one]] },
  { updated: [[Buffer.from('caf\xe9', 'latin1'), one]] },
  { updated: [['a.b', one]], paths: [['a.b', b.array(b.string('a.b'))]] },
];

for (const [number, of] of unsayable.entries()) {
  test(`a name that cannot be said as a path is rejected (${number})`, () => {
    assert.throws(() => statements(of), { kind: 'rejected', code: 'mongodb.delta-ambiguous' });
  });
}

test('a number as the name of a field is said as it is', () => {
  const paths: b.Field[] = [['a.0', b.array(b.string('a'), b.string('0'))]];
  assert.equal(statements({ updated: [['a.0', one]], paths }).length, 1);
});
