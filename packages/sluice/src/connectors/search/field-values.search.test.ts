import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { dbPointer, document, int32 } from '../../bson/test-support/bson-bytes.ts';
import { IndexesFixture } from './indexes-fixture.ts';
import { fieldUsage } from './mapping/field-usage.ts';
import { mapField, mappingFor } from './mapping/mapping-for.ts';
import { writeAll } from './sink-fixture.ts';

/** Every type, with values at its edges. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  double: [0.5, -0, 1e300, 5e-324],
  string: ['', 'text', 'x'.repeat(100_000), '2026-01-01', '12', 'a\u0000b'],
  binData: [new BSON.Binary(Buffer.alloc(50_000)), new BSON.UUID(), new BSON.Binary(Buffer.alloc(0))],
  objectId: [new BSON.ObjectId()],
  bool: [true, false],
  date: [new Date(0), new Date(8.64e15), new Date(-8.64e15), new Date(253_402_300_800_000)],
  regex: [/a+/i],
  javascript: [new BSON.Code('x'.repeat(40_000))],
  symbol: [new BSON.BSONSymbol('s')],
  int: [1, -5],
  timestamp: [new BSON.Timestamp({ t: 1_700_000_000, i: 5 }), new BSON.Timestamp({ t: 0, i: 0 })],
  long: [BSON.Long.MAX_VALUE, BSON.Long.MIN_VALUE],
  decimal: [BSON.Decimal128.fromString('1.10'), BSON.Decimal128.fromString('1E-6000')],
  maxKey: [new BSON.MaxKey()],
  minKey: [new BSON.MinKey()],
  null: [null],
  object: [{ a: { b: 1 } }, {}],
};

test('values of every type are taken by their own field, alone and in arrays', async () => {
  await using fixture = await IndexesFixture.open();
  await using sink = await fixture.search.sink({}, { learned: fixture.fields, logger: fixture.logger });
  const names = Object.keys(VALUES);
  fixture.fields.set({
    ...Object.fromEntries(names.map((name) => [name, name === 'object' ? 'object array' : `${name} array`])),
    ...Object.fromEntries(names.map((name) => [`${name}[]`, name])),
    'object.a.b': 'int',
    'object[].a.b': 'int',
    dbPointer: 'dbPointer',
  });
  let sequence = 0;
  const events = names.flatMap((name) =>
    [...VALUES[name]!, VALUES[name]!].map((value) =>
      fixture.search.event({ id: `${name} ${++sequence}`, sequence, document: { [name]: value } }),
    ),
  );
  const pointer = document(['_id', int32(0)], ['dbPointer', dbPointer('coll', '0'.repeat(24))]);
  events.push(fixture.search.event({ id: 0, sequence: ++sequence, after: pointer }));
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [events.length, []]);
  const { mappings } = await fixture.stored();
  const wanted = mappingFor(
    { learned: fixture.fields.of() },
    { mapField: mapField({ name: 'opensearch', major: 2, minor: 19 }) },
  );
  // Events of tests have a number of their own.
  assert.equal(fieldUsage(mappings), fieldUsage(wanted) + 1);
  const ids = async (query: object) => (await fixture.find(query)).map((id) => id.split(' ')[0]);
  assert.deepEqual(await ids({ range: { date: { gt: '9999-12-31T23:59:59.999Z' } } }), ['date', 'date', 'date']);
  assert.deepEqual(await ids({ range: { decimal: { gte: 1, lt: 2 } } }), ['decimal', 'decimal']);
  assert.deepEqual(await ids({ term: { 'decimal.keyword': '1.10' } }), ['decimal', 'decimal']);
  assert.deepEqual(await ids({ term: { long: '9223372036854775807' } }), ['long', 'long']);
  assert.deepEqual(await ids({ term: { timestamp: 5 } }), []);
  assert.deepEqual(await ids({ term: { 'timestamp.i': 5 } }), ['timestamp', 'timestamp']);
  assert.deepEqual(await ids({ term: { 'dbPointer.$ref': 'coll' } }), ['~0']);
  assert.deepEqual(await ids({ term: { 'object.a.b': 1 } }), ['object', 'object']);
});

test('a field that is known to have values of any types takes them all', async () => {
  await using fixture = await IndexesFixture.open();
  await using sink = await fixture.search.sink({}, { learned: fixture.fields, logger: fixture.logger });
  const names = Object.keys(VALUES);
  const scalars = names.filter((name) => !['object', 'timestamp', 'dbPointer'].includes(name));
  fixture.fields.set({
    any: names.join(' '),
    scalar: scalars.join(' '),
    n: 'int long double decimal',
    k: 'int date bool',
  });
  const values = names.flatMap((name) => VALUES[name]!);
  const numbers = ['int', 'long', 'double', 'decimal'].flatMap((name) => VALUES[name]!);
  const keywords = ['int', 'date', 'bool'].flatMap((name) => VALUES[name]!);
  const documents = [
    ...values.map((any) => ({ any })),
    ...scalars.flatMap((name) => VALUES[name]!).map((scalar) => ({ scalar })),
    ...numbers.map((n) => ({ n })),
    ...keywords.map((k) => ({ k })),
  ];
  const events = documents.map((document, sequence) => fixture.search.event({ sequence, document }));
  const { delivered, rejected } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejected], [events.length, []]);
  assert.equal((await fixture.search.found()).size, events.length);
});

test('what no number field can hold is refused, or kept when malformed values are ignored', async () => {
  for (const malformed of ['dead-letter', 'ignore'] as const) {
    await using fixture = await IndexesFixture.open();
    await using sink = await fixture.search.sink({ mapping: { malformed } }, { learned: fixture.fields });
    fixture.fields.set({ n: 'double', d: 'decimal' });
    const documents = [
      { n: Number.NaN },
      { n: Number.POSITIVE_INFINITY },
      { d: BSON.Decimal128.fromString('NaN') },
      { d: BSON.Decimal128.fromString('1E+6000') },
      { n: 1 },
    ];
    const events = documents.map((document, sequence) => fixture.search.event({ sequence, document }));
    const { delivered, rejections } = await writeAll(sink, events);
    assert.deepEqual([delivered, rejections.length], malformed === 'ignore' ? [5, 0] : [1, 4]);
    assert.equal((await fixture.find({ exists: { field: '_ignored' } })).length, malformed === 'ignore' ? 4 : 0);
    // The exact text is found all the same.
    assert.equal((await fixture.find({ term: { 'd.keyword': 'NaN' } })).length, malformed === 'ignore' ? 1 : 0);
  }
});

test('a map takes any names without a field for each, and closes an object that became one', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  fixture.fields.set({ 'm.*': 'int', 'late.a': 'int' }, ['m']);
  await fixture.prepare(indexes);
  fixture.fields.set({ 'm.*': 'int', 'late.*': 'int', 'ids.*': 'int', 'ids.all': 'int' }, ['m', 'late']);
  await fixture.prepare(indexes);
  const names = Object.fromEntries(Array.from({ length: 1100 }, (_, at) => [`n${at}`, at]));
  assert.equal(await fixture.put('1', { m: names, late: names, ids: { ...names, all: 5 } }), undefined);
  const { mappings } = await fixture.stored();
  assert.ok(fieldUsage(mappings) < 10);
  // The server has no option against this.
  assert.equal(await fixture.put('2', { m: { a: 'x'.repeat(32_767) } }), 'illegal_argument_exception');
  assert.deepEqual(await fixture.find({ term: { 'm.n7': '7' } }), ['1']);
  assert.deepEqual(await fixture.find({ term: { 'ids.all': 5 } }), ['1']);
});

test('documents nested deeper than an index maps are taken', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  const path = Array.from({ length: 30 }, () => 'a');
  fixture.fields.set({ [path.join('.')]: 'int' });
  await fixture.prepare(indexes);
  const document = path.reduce<unknown>((below) => ({ a: below }), 1);
  assert.equal(await fixture.put('1', document as object), undefined);
  assert.equal(fixture.log.filter(({ level }) => level === 'warn').length, 1);
});
