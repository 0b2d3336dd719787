import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

type Document = Record<string, unknown>;

const insert = (coll: string, id: unknown, sequence: number, document: Document = {}) =>
  event({ coll, id, sequence, document });
const rename = (coll: string, to: string, sequence = 5) =>
  event({ coll, op: 'rename', sequence, fields: { to: { db: 'shop', coll: to }, dropTarget: true } });
const query = (text: string) => fixture.client.query(text.replaceAll('SCHEMA', fixture.schema));

test('columns and child tables that only the new table has are filled from the documents', async () => {
  const list = [
    { path: 'total', type: 'bigint' },
    { path: 'paid', type: 'timestamptz' },
  ];
  const sku = { path: 'sku', type: 'text' };
  await using sink = await fixture.sink({
    columns: { from: 'listed', collections: [{ collection: 'shop.swapped', from: 'listed', list }] },
    childTables: [{ collection: 'shop.swapped', path: 'items', from: 'listed', list: [sku] }],
  });
  const paid = new Date('2026-01-31T12:00:00.500Z');
  await writeEvents(sink, [
    insert('swapped', 9, 1, { total: 1, items: [{ sku: 'old' }] }),
    insert('loaded', 1, 2, { total: 10, paid, items: [{ sku: 'a' }, { sku: 'b' }] }),
    insert('loaded', 2, 2, { total: 'ten', paid: null, items: 'none' }),
    rename('loaded', 'swapped'),
  ]);
  assert.deepEqual(await fixture.rows(`select _id, total, paid from ${fixture.schema}.swapped order by 1`), [
    { _id: '~1', total: '10', paid },
    { _id: '~2', total: null, paid: null },
  ]);
  assert.deepEqual(
    await fixture.rows(`select _parent, _index, sku, document from ${fixture.schema}.swapped_items order by 1, 2`),
    [
      { _parent: '~1', _index: 0, sku: 'a', document: { sku: 'a' } },
      { _parent: '~1', _index: 1, sku: 'b', document: { sku: 'b' } },
    ],
  );
  assert.deepEqual(await fixture.ids('loaded'), []);
});

test('a column of another type gets what stands in the document, as if the document had been written there', async () => {
  const uuid = new BSON.UUID('00112233-4455-6677-8899-aabbccddeeff');
  const values: Readonly<Record<string, { readonly types: readonly string[]; readonly value: unknown }>> = {
    long: { types: ['long'], value: BSON.Long.fromString('9007199254740993') },
    double: { types: ['double'], value: new BSON.Double(1.5) },
    nan: { types: ['double'], value: Number.NaN },
    decimal: { types: ['decimal'], value: BSON.Decimal128.fromString('1.000000000000000000000050') },
    date: { types: ['date'], value: new Date('2026-01-31T12:00:00.500Z') },
    text: { types: ['string'], value: 'abc' },
    bool: { types: ['bool'], value: true },
    uuid: { types: ['binData'], value: uuid },
    bytes: { types: ['binData'], value: new BSON.Binary(Buffer.from([1, 2, 3])) },
    time: { types: ['timestamp'], value: new BSON.Timestamp({ t: 5, i: 1 }) },
    nothing: { types: ['string'], value: null },
  };
  const document = Object.fromEntries(Object.entries(values).map(([name, { value }]) => [name, value]));
  const types = ['text', 'jsonb', 'bytea', 'numeric', 'double precision', 'timestamptz', 'uuid', 'boolean', 'bigint'];
  for (const [at, type] of types.entries()) {
    const [from, to] = [`typed_${at}`, `as_${at}`];
    // The new table is there with its columns before the old one asks for others, as after a restart with other settings.
    const list = Object.keys(values).map((path) => ({ path, type }));
    await using sink = await fixture.sink({
      columns: { from: 'listed', collections: [{ collection: `shop.${to}`, from: 'listed', list }] },
    });
    await writeEvents(sink, [insert(to, 'direct', 9, document), insert(from, 'moved', 1, document)]);
    await writeEvents(sink, [rename(from, to)]);
    const columns = Object.keys(values)
      .map((name) => `"${name}"::text`)
      .join(', ');
    const [direct, moved] = await fixture.rows(`select ${columns} from ${fixture.schema}.${to} order by _id`);
    // As a text an object has the order and the spaces of jsonb.
    const time = (row: Document | undefined) => ({ ...row, time: JSON.parse(String(row?.['time'])) as unknown });
    if (type === 'text') assert.deepEqual(time(moved), time(direct), type);
    else assert.deepEqual(moved, direct, type);
  }
});

test('types that both tables have learned apart meet in the wider one', async () => {
  const cases = [
    {
      title: 'text and jsonb',
      from: ['string'],
      value: 'abc',
      to: ['timestamp'],
      other: new BSON.Timestamp({ t: 5, i: 1 }),
    },
    {
      title: 'uuid and bytea',
      from: ['binData'],
      value: new BSON.UUID('00112233-4455-6677-8899-aabbccddeeff'),
      to: ['binData'],
      other: new BSON.Binary(Buffer.from([1])),
    },
    { title: 'date and text', from: ['date'], value: new Date(0), to: ['string'], other: 'x' },
    { title: 'double and text', from: ['double'], value: new BSON.Double(1), to: ['string'], other: 'x' },
  ];
  for (const [at, { title, from, value, to, other }] of cases.entries()) {
    const [old, name] = [`met_${at}`, `meets_${at}`];
    fixture.learned.set(old, { revision: 1, fields: [{ path: 'v', types: from }], maps: [] });
    fixture.learned.set(name, { revision: 1, fields: [{ path: 'v', types: to }], maps: [] });
    await using sink = await fixture.sink();
    await writeEvents(sink, [insert(old, 'moved', 1, { v: value }), insert(name, 'a', 20, { v: other })]);
    await writeEvents(sink, [insert(name, 'direct', 21, { v: value }), rename(old, name)]);
    const rows = await fixture.rows(`select v::text from ${fixture.schema}.${name} where _id <> 'a' order by _id`);
    assert.deepEqual(rows[1], rows[0], title);
  }
});

test('a text that looks like a date and is none costs the column, and not the row', async () => {
  const list = [{ path: 'day', type: 'timestamptz' }];
  await using sink = await fixture.sink({
    columns: { from: 'listed', collections: [{ collection: 'shop.days', from: 'listed', list }] },
  });
  const days = ['2026-02-28T00:00:00.000Z', '2026-02-30T00:00:00.000Z', 'tomorrow'];
  await writeEvents(
    sink,
    days.map((day, id) => insert('texts', id, 1, { day })),
  );
  await writeEvents(sink, [insert('days', 9, 1), rename('texts', 'days')]);
  assert.deepEqual(await fixture.rows(`select _id, day from ${fixture.schema}.days order by 1`), [
    { _id: '~0', day: new Date(days[0] ?? '') },
    { _id: '~1', day: null },
    { _id: '~2', day: null },
  ]);
});

test('rows that the user keeps in the old table, or that the new one refuses, stop no rename', async () => {
  await using sink = await fixture.sink();
  await writeEvents(
    sink,
    [1, 2, 3, 4].map((id) => insert('old_name', id, 1, { id })),
  );
  await writeEvents(sink, [insert('new_name', 8, 1), insert('new_name', 9, 1)]);
  await query(`create table SCHEMA.of_old (id text references SCHEMA.old_name (_id)); insert into SCHEMA.of_old values ('~2');
    create table SCHEMA.of_new (id text references SCHEMA.new_name (_id)); insert into SCHEMA.of_new values ('~9');
    alter table SCHEMA.new_name add constraint none check ((document ->> 'id') is distinct from '3')`);
  for (let time = 0; time < 2; time++) {
    assert.equal((await writeEvents(sink, [rename('old_name', 'new_name')])).delivered, 1);
    assert.deepEqual(await fixture.ids('old_name'), ['~2', '~3']);
    assert.deepEqual(await fixture.ids('new_name'), ['~1', '~2', '~4', '~9']);
  }
  for (const message of ['rows of a renamed collection stay', 'rows that a renamed collection replaces stay']) {
    assert.ok(
      fixture.log.some((line) => line.startsWith(message)),
      message,
    );
  }
});

test('where renames are not followed a late change under the old name is kept, and the rename is told', async () => {
  const settings = { onRename: 'ignore' };
  await using one = await fixture.sink(settings);
  await using two = await fixture.sink(settings);
  await writeEvents(one, [insert('ra', 1, 1)]);
  assert.equal((await writeEvents(one, [rename('ra', 'rb', 10)])).filtered, 1);
  await writeEvents(two, [insert('ra', 2, 5)]);
  assert.deepEqual(await fixture.ids('ra'), ['~1', '~2']);
  assert.ok(fixture.log.some((line) => line.startsWith('a collection was renamed, and its rows stay')));
});
