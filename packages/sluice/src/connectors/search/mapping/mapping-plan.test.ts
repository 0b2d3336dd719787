import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crowdedObjects, fieldUsage, fitInto } from './field-usage.ts';
import { mappingChanges } from './mapping-changes.ts';
import { planMapping } from './mapping-plan.ts';
import type { FieldMapping, Properties } from './properties.ts';

const LONG: FieldMapping = { type: 'long' };
const TEXT: FieldMapping = { type: 'text', fields: { keyword: { type: 'keyword' } } };

/** As OpenSearch 2.19 counted them, see indexes.search.test.ts; Elasticsearch 7.10 counts the same. */
const COUNTS: readonly (readonly [Properties, number])[] = [
  [{}, 0],
  [{ a: LONG }, 1],
  [{ t: TEXT }, 2],
  [{ o: { type: 'object' } }, 1],
  [{ o: { type: 'object', enabled: false } }, 1],
  [{ o: { properties: { a: LONG, b: LONG } } }, 3],
  [{ o: { type: 'nested', properties: { a: LONG } } }, 2],
  [{ a: LONG, b: { type: 'alias', path: 'a' } }, 2],
  [{ a: { properties: { b: { properties: { c: TEXT } } } } }, 4],
  [{ t: { type: 'text', index_prefixes: {}, index_phrases: true } }, 3],
  [{ f: { type: 'flat_object' } }, 1],
];

test('fields are counted as the products count them', () => {
  for (const [properties, used] of COUNTS) assert.equal(fieldUsage({ properties }), used, JSON.stringify(properties));
  assert.equal(fieldUsage({ properties: { a: LONG }, runtime: { r: { type: 'long' } } }), 2);
});

test('objects with the most names come first', () => {
  const many = Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`n${at}`, LONG]));
  const properties = { a: LONG, b: { properties: { c: { properties: many }, d: LONG } } };
  assert.deepEqual(crowdedObjects({ properties }, 2), [
    { path: 'b.c', names: 5 },
    { path: '', names: 2 },
  ]);
});

test('of an addition the first fields are kept that fit', () => {
  const added = {
    t: TEXT,
    o: { type: 'object', properties: { a: LONG, b: LONG } },
    p: { type: 'object', properties: { x: LONG } },
  };
  assert.deepEqual(fitInto(added, {}, 7), { kept: added, used: 7, left: 0 });
  assert.deepEqual(fitInto(added, {}, 4), {
    kept: { t: TEXT, o: { type: 'object', properties: { a: LONG } } },
    used: 4,
    left: 3,
  });
  assert.deepEqual(fitInto(added, {}, -1), { kept: {}, used: 0, left: 7 });
  // What is there already costs nothing.
  assert.deepEqual(
    fitInto({ o: { type: 'object', properties: { b: LONG } } }, { o: { properties: { a: LONG } } }, 1).used,
    1,
  );
  assert.deepEqual(fitInto({ o: { type: 'object', properties: { b: LONG } } }, { o: { properties: { a: LONG } } }, 0), {
    kept: {},
    used: 0,
    left: 1,
  });
});

test('only what is missing is put, and objects are said as they are', () => {
  const existing: Properties = {
    a: LONG,
    o: { properties: { x: LONG } },
    n: { type: 'nested', properties: {} },
    e: { type: 'object', enabled: false },
  };
  const wanted: Properties = {
    a: LONG,
    b: TEXT,
    o: { type: 'object', properties: { x: LONG, y: LONG } },
    n: { type: 'object', properties: { z: LONG } },
    e: { type: 'object', properties: { z: LONG } },
  };
  assert.deepEqual(mappingChanges(existing, wanted), {
    added: {
      b: TEXT,
      o: { type: 'object', properties: { y: LONG } },
      n: { type: 'nested', properties: { z: LONG } },
    },
    conflicts: [],
  });
});

const PAIRS: readonly (readonly [has: FieldMapping, wanted: FieldMapping, effect: string | undefined])[] = [
  [LONG, LONG, undefined],
  [LONG, { type: 'double' }, 'imprecise'],
  [{ type: 'float' }, { type: 'double' }, undefined],
  [{ type: 'integer' }, LONG, 'refused'],
  [LONG, TEXT, 'refused'],
  [TEXT, LONG, 'imprecise'],
  [{ type: 'keyword' }, TEXT, undefined],
  [TEXT, { type: 'keyword' }, undefined],
  [{ type: 'date' }, { type: 'keyword' }, 'refused'],
  [LONG, { type: 'object', properties: {} }, 'refused'],
  [{ properties: {} }, LONG, 'refused'],
  [{ properties: {} }, { type: 'object', enabled: false }, 'refused'],
  [{ type: 'flat_object' }, { type: 'object', properties: {} }, undefined],
  [{ type: 'flat_object' }, LONG, 'refused'],
  [{ type: 'object', enabled: false }, LONG, undefined],
];

test('a type that is there stays, and what does not fit is told', () => {
  for (const [has, wanted, effect] of PAIRS) {
    const { added, conflicts } = mappingChanges({ a: has }, { a: wanted });
    assert.deepEqual(added, {});
    assert.equal(conflicts[0]?.effect, effect, JSON.stringify([has, wanted]));
  }
});

test('an object that turned out to be a map is closed once', () => {
  const wanted = { m: { type: 'flat_object' } };
  const closing = { m: { type: 'object', dynamic: false, properties: {} } };
  assert.deepEqual(mappingChanges({ m: { properties: { a: LONG } } }, wanted, true).added, closing);
  assert.deepEqual(mappingChanges({ m: { properties: { a: LONG } } }, wanted, 'false').added, {});
  assert.deepEqual(mappingChanges({ m: { dynamic: 'false', properties: { a: LONG } } }, wanted, true).added, {});
});

test('without room for all fields, the product must not map them by itself either', () => {
  const wanted = { properties: { a: LONG, b: LONG, c: LONG }, closed: false, problems: [] };
  const plan = planMapping({ properties: { a: LONG } }, wanted, 2);
  assert.deepEqual(plan.update, { dynamic: false, properties: { b: LONG } });
  assert.deepEqual([plan.room.used, plan.room.left, plan.takesOthers], [2, 1, true]);
  assert.deepEqual(crowdedObjects(plan.room.whole, 1), [{ path: '', names: 3 }]);
  const closed = planMapping({ dynamic: 'false', properties: { a: LONG, b: LONG } }, wanted, 2);
  assert.deepEqual([closed.update, closed.takesOthers], [undefined, true]);
  const strict = planMapping({ dynamic: 'strict', properties: { a: LONG, b: LONG } }, wanted, 2);
  assert.deepEqual([strict.update, strict.takesOthers], [undefined, false]);
});

test('nothing is put when nothing is missing', () => {
  const wanted = { properties: { a: LONG }, closed: false, problems: [] };
  assert.equal(planMapping({ properties: { a: LONG } }, wanted, 10).update, undefined);
  assert.deepEqual(planMapping({}, { ...wanted, properties: {}, closed: true }, 10).update, {
    dynamic: false,
    properties: {},
  });
});
