import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { Client } from 'pg';
import { silentLogger } from '../../core/logger.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Session } from './client.ts';
import { postgresSinkConfig } from './config.ts';
import { TargetNames } from './names.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';
import { StateTables, TABLES_LOCK } from './state-tables.ts';
import { TableGates } from './table-gates.ts';
import { Tables } from './tables.ts';

/*
 * What becomes of tables that others use and change: views, locks, columns and tables of their own.
 */

const signal = new AbortController().signal;
let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

function learn(coll: string, revision: number, fields: Readonly<Record<string, readonly string[]>>): void {
  const list = Object.entries(fields).map(([path, types]) => ({ path, types }));
  fixture.learned.set(coll, { revision, fields: list, maps: [] });
}

const run = (text: string) => fixture.client.query(text.replaceAll('$S', fixture.schema));
const rowsOf = (table: string, columns: string) =>
  fixture.rows(`select ${columns} from ${fixture.schema}."${table}" order by 1`);

/** What of the user's own makes the server refuse another type of the column `price` of the table TAB. */
const obstacles: Readonly<Record<string, string>> = {
  view: 'create view $S.TAB_view as select sum(price) from $S.TAB',
  generated: 'alter table $S.TAB add twice numeric generated always as (price * 2) stored',
  check: `alter table $S.TAB add check (price::text <> 'x' and price > 0)`,
  trigger: `create function $S.TAB_f() returns trigger language plpgsql as 'begin return new; end';
    create trigger t before update of price on $S.TAB for each row when (new.price > 5) execute function $S.TAB_f()`,
};

for (const [name, ddl] of Object.entries(obstacles)) {
  test(`a change that the server refuses because of a ${name} stops nothing`, async () => {
    const coll = `refused_${name}`;
    await using sink = await fixture.sink({ drift: { typeChange: 'text' } });
    learn(coll, 1, { price: ['int'] });
    await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document: { price: 5 } })]);
    await run(ddl.replaceAll('TAB', coll));
    const from = fixture.log.length;
    // Beside it another column is added.
    learn(coll, 2, { price: ['int'], note: ['string'] });
    for (const sequence of [2, 3]) {
      const document = { price: 'x', note: 'n' };
      const { rejections } = await writeEvents(sink, [event({ coll, id: sequence, sequence, document })]);
      assert.deepEqual(rejections, []);
    }
    const expected = [
      { _id: '~1', price: '5', note: null, doc: '5' },
      { _id: '~2', price: null, note: 'n', doc: 'x' },
      { _id: '~3', price: null, note: 'n', doc: 'x' },
    ];
    assert.deepEqual(await rowsOf(coll, `_id, price::text, note, document ->> 'price' as doc`), expected);
    assert.equal(fixture.log.slice(from).filter((line) => line.includes('server refuses a change')).length, 1);
  });
}

test('who does not own the table writes it without the columns that cannot be added', async () => {
  const coll = 'not_owned';
  learn(coll, 1, { a: ['int'] });
  {
    await using sink = await fixture.sink();
    await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document: { a: 1 } })]);
  }
  const role = `${fixture.schema}_role`;
  await run(`create role ${role} login; grant usage on schema $S, ${fixture.stateSchema} to ${role};
    grant all on all tables in schema $S, ${fixture.stateSchema} to ${role}`);
  try {
    const uri = new URL(fixture.uri);
    uri.username = role;
    await using sink = await fixture.sink({ uri: uri.href });
    learn(coll, 2, { a: ['int'], b: ['int'] });
    await writeEvents(sink, [event({ coll, id: 2, sequence: 2, document: { a: 2, b: 2 } })]);
    assert.deepEqual(await rowsOf(coll, '_id, a'), [
      { _id: '~1', a: '1' },
      { _id: '~2', a: '2' },
    ]);
  } finally {
    await run(`drop owned by ${role}; drop role ${role}`);
  }
});

test('a table that somebody reads is written to, and gets its column with all values when they are done', async () => {
  const coll = 'read';
  await using sink = await fixture.sink();
  learn(coll, 1, { a: ['int'] });
  await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document: { a: 1, b: 1 } })]);
  const analyst = new Client({ connectionString: fixture.uri });
  await analyst.connect();
  try {
    await analyst.query(`begin; select count(*) from ${fixture.schema}.${coll}`);
    learn(coll, 2, { a: ['int'], b: ['int'] });
    await writeEvents(sink, [event({ coll, id: 2, sequence: 2, document: { a: 2, b: 2 } })]);
    // Nothing of the sink is in the way of others while it waits for a better time.
    await run(`set lock_timeout = 100; select count(*) from $S.${coll}; reset lock_timeout`);
    assert.deepEqual(await rowsOf(coll, '_id, a'), [
      { _id: '~1', a: '1' },
      { _id: '~2', a: '2' },
    ]);
  } finally {
    await analyst.end();
  }
  let sequence = 10;
  const hasColumn = async () => {
    sequence += 1;
    await writeEvents(sink, [event({ coll, id: 3, sequence, document: { a: 3, b: 3 } })]);
    const columns = `select 1 from pg_attribute where attrelid = '${fixture.schema}.${coll}'::regclass and attname = 'b'`;
    return (await fixture.rows(columns)).length > 0;
  };
  await waitFor(hasColumn, { timeoutMs: 90_000, intervalMs: 100, message: 'the column is added' });
  assert.deepEqual(await rowsOf(coll, '_id, b'), [
    { _id: '~1', b: '1' },
    { _id: '~2', b: '2' },
    { _id: '~3', b: '3' },
  ]);
});

test('new columns and child tables have the values of the documents that were there before', async () => {
  const coll = 'filled';
  const at = new Date('2026-01-02T03:04:05.678Z');
  const id = new BSON.UUID('00112233-4455-6677-8899-aabbccddeeff');
  const whole = {
    i: 7,
    f: 1.5,
    n: BSON.Decimal128.fromString('12345678901234567890.5'),
    yes: true,
    s: "it's",
    at,
    id,
    o: { x: Number.NaN },
    stamp: new BSON.Timestamp({ t: 5, i: 1 }),
    bytes: new BSON.Binary(Buffer.from('abc')),
    items: [{ q: 1 }, 'text', { q: 3 }],
  };
  const strange = {
    i: 'i',
    f: BSON.Decimal128.fromString('1e400'),
    n: 'n',
    yes: 1,
    s: null,
    at: '2026-02-30T00:00:00.000Z',
    id: 'no',
    o: 1,
    items: 5,
  };
  const types = { i: ['int'], f: ['double'], n: ['decimal'], yes: ['bool'], s: ['string'], at: ['date'] };
  const more = { id: ['binData'], o: ['object'], 'o.x': ['double'], stamp: ['timestamp'], bytes: ['binData'] };
  const names = 'i, f, n, yes, s, at, id, o_x, stamp, bytes';
  {
    await using sink = await fixture.sink({ columns: { from: 'none' } });
    const many = Array.from({ length: 2_500 }, (_, n) =>
      event({ coll, id: `row-${n}`, sequence: 3, document: { i: n } }),
    );
    await writeEvents(sink, many);
    await writeEvents(sink, [
      event({ coll, id: 'a', sequence: 3, document: whole }),
      event({ coll, id: 'b', sequence: 3, document: strange }),
    ]);
  }
  learn(coll, 1, { ...types, ...more });
  const list = [{ path: 'bytes', type: 'bytea' }];
  const childTables = [
    { collection: 'shop.filled', path: 'items', from: 'listed', list: [{ path: 'q', type: 'bigint' }] },
  ];
  const settings = { columns: { depth: 2, list }, childTables };
  await using sink = await fixture.sink(settings);
  // Written with the columns: what was there before looks the same.
  const isFilled = async () => {
    await writeEvents(sink, [event({ coll, id: 'c', sequence: 4, document: whole })]);
    return (
      (
        await fixture.rows(
          `select 1 from ${fixture.stateSchema}.tables where wanted_table = $1 and not layout ? 'unfilled'`,
          [coll],
        )
      ).length > 0
    );
  };
  await waitFor(isFilled, { timeoutMs: 90_000, message: 'all rows are filled' });
  const [a, b, c] = await fixture.rows(
    `select ${names} from ${fixture.schema}.${coll} where _id in ('a', 'b', 'c') order by _id`,
  );
  assert.deepEqual(a, c);
  assert.ok(Object.values(a ?? {}).every((value) => value !== null));
  assert.ok(
    Object.values(b ?? {}).every((value) => value === null),
    JSON.stringify(b),
  );
  assert.deepEqual(
    await fixture.rows(
      `select count(*)::int as n, sum(i)::int as sum from ${fixture.schema}.${coll} where _id like 'row%'`,
    ),
    [{ n: 2_500, sum: (2_499 * 2_500) / 2 }],
  );
  const items = (parent: string) =>
    fixture.rows(`select _index, q, document from ${fixture.schema}.filled_items where _parent = $1 order by 1`, [
      parent,
    ]);
  assert.deepEqual(await items('a'), await items('c'));
  assert.equal((await items('a')).length, 3);
  // A column that is new in the child table.
  learn(coll, 2, { ...types, ...more, 'items[].q': ['int'] });
  await run(`alter table $S.filled_items drop column q`);
  await using later = await fixture.sink(settings);
  await writeEvents(later, [event({ coll, id: 'd', sequence: 5, document: whole })]);
  assert.deepEqual(
    (await items('a')).map(({ q }) => q),
    ['1', null, '3'],
  );
});

test('columns that a user drops, renames or gives another type are made again or followed', async () => {
  const coll = 'altered';
  learn(coll, 1, { dropped: ['int'], renamed: ['int'], widened: ['int'], theirs: ['int'] });
  const document = { dropped: 1, renamed: 2, widened: 3, theirs: 4 };
  {
    await using sink = await fixture.sink();
    await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document })]);
  }
  await run(`alter table $S.${coll} drop column dropped, alter widened type numeric, alter theirs type varchar(3);
    alter table $S.${coll} rename renamed to named_by_me`);
  await using sink = await fixture.sink();
  await writeEvents(sink, [event({ coll, id: 2, sequence: 2, document: { ...document, widened: 3.5 } })]);
  assert.deepEqual(await rowsOf(coll, '_id, dropped, renamed, widened::text, theirs_2'), [
    { _id: '~1', dropped: '1', renamed: '2', widened: '3', theirs_2: '4' },
    { _id: '~2', dropped: '1', renamed: '2', widened: '3.5', theirs_2: '4' },
  ]);
  assert.deepEqual(await rowsOf(coll, '_id, named_by_me, theirs'), [
    { _id: '~1', named_by_me: '2', theirs: '4' },
    { _id: '~2', named_by_me: null, theirs: null },
  ]);
});

test('tables that a user drops are made again: a child table with its rows, and one that is left without its table', async () => {
  const coll = 'parents';
  const settings = { childTables: [{ collection: 'shop.parents', path: 'items' }] };
  const write = async (id: number) => {
    await using sink = await fixture.sink(settings);
    await writeEvents(sink, [event({ coll, id, sequence: id, document: { items: [{ q: id }] } })]);
  };
  await write(1);
  await run('drop table $S.parents_items');
  await write(2);
  assert.deepEqual(await rowsOf('parents_items', '_parent, document'), [
    { _parent: '~1', document: { q: 1 } },
    { _parent: '~2', document: { q: 2 } },
  ]);
  await run('drop table $S.parents cascade');
  await write(3);
  await run('delete from $S.parents');
  assert.deepEqual(await rowsOf('parents_items', '_parent'), []);
});

test('a new field does not take a column that a user has added', async () => {
  const coll = 'with_own';
  await using sink = await fixture.sink();
  learn(coll, 1, { a: ['int'] });
  await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document: { a: 1 } })]);
  await run(
    `alter table $S.${coll} add extra text default 'mine', add twice text generated always as (_id || 'x') stored`,
  );
  learn(coll, 2, { a: ['int'], extra: ['string'], twice: ['string'] });
  await writeEvents(sink, [event({ coll, id: 1, sequence: 2, document: { a: 1, extra: 'e', twice: 't' } })]);
  assert.deepEqual(await rowsOf(coll, 'extra, extra_2, twice_2'), [{ extra: 'mine', extra_2: 'e', twice_2: 't' }]);
});

test('a collection whose name is taken has a table of another name', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [event({ coll: 'first', id: 1, sequence: 1 })]);
  await run(
    `create view $S.a_view as select 1 as one; create table $S.a_table (id int); create type $S.a_type as enum ('x')`,
  );
  const names = ['a_view', 'a_table', 'a_type', 'first_pkey'];
  await writeEvents(
    sink,
    names.map((coll, n) => event({ coll, id: n, sequence: 2 })),
  );
  for (const [n, name] of names.entries()) assert.deepEqual(await fixture.ids(`${name}_2`), [`~${n}`]);
});

test('a table that is no longer noted is taken over with its columns', async () => {
  const coll = 'restored';
  learn(coll, 1, { a: ['int'], b: ['string'] });
  for (const sequence of [1, 2]) {
    await using sink = await fixture.sink();
    await writeEvents(sink, [event({ coll, id: sequence, sequence, document: { a: sequence, b: 'b' } })]);
    await run(
      `delete from ${fixture.stateSchema}.tables where wanted_table = '${coll}'; alter table $S.${coll} drop column b, add b int`,
    );
  }
  await using sink = await fixture.sink();
  await writeEvents(sink, [event({ coll, id: 3, sequence: 3, document: { a: 3, b: 'b' } })]);
  assert.deepEqual(
    await rowsOf(coll, '_id, a, b, b_2'),
    [1, 2, 3].map((n) => ({ _id: `~${n}`, a: String(n), b: null, b_2: 'b' })),
  );
});

test('a table in whose place there is something else is told', async () => {
  const coll = 'replaced';
  {
    await using sink = await fixture.sink();
    await writeEvents(sink, [event({ coll, id: 1, sequence: 1 })]);
  }
  await run(`drop table $S.${coll}; create view $S.${coll} as select 1 as one`);
  await using sink = await fixture.sink();
  await assert.rejects(writeEvents(sink, [event({ coll, id: 2, sequence: 2 })]), {
    kind: 'config',
    code: 'postgres.table-foreign',
  });
});

test('a column is added without waiting for those who make or change other tables', async () => {
  const coll = 'beside';
  await using sink = await fixture.sink();
  learn(coll, 1, { a: ['int'] });
  await writeEvents(sink, [event({ coll, id: 1, sequence: 1, document: { a: 1 } })]);
  const other = new Client({ connectionString: fixture.uri });
  await other.connect();
  try {
    await other.query(`begin; ${TABLES_LOCK}`);
    learn(coll, 2, { a: ['int'], b: ['int'] });
    await writeEvents(sink, [event({ coll, id: 1, sequence: 2, document: { a: 1, b: 2 } })]);
    assert.deepEqual(await rowsOf(coll, 'a, b'), [{ a: '1', b: '2' }]);
  } finally {
    await other.end();
  }
});

test('a change that was refused is tried again, and then brings in what did not fit before', async () => {
  const coll = 'again';
  const at = { now: 0 };
  const config = postgresSinkConfig.parse({ uri: fixture.uri, schema: fixture.schema, drift: { typeChange: 'text' } });
  const state = new StateTables(fixture.stateSchema);
  const parts = {
    state,
    names: new TargetNames(config),
    columns: config,
    gates: new TableGates(),
    logger: silentLogger,
  };
  const tables = new Tables({ ...parts, now: () => at.now });
  await using session = await Session.open(config, signal);
  await state.prepare(session, signal);
  const namespace = { db: 'shop', coll };
  const learned = [{ path: 'price', types: ['int'] }];
  const misfits = [{ child: undefined, path: 'price', types: ['string'], count: 1, wants: 'text' as const }];
  const made = await tables.layOut(session, namespace, { learned }, signal);
  await run(
    `insert into $S.${coll} values ('x', '{"price": "cheap"}', 1, 1); create view $S.again_v as select price from $S.${coll}`,
  );
  const refused = await tables.layOut(session, namespace, { learned, misfits }, signal);
  assert.equal(refused.revision, made.revision);
  assert.equal(tables.isDue(made.id), false);
  await run('drop view $S.again_v');
  // Too early.
  assert.equal((await tables.layOut(session, namespace, { learned, misfits }, signal)).revision, made.revision);
  at.now += 60_000;
  assert.equal(tables.isDue(made.id), true);
  await tables.layOut(session, namespace, { learned }, signal);
  assert.deepEqual(await rowsOf(coll, 'price'), [{ price: 'cheap' }]);
  assert.equal(tables.isDue(made.id), false);
});

test('widening to jsonb leaves fields that are null NULL, and to numeric brings in NaN', async () => {
  const coll = 'nulls';
  learn(coll, 1, { v: ['int'], w: ['int'] });
  const documents = [
    { v: null, w: 1 },
    { v: 2, w: Number.NaN },
    { v: 'text', w: 'NaN?' },
  ];
  const write = async (settings: Record<string, unknown>, first: number) => {
    await using sink = await fixture.sink(settings);
    const events = documents.map((document, n) => event({ coll, id: first + n, sequence: first, document }));
    await writeEvents(sink, events);
  };
  await write({ drift: { typeChange: 'keep' } }, 1);
  const list = [
    { path: 'v', type: 'jsonb' },
    { path: 'w', type: 'numeric' },
  ];
  await write({ columns: { list } }, 4);
  const expected = [
    { v: null, w: '1' },
    { v: '2', w: 'NaN' },
    { v: '"text"', w: null },
  ];
  const rows = await rowsOf(coll, '_id, v::text, w');
  assert.deepEqual(
    rows,
    [...expected, ...expected].map((row, n) => ({ _id: `~${n + 1}`, ...row })),
  );
});

test('what another process has not filled is filled, but for a column that a constraint keeps from it', async () => {
  const coll = 'half';
  learn(coll, 1, { a: ['int'], b: ['int'] });
  const write = async (id: number) => {
    await using sink = await fixture.sink();
    await writeEvents(sink, [event({ coll, id, sequence: id, document: { a: 1, b: 2 } })]);
  };
  const leave = (column: string) =>
    run(`update $S.half set ${column} = null; update ${fixture.stateSchema}.tables
      set layout = layout || '{"unfilled": [{"column": "${column}"}]}' where wanted_table = 'half'`);
  await write(1);
  await leave('a');
  await write(2);
  assert.deepEqual(await rowsOf(coll, '_id, a, b'), [
    { _id: '~1', a: '1', b: '2' },
    { _id: '~2', a: '1', b: '2' },
  ]);
  await leave('b');
  await run(`alter table $S.half add check (_id <> '~1' or b is null)`);
  await write(3);
  assert.deepEqual(await rowsOf(coll, '_id, b'), [
    { _id: '~1', b: null },
    { _id: '~2', b: null },
    { _id: '~3', b: '2' },
  ]);
});
