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

function learn(coll: string, revision: number, fields: Readonly<Record<string, readonly string[]>>): void {
  const list = Object.entries(fields).map(([path, types]) => ({ path, types }));
  fixture.learned.set(coll, { revision, fields: list, maps: [] });
}

const rowsOf = (table: string, columns: string) =>
  fixture.rows(`select ${columns} from ${fixture.schema}."${table}" order by _id`);

test('learned fields are columns, and columns follow what is learned', async () => {
  await using sink = await fixture.sink();
  learn('grows', 1, { name: ['string'], total: ['int'] });
  await writeEvents(sink, [event({ coll: 'grows', id: 1, sequence: 1, document: { name: 'a', total: 5 } })]);
  learn('grows', 2, { name: ['string'], total: ['decimal', 'int'], at: ['date'] });
  const total = BSON.Decimal128.fromString('12345678901234567890.5');
  const at = new Date('2026-01-02T03:04:05.678Z');
  await writeEvents(sink, [event({ coll: 'grows', id: 2, sequence: 2, document: { total, at } })]);
  assert.deepEqual(await rowsOf('grows', '_id, name, total::text, at, pg_typeof(total)::text as type'), [
    { _id: '~1', name: 'a', total: '5', at: null, type: 'numeric' },
    { _id: '~2', name: null, total: '12345678901234567890.5', at, type: 'numeric' },
  ]);
});

test('a column that is widened to a text has what the documents show, of before and of after', async () => {
  await using sink = await fixture.sink({ drift: { typeChange: 'text' } });
  learn('widens', 1, { code: ['int'], flag: ['bool'], at: ['date'], id: ['binData'] });
  const values = { code: 7, flag: true, at: new Date(0), id: new BSON.UUID('00112233-4455-6677-8899-aabbccddeeff') };
  await writeEvents(sink, [event({ coll: 'widens', id: 1, sequence: 1, document: values })]);
  const texts = { code: 'seven', flag: 'yes', at: 'now', id: new BSON.Binary(Buffer.from([1, 2])) };
  // Nothing new was learned: the values themselves show it.
  await writeEvents(sink, [event({ coll: 'widens', id: 2, sequence: 2, document: texts })]);
  const rows = await rowsOf('widens', 'code, flag, at, id');
  assert.deepEqual(rows, [
    {
      code: '7',
      flag: 'true',
      at: '1970-01-01T00:00:00.000Z',
      id: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
    },
    { code: 'seven', flag: 'yes', at: 'now', id: Buffer.from([1, 2]) },
  ]);
});

test('drift can be kept in the document, or stop the pipeline', async () => {
  learn('drift', 1, { a: ['int'] });
  await using keeping = await fixture.sink({ drift: { newField: 'keep', typeChange: 'keep' } });
  await writeEvents(keeping, [event({ coll: 'drift', id: 1, sequence: 1, document: { a: 1 } })]);
  learn('drift', 2, { a: ['int', 'string'], b: ['int'] });
  await writeEvents(keeping, [event({ coll: 'drift', id: 2, sequence: 2, document: { a: 'text', b: 1 } })]);
  assert.deepEqual(await rowsOf('drift', 'a'), [{ a: '1' }, { a: null }]);
  await using stopping = await fixture.sink({ drift: { newField: 'stop' } });
  await assert.rejects(writeEvents(stopping, [event({ coll: 'drift', id: 3, sequence: 3 })]), {
    kind: 'config',
    code: 'postgres.new-field',
  });
});

test('a worker that does not know a column yet empties it all the same', async () => {
  learn('workers', 1, { a: ['int'] });
  await using one = await fixture.sink();
  await using other = await fixture.sink();
  await writeEvents(other, [event({ coll: 'workers', id: 1, sequence: 1, document: { a: 1 } })]);
  learn('workers', 2, { a: ['int'], b: ['int'] });
  await writeEvents(one, [event({ coll: 'workers', id: 1, sequence: 2, document: { a: 1, b: 2 } })]);
  assert.deepEqual(await rowsOf('workers', 'a, b'), [{ a: '1', b: '2' }]);
  learn('workers', 1, { a: ['int'] });
  await writeEvents(other, [event({ coll: 'workers', id: 1, sequence: 3, document: { a: 3 } })]);
  assert.deepEqual(await rowsOf('workers', 'a, b'), [{ a: '3', b: null }]);
});

test('elements of arrays are rows of a child table, replaced and deleted with their document', async () => {
  learn('orders', 1, { lines: ['array'], 'lines[]': ['object'], 'lines[].sku': ['string'], 'lines[].n': ['int'] });
  await using sink = await fixture.sink({ childTables: [{ collection: 'shop.orders', path: 'lines' }] });
  const order = (id: number, sequence: number, ...lines: readonly object[]) =>
    event({ coll: 'orders', id, sequence, document: { lines } });
  const lines = () => fixture.rows(`select _parent, _index, sku, n from ${fixture.schema}.orders_lines order by 1, 2`);
  await writeEvents(sink, [order(1, 1, { sku: 'a', n: 1 }, { sku: 'b' }), order(2, 2, { sku: 'c', n: 3 })]);
  assert.deepEqual(await lines(), [
    { _parent: '~1', _index: 0, sku: 'a', n: '1' },
    { _parent: '~1', _index: 1, sku: 'b', n: null },
    { _parent: '~2', _index: 0, sku: 'c', n: '3' },
  ]);
  await writeEvents(sink, [order(1, 3, { sku: 'd' }), order(2, 1, { sku: 'old' }), order(3, 4)]);
  assert.deepEqual(
    (await lines()).map(({ _parent, sku }) => [_parent, sku]),
    [
      ['~1', 'd'],
      ['~2', 'c'],
    ],
  );
  await writeEvents(sink, [event({ coll: 'orders', id: 1, sequence: 9, op: 'delete' })]);
  await writeEvents(sink, [order(1, 8, { sku: 'late' })]);
  assert.deepEqual(
    (await lines()).map(({ _parent, sku }) => [_parent, sku]),
    [['~2', 'c']],
  );
});

test('what a validator names are columns before the first document', async () => {
  await using sink = await fixture.sink({ columns: { from: 'validator' } });
  const properties = { name: { bsonType: 'string' }, age: { bsonType: 'int' } };
  const operationDescription = { validator: { $jsonSchema: { properties } } };
  const { delivered } = await writeEvents(sink, [
    event({ coll: 'validated', op: 'create', sequence: 1, fields: { operationDescription } }),
  ]);
  assert.equal(delivered, 1);
  await writeEvents(sink, [event({ coll: 'validated', id: 1, sequence: 2, document: { name: 'x', age: 4 } })]);
  assert.deepEqual(await rowsOf('validated', 'name, age'), [{ name: 'x', age: '4' }]);
});

test('several workers make one table at the same time', async () => {
  learn('together', 1, { a: ['int'], b: ['string'] });
  const sinks = await Promise.all(Array.from({ length: 4 }, () => fixture.sink()));
  await Promise.all(
    sinks.map((sink, id) => writeEvents(sink, [event({ coll: 'together', id, sequence: id, document: { a: id } })])),
  );
  assert.deepEqual(
    (await rowsOf('together', 'a')).map(({ a }) => a),
    ['0', '1', '2', '3'],
  );
  await Promise.all(sinks.map((sink) => sink[Symbol.asyncDispose]()));
});

test('names that are too long, collide when they are cut, or are hostile have tables of their own', async () => {
  await using sink = await fixture.sink();
  const long = 'a'.repeat(80);
  const names = [
    `${long}1`,
    `${long}2`,
    'ä'.repeat(40),
    'with "quotes" and ; drop',
    "it's",
    'Upper',
    'upper',
    'a.b',
    'select',
  ];
  await writeEvents(
    sink,
    names.map((coll, id) => event({ coll, id, sequence: id })),
  );
  const registered = await fixture.rows(
    `select wanted_table, table_name from ${fixture.stateSchema}.tables where wanted_table = any ($1)`,
    [names],
  );
  assert.equal(new Set(registered.map(({ table_name: name }) => name)).size, names.length);
  for (const { wanted_table: wanted, table_name: name } of registered) {
    assert.ok(Buffer.byteLength(String(name)) <= 63);
    const [row] = await fixture.rows(
      `select _id from ${fixture.schema}.${fixture.client.escapeIdentifier(String(name))}`,
    );
    assert.equal(row?.['_id'], `~${names.indexOf(String(wanted))}`);
  }
  // Another process finds the same ones.
  await using later = await fixture.sink();
  await writeEvents(later, [event({ coll: `${long}2`, id: 'more', sequence: 50 })]);
  const count = await fixture.rows(`select 1 from ${fixture.stateSchema}.tables where wanted_table = $1`, [`${long}2`]);
  assert.equal(count.length, 1);
});

test('a table that was dropped meanwhile is made again', async () => {
  learn('vanishes', 1, { a: ['int'] });
  await using sink = await fixture.sink();
  await writeEvents(sink, [event({ coll: 'vanishes', id: 1, sequence: 1, document: { a: 1 } })]);
  await fixture.client.query(`drop table ${fixture.schema}.vanishes`);
  const next = [event({ coll: 'vanishes', id: 2, sequence: 2, document: { a: 2 } })];
  await writeEvents(sink, next);
  assert.deepEqual(await rowsOf('vanishes', '_id, a'), [{ _id: '~2', a: '2' }]);
});

test('what others do to the columns of a table under a running sink is followed', async () => {
  learn('shaken', 1, { a: ['int'], b: ['string'] });
  await using sink = await fixture.sink();
  const write = (n: number) =>
    writeEvents(sink, [event({ coll: 'shaken', id: n, sequence: n, document: { a: n, b: `text ${n}` } })]);
  await write(1);
  for (const change of [
    'drop column a',
    'alter column b type bigint using 0',
    'drop column b, add column b text generated always as (_id) stored',
  ]) {
    await fixture.client.query(`alter table ${fixture.schema}.shaken ${change}`);
    await write(2);
    await write(3);
  }
  const rows = await rowsOf('shaken', "_id, document ->> 'b' as b");
  assert.deepEqual(rows, [
    { _id: '~1', b: 'text 1' },
    { _id: '~2', b: 'text 2' },
    { _id: '~3', b: 'text 3' },
  ]);
});
