import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import type { ChangeEvent } from '../../core/change-event.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, type WrittenBatch, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const NONE = { columns: { from: 'none' } };
const ALTER = (table: string, what: string) => fixture.client.query(`alter table ${fixture.schema}.${table} ${what}`);

function insert(coll: string, id: unknown, sequence: number, document: Record<string, unknown> = {}): ChangeEvent {
  return event({ coll, id, sequence, document });
}

function rejected({ rejections }: WrittenBatch): readonly (readonly [sequence: number, code: string])[] {
  const found = rejections.map(({ envelope, error }) => [Number.parseInt(envelope.event.id, 16), error.code] as const);
  return found.toSorted(([a], [b]) => a - b);
}

test('values that JSON or PostgreSQL have no form for are written by rule, none is refused', async () => {
  fixture.learned.set('odd', {
    revision: 1,
    fields: ['d', 'n', 'l', 't', 'nan'].map((path, at) => ({
      path,
      types: [['date', 'decimal', 'long', 'string', 'double'][at] ?? ''],
    })),
    maps: [],
  });
  await using sink = await fixture.sink();
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 95; level++) deep = { deep };
  const documents: readonly Record<string, unknown>[] = [
    { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, zero: -0 },
    { n: BSON.Decimal128.fromString('9.999E+6144'), small: BSON.Decimal128.fromString('1E-6176') },
    { n: BSON.Decimal128.fromString('NaN'), other: BSON.Decimal128.fromString('-Infinity') },
    { l: BSON.Long.MAX_VALUE, other: BSON.Long.MIN_VALUE },
    { d: new BSON.Timestamp(1n), t: 5 },
    { d: new Date(8_640_000_000_000_000), t: 'x' },
    { d: new Date(-8_640_000_000_000_000) },
    { t: 'NUL \u0000 in the middle', 'na me': 'x' },
    { '': 'empty name', $dollar: 1, 'a.b': 2 },
    { t: 'x'.repeat(3_000_000) },
    deep,
    { min: new BSON.MinKey(), re: /x/i, bin: new BSON.Binary(Buffer.alloc(10)), code: new BSON.Code('f()') },
  ];
  const written = await writeEvents(
    sink,
    documents.map((document, id) => insert('odd', id, id, document)),
  );
  assert.deepEqual(rejected(written), []);
  assert.equal((await fixture.ids('odd')).length, documents.length);
  const [nul] = await fixture.rows(`select t from ${fixture.schema}.odd where _id = '~7'`);
  assert.equal(nul?.['t'], 'NUL  in the middle');
  assert.ok(fixture.log.some((line) => line.startsWith('NUL characters')));
});

test('documents with NUL characters are dead-lettered where that is asked for, their neighbours are written', async () => {
  await using sink = await fixture.sink({ ...NONE, nul: 'dead-letter' });
  const written = await writeEvents(sink, [
    insert('nuls', 1, 1),
    insert('nuls', 2, 2, { inside: [{ t: 'a\u0000' }] }),
    insert('nuls', 3, 3),
  ]);
  assert.deepEqual(rejected(written), [[2, 'bson.nul-character']]);
  assert.equal(written.delivered, 2);
  assert.deepEqual(await fixture.ids('nuls'), ['~1', '~3']);
});

test('rows that a constraint, an index or a trigger refuses are found one by one; all others are written', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('checked', 'seed', 0)]);
  await ALTER('checked', `add constraint positive check ((document ->> 'v')::numeric > 0)`);
  await fixture.client.query(`create index on ${fixture.schema}.checked ((document ->> 'long'))`);
  const bad: Readonly<Record<number, readonly [Record<string, unknown>, string]>> = {
    7: [{ v: -1 }, '23514'],
    311: [{ v: 'not a number' }, '22P02'],
    312: [{ long: Array.from({ length: 4_000 }, (_, i) => (i * 7919).toString(36)).join('') }, '54000'],
    999: [{ v: 0 }, '23514'],
  };
  const events = Array.from({ length: 1_000 }, (_, id) => insert('checked', id, id + 1, bad[id]?.[0] ?? { v: id + 1 }));
  const written = await writeEvents(sink, events);
  assert.deepEqual(
    rejected(written),
    Object.keys(bad).map((id) => [Number(id) + 1, 'postgres.row-refused']),
  );
  assert.equal(written.delivered, 996);
  assert.equal((await fixture.ids('checked')).length, 997);
  for (const { envelope, error } of written.rejections) {
    const [, state = '?'] = bad[Number.parseInt(envelope.event.id, 16) - 1] ?? [];
    assert.ok(error.message.includes(state), error.message);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /not a number/);
  }
});

test('deletes and rejections of one batch work where the table takes no empty rows', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('filled', 1, 1, { v: 1 }), insert('filled', 2, 2, { v: 2 })]);
  await ALTER('filled', `add constraint filled check (document ? 'v')`);
  const written = await writeEvents(sink, [
    event({ coll: 'filled', id: 1, sequence: 3, op: 'delete' }),
    insert('filled', 3, 4),
    insert('filled', 4, 5, { v: 4 }),
  ]);
  assert.deepEqual(rejected(written), [[4, 'postgres.row-refused']]);
  assert.deepEqual(await fixture.ids('filled'), ['~2', '~4']);
  await writeEvents(sink, [insert('filled', 1, 2, { v: 1 })]);
  assert.deepEqual(await fixture.ids('filled'), ['~2', '~4']);
});

test('a constraint that is checked at the end of a transaction refuses its rows only', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('deferred', 'root', 0)]);
  await ALTER('deferred', `add column parent text generated always as (document ->> 'parent') stored`);
  await ALTER(
    'deferred',
    `add foreign key (parent) references ${fixture.schema}.deferred deferrable initially deferred`,
  );
  const written = await writeEvents(sink, [
    insert('deferred', 'a', 1, { parent: 'root' }),
    insert('deferred', 'b', 2, { parent: 'nobody' }),
    insert('deferred', 'c', 3, { parent: 'a' }),
  ]);
  assert.deepEqual(rejected(written), [[2, 'postgres.row-refused']]);
  assert.deepEqual(await fixture.ids('deferred'), ['a', 'c', 'root']);
});

async function uniqueTable(table: string): Promise<void> {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert(table, 'a', 1, { email: 'a' }), insert(table, 'b', 2, { email: 'b' })]);
  await fixture.client.query(`create unique index on ${fixture.schema}.${table} ((document ->> 'email'))`);
}

const emails = async (table: string) => {
  const rows = await fixture.rows(
    `select _id, document ->> 'email' as email from ${fixture.schema}.${table} order by 1`,
  );
  return Object.fromEntries(rows.map(({ _id, email }) => [_id, email]));
};

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`values of a unique index can be passed on, exchanged, and only kept ones are refused (${delivery})`, async () => {
    const table = `unique_${delivery.replaceAll('-', '_')}`;
    await uniqueTable(table);
    await using sink = await fixture.sink({ ...NONE, delivery });
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    const passedOn = [insert(table, 'a', 3, { email: 'b' }), insert(table, 'b', 4, { email: 'c' })];
    assert.deepEqual(rejected(await writeEvents(sink, passedOn, { epoch })), []);
    assert.deepEqual(await emails(table), { a: 'b', b: 'c' });
    const exchanged = [insert(table, 'a', 5, { email: 'c' }), insert(table, 'b', 6, { email: 'b' })];
    assert.deepEqual(rejected(await writeEvents(sink, exchanged, { epoch })), []);
    assert.deepEqual(await emails(table), { a: 'c', b: 'b' });
    const taken = [insert(table, 'd', 7, { email: 'd' }), insert(table, 'c', 8, { email: 'c' })];
    const written = await writeEvents(sink, taken, { epoch });
    assert.deepEqual(rejected(written), [[8, 'postgres.unique']]);
    assert.deepEqual(await emails(table), { a: 'c', b: 'b', d: 'd' });
  });
}

test('a value of a unique index that another lane frees meanwhile is waited for', async () => {
  await uniqueTable('lanes');
  await using sink = await fixture.sink({ ...NONE, attempts: 10 });
  const taking = writeEvents(sink, [insert('lanes', 'x', 3, { email: 'a' })]);
  const freeing = writeEvents(sink, [insert('lanes', 'a', 4, { email: 'z' })]);
  assert.deepEqual([rejected(await taking), rejected(await freeing)], [[], []]);
  assert.deepEqual(await emails('lanes'), { a: 'z', b: 'b', x: 'a' });
});

test('a table that takes none of many documents, nor its own rows, stops the pipeline and fills no dead letters', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('wrong', 'seed', 0)]);
  await ALTER('wrong', 'add column needed int');
  await ALTER('wrong', 'add constraint needed check (needed is not null) not valid');
  const events = Array.from({ length: 200 }, (_, id) => insert('wrong', id, id + 1));
  const handed: unknown[] = [];
  const writing = writeEvents(sink, events, { reject: async (more) => void handed.push(...more) });
  await assert.rejects(writing, { kind: 'config', code: 'postgres.every-row-refused' });
  assert.equal(handed.length, 0);
});

test('the same over many small batches', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('drip', 'seed', 0)]);
  await ALTER('drip', 'add constraint never check (false) not valid');
  const batch = (first: number) => Array.from({ length: 30 }, (_, id) => insert('drip', first + id, first + id + 1));
  for (const first of [0, 30, 60]) assert.equal((await writeEvents(sink, batch(first))).rejections.length, 30);
  await assert.rejects(writeEvents(sink, batch(90)), { code: 'postgres.every-row-refused' });
});

test('any number of documents that a constraint refuses are dead letters while the table takes others', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('many', 'seed', 0, { v: 1 }), insert('beside', 'seed', 0)]);
  await ALTER('many', `add constraint v check (document ? 'v')`);
  const events = Array.from({ length: 300 }, (_, id) => insert('many', id, id + 1));
  const written = await writeEvents(sink, [...events, insert('beside', 1, 400)]);
  assert.equal(written.rejections.length, 300);
  assert.deepEqual(await fixture.ids('beside'), ['seed', '~1']);
});

test('any number of documents that are too large for an index are dead letters', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('large', 'seed', 0)]);
  await fixture.client.query(`create index on ${fixture.schema}.large ((document ->> 'long'))`);
  const long = Array.from({ length: 4_000 }, (_, i) => (i * 7919).toString(36)).join('');
  const events = Array.from({ length: 120 }, (_, id) => insert('large', id, id + 1, { long }));
  assert.equal((await writeEvents(sink, events)).rejections.length, 120);
});

test('other tables of the batch are written when one has a refused row', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [insert('mixed_a', 'seed', 0), insert('mixed_b', 'seed', 0)]);
  await ALTER('mixed_a', `add constraint v check (not document ? 'bad')`);
  const written = await writeEvents(sink, [
    insert('mixed_b', 1, 1),
    insert('mixed_a', 1, 2, { bad: 1 }),
    insert('mixed_b', 2, 3),
    insert('mixed_a', 2, 4),
  ]);
  assert.deepEqual(rejected(written), [[2, 'postgres.row-refused']]);
  assert.deepEqual(
    [await fixture.ids('mixed_a'), await fixture.ids('mixed_b')],
    [
      ['seed', '~2'],
      ['seed', '~1', '~2'],
    ],
  );
});
