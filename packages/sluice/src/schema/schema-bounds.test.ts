import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { childPath, nameSegment, parentPath, pathOf, segmentName, segmentsOf } from '../core/field-path.ts';
import { decodeSchema, encodeSchema } from './collection-schema.ts';
import { LearnedCollection } from './learned-collection.ts';
import { outlineOf } from './outline.ts';
import { inserts, pass, signal, typesIn, watchedSchema } from './schema-fixture.ts';

const numbered = (n: number, name: (index: number) => string, value: unknown) =>
  Object.fromEntries(Array.from({ length: n }, (_, index) => [name(index), value]));

test('names that are ids are one from the beginning', async () => {
  const { schema, view, changes } = watchedSchema();
  await using step = await schema.openStep(signal);
  const counters = (id: string, value: unknown) => ({ _id: 1, counters: { [id]: value } });
  await pass(step, ...inserts(counters('17', 1), counters(new BSON.ObjectId().toHexString(), 1), counters('x', 1)));
  await pass(step, ...inserts(counters(crypto.randomUUID(), 1), counters('18', 1)));
  assert.deepEqual(typesIn(view()), { _id: 'int', counters: 'object', 'counters.*': 'int', 'counters.x': 'int' });
  assert.deepEqual(changes, []);
  await pass(step, ...inserts(counters('19', 'text')));
  assert.deepEqual(
    changes.map(({ kind, path, types }) => [kind, path, types]),
    [['type-added', 'counters.*', ['string']]],
  );
});

test('a document with too many different names is a map: its names become one, with what is in them', async () => {
  const { schema, view, changes } = watchedSchema({ collapseAbove: 10 });
  await using step = await schema.openStep(signal);
  const scores = (...names: string[]) => ({ _id: 1, by: Object.fromEntries(names.map((name) => [name, { n: 1 }])) });
  await pass(step, ...inserts(scores('a', 'b'), scores('c', 'd'), scores('e', 'f', 'g', 'h', 'i')));
  assert.equal(Object.keys(typesIn(view())).length, 2 + 9 * 2);
  await pass(step, ...inserts(scores('j'), scores('k')));
  const collapsed = { _id: 'int', by: 'object', 'by.*': 'object', 'by.*.n': 'int' };
  assert.deepEqual(typesIn(view()), collapsed);
  assert.deepEqual(view().collections[0]?.maps, ['by']);
  assert.deepEqual(
    changes.map(({ path }) => path),
    ['by.j'],
    'until then they are changes',
  );
  await pass(step, ...inserts(...Array.from({ length: 50 }, (_, n) => scores(`later${n}`))));
  assert.deepEqual([typesIn(view()), changes.length], [collapsed, 1]);
  const counts = view().collections[0]?.fields.map(({ path, seen }) => [path, seen]);
  assert.deepEqual(counts, [
    ['_id', 55],
    ['by', 55],
    ['by.*', 55],
    ['by.*.n', 55],
  ]);
});

test('maps in maps and in lists; a wide document itself is none', async () => {
  const { schema, view } = watchedSchema({ collapseAbove: 10 });
  await using step = await schema.openStep(signal);
  const inner = numbered(12, (n) => `in${n}`, 'x');
  const outer = numbered(12, (n) => `out${n}`, inner);
  await pass(step, ...inserts({ ...numbered(30, (n) => `field${n}`, 1), outer, list: [inner] }));
  const types = typesIn(view());
  assert.equal(Object.keys(types).length, 30 + 3 + 1 + 2);
  assert.deepEqual([types['outer.*'], types['outer.*.*'], types['list[].*']], ['object', 'string', 'string']);
  assert.deepEqual(view().collections[0]?.maps, ['list[]', 'outer', 'outer.*']);
});

test('fields and shapes have a limit that is told; what is beyond it is not watched and passes', async () => {
  const { schema, view, changes, log } = watchedSchema({ onChange: 'dead-letter', learnDocuments: 1 });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(numbered(1_990, (n) => `f${n}`, 1)));
  const refused = await pass(step, ...inserts(...Array.from({ length: 3_000 }, (_, n) => ({ [`extra${n}`]: 1 }))));
  const [users] = view().collections;
  assert.deepEqual([users?.fields.length, users?.limited, changes.length], [2_000, true, 10]);
  assert.equal(refused.filter((error) => error !== undefined).length, 10);
  assert.equal(log.filter(([, , { code }]) => code === 'schema.limit').length, 1);
  assert.equal(users?.documents, 3_001);
});

test('collections have a limit that is told', async () => {
  const { schema, view, log } = watchedSchema({ onChange: 'allow' });
  await using step = await schema.openStep(signal);
  await pass(step, ...Array.from({ length: 1_010 }, (_, n) => ({ coll: `c${n}`, document: { a: 1 } })));
  assert.equal(view().collections.length, 1_000);
  assert.equal(log.length, 1);
});

test('many shapes of few fields are counted right though not all are remembered', async () => {
  const { schema, view } = watchedSchema({ onChange: 'allow' });
  await using step = await schema.openStep(signal);
  const document = (n: number) =>
    Object.fromEntries(Array.from({ length: 13 }, (_, bit) => [`b${bit}`, 1]).filter((_, bit) => n & (1 << bit)));
  for (let round = 0; round < 2; round++) {
    await pass(step, ...inserts(...Array.from({ length: 1 << 13 }, (_, n) => document(n))));
  }
  const [users] = view().collections;
  assert.equal(users?.documents, 2 << 13);
  assert.deepEqual(new Set(users?.fields.map(({ seen }) => seen)), new Set([1 << 13]));
});

const NAMES = ['a', '', '""', '*', '.', 'a.b', 'a[]', '[]', '\\', 'a\\.b', '💧', 'x y', '__proto__'];

test('paths tell apart every name', () => {
  const paths = NAMES.flatMap((outer) => NAMES.map((inner) => [outer, inner] as const));
  const seen = new Set<string>();
  for (const names of paths) {
    const segments = names.map(nameSegment);
    const path = segments.reduce(childPath, '');
    assert.deepEqual(segmentsOf(path), segments, path);
    assert.deepEqual(segmentsOf(path).map(segmentName), names);
    assert.deepEqual([pathOf(segmentsOf(path)), parentPath(path)], [path, segments[0]]);
    seen.add(path);
  }
  assert.equal(seen.size, paths.length);
  assert.deepEqual(segmentsOf('a[][].b'), ['a', '[]', '[]', 'b']);
  assert.equal(nameSegment('x'.repeat(500)).length, 201);
});

test('a schema is the same after it was written and read, and adding it to nothing gives it again', () => {
  const room = () => ({ fields: 0, tallies: 0 });
  const learned = new LearnedCollection('test.users', room(), 10);
  const document = BSON.serialize({ a: [1, 'x', { 'b.c': null }], m: numbered(20, (n) => `k${n}`, 1), __proto: 1 });
  learned.learn(outlineOf(document, learned), { atMs: 5, whole: true, pending: true });
  learned.documents += 1;
  const schema = learned.schema();
  assert.deepEqual(decodeSchema(encodeSchema(schema), 'test.users'), schema);
  const other = new LearnedCollection('test.users', room(), 10);
  other.add(schema);
  assert.deepEqual(other.schema(), schema);
});
