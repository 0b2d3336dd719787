import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, type WrittenBatch, writeEvents } from './sink-fixture.ts';

/*
 * Documents that change several times in one batch, and rows that depend on others: what is left is what writing each
 * change by itself would have left.
 */

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const NONE = { columns: { from: 'none' } };
const signal = new AbortController().signal;

async function query(text: string): Promise<readonly Record<string, unknown>[]> {
  return await fixture.rows(text.replaceAll('$S', fixture.schema));
}

function put(coll: string, id: unknown, sequence: number, document: Record<string, unknown> = {}): ChangeEvent {
  return event({ coll, id, sequence, op: 'replace', document });
}

function gone(coll: string, id: unknown, sequence: number): ChangeEvent {
  return event({ coll, id, sequence, op: 'delete' });
}

function sequences({ rejections }: WrittenBatch): readonly number[] {
  return rejections.map(({ envelope }) => Number.parseInt(envelope.event.id, 16)).toSorted((a, b) => a - b);
}

async function versions(table: string): Promise<Readonly<Record<string, unknown>>> {
  const rows = await query(`select _id, document ->> 'n' as n from $S."${table}" order by _id`);
  return Object.fromEntries(rows.map(({ _id, n }) => [String(_id), Number(n)]));
}

/** A batch in which document `x` has these states; those with `bad` are refused. */
const HISTORIES: readonly {
  readonly title: string;
  readonly states: readonly ('good' | 'bad' | 'gone')[];
  readonly left: number | undefined;
  readonly refused: readonly number[];
}[] = [
  { title: 'good, refused', states: ['good', 'bad'], left: 11, refused: [12] },
  { title: 'deleted, refused', states: ['gone', 'bad'], left: undefined, refused: [12] },
  { title: 'refused, refused', states: ['bad', 'bad'], left: 1, refused: [11, 12] },
  { title: 'good, refused, refused', states: ['good', 'bad', 'bad'], left: 11, refused: [12, 13] },
  { title: 'refused, good', states: ['bad', 'good'], left: 12, refused: [] },
  { title: 'refused, deleted', states: ['bad', 'gone'], left: undefined, refused: [] },
  { title: 'good, deleted, good, refused', states: ['good', 'gone', 'good', 'bad'], left: 13, refused: [14] },
];

const REFUSERS = {
  JSON: { coll: 'by_json', bad: { t: 'a\u0000' }, prepare: '' },
  constraint: {
    coll: 'by_check',
    bad: { bad: 1 },
    prepare: `alter table $S.by_check add constraint good check (not document ? 'bad')`,
  },
  'unique index': {
    coll: 'by_index',
    bad: { u: 'taken' },
    prepare: `create unique index on $S.by_index ((document ->> 'u'))`,
  },
} as const;

for (const [name, { coll, bad, prepare }] of Object.entries(REFUSERS)) {
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    test(`the newest state that is taken is written when newer ones are refused by ${name}, ${delivery}`, async () => {
      await using sink = await fixture.sink({ ...NONE, nul: 'dead-letter', delivery, attempts: 2 });
      const epoch = (await sink.checkpoints?.claim('test/0', signal))?.epoch;
      await writeEvents(sink, [put(coll, 'taker', 1, { u: 'taken' })], { epoch });
      if (prepare !== '' && delivery === 'at-least-once') await query(prepare);
      for (const { title, states, left, refused } of HISTORIES) {
        const id = `${title} ${delivery}`;
        await writeEvents(sink, [put(coll, id, 1)], { epoch });
        const events = states.map((state, at) =>
          state === 'gone' ? gone(coll, id, 11 + at) : put(coll, id, 11 + at, state === 'bad' ? bad : {}),
        );
        const written = await writeEvents(sink, [...events, put(coll, `beside ${id}`, 20)], { epoch });
        assert.deepEqual(sequences(written), refused, title);
        assert.equal(written.delivered, events.length + 1 - refused.length, title);
        const found = await versions(coll);
        assert.equal(found[id], left, title);
        assert.equal(found[`beside ${id}`], 20, title);
      }
    });
  }
}

test('states that come out of order are tried by their versions', async () => {
  await using sink = await fixture.sink({ ...NONE, nul: 'dead-letter' });
  const bad = { t: 'a\u0000' };
  const events = [put('mixed', 'x', 5, bad), put('mixed', 'x', 3), put('mixed', 'x', 4), put('mixed', 'x', 2)];
  assert.deepEqual(sequences(await writeEvents(sink, events)), [5]);
  assert.deepEqual(await versions('mixed'), { x: 4 });
});

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`rows that refer to rows of another table in the same batch are written behind them, ${delivery}`, async () => {
    await using sink = await fixture.sink({ ...NONE, delivery, attempts: 2 });
    const epoch = (await sink.checkpoints?.claim('test/0', signal))?.epoch;
    const [orders, customers] = [`orders_${delivery.length}`, `customers_${delivery.length}`];
    await writeEvents(sink, [put(orders, 'o', 1), put(customers, 'c', 1)], { epoch });
    await query(`alter table $S.${orders} add customer text generated always as (document ->> 'customer') stored`);
    await query(`alter table $S.${orders} add foreign key (customer) references $S.${customers}`);
    const events = [
      ...Array.from({ length: 150 }, (_, i) => put(customers, `c${i}`, 2)),
      ...Array.from({ length: 150 }, (_, i) => put(orders, `o${i}`, 3, { customer: `c${i}` })),
      put(orders, 'nobody', 4, { customer: 'nobody' }),
    ];
    const written = await writeEvents(sink, events, { epoch });
    assert.deepEqual(sequences(written), [4]);
    assert.equal((await fixture.ids(orders)).length, 151);
    // The customer goes before the order that refers to it.
    const removed = await writeEvents(sink, [gone(customers, 'c1', 5), gone(orders, 'o1', 6)], { epoch });
    assert.deepEqual(sequences(removed), []);
    const held = await writeEvents(sink, [put(customers, 'c2', 7), gone(customers, 'c2', 8)], { epoch });
    assert.deepEqual(sequences(held), [8]);
    assert.equal((await versions(customers))['c2'], 7);
  });
}

test('a row that refers to one of another lane is waited with', async () => {
  await using sink = await fixture.sink({ ...NONE, attempts: 10 });
  await writeEvents(sink, [put('later', 'l', 1), put('sooner', 's', 1)]);
  await query(`alter table $S.later add other text generated always as (document ->> 'other') stored`);
  await query(`alter table $S.later add foreign key (other) references $S.sooner`);
  const waiting = writeEvents(sink, [put('later', 'a', 2, { other: 'b' })]);
  const freeing = writeEvents(sink, [put('sooner', 'b', 3)]);
  assert.deepEqual([sequences(await waiting), sequences(await freeing)], [[], []]);
});

test('rows that exclude each other are exchanged, and what collides for good is a dead letter', async () => {
  await using sink = await fixture.sink({ ...NONE, attempts: 1 });
  await writeEvents(sink, [put('rooms', 'a', 1, { from: 1, to: 2 }), put('rooms', 'b', 1, { from: 2, to: 3 })]);
  await query(
    `alter table $S.rooms add at int4range generated always as (case when document ? 'from' then int4range((document ->> 'from')::int, (document ->> 'to')::int) end) stored`,
  );
  await query('alter table $S.rooms add exclude using gist (at with &&)');
  const swapped = [put('rooms', 'a', 2, { from: 2, to: 3 }), put('rooms', 'b', 3, { from: 1, to: 2 })];
  assert.deepEqual(sequences(await writeEvents(sink, swapped)), []);
  const written = await writeEvents(sink, [put('rooms', 'c', 4, { from: 1, to: 9 })]);
  assert.deepEqual(written.rejections[0]?.error.code, 'postgres.unique');
});

test('rows of others that refer to rows which are exchanged stay', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [put('swap', 'a', 1, { u: '1' }), put('swap', 'b', 1, { u: '2' })]);
  await query(`create unique index on $S.swap ((document ->> 'u'))`);
  await query('create table $S.notes (id text references $S.swap on delete cascade)');
  await query(`insert into $S.notes values ('a'), ('b')`);
  assert.deepEqual(
    sequences(await writeEvents(sink, [put('swap', 'a', 2, { u: '2' }), put('swap', 'b', 3, { u: '1' })])),
    [],
  );
  assert.equal((await query('select 1 from $S.notes')).length, 2);
});

test('a change that is no news is delivered, though the table would not take it any more', async () => {
  await using sink = await fixture.sink({ ...NONE, attempts: 1 });
  await writeEvents(sink, [put('replay', 'z', 1)]);
  await query(`create unique index on $S.replay ((document ->> 'u'))`);
  const log = [put('replay', 'a', 2, { u: '1' }), gone('replay', 'a', 3), put('replay', 'b', 4, { u: '1' })];
  for (const one of log) await writeEvents(sink, [one]);
  for (const one of log) assert.deepEqual(sequences(await writeEvents(sink, [one])), []);
  assert.deepEqual(await versions('replay'), { b: 4, z: 1 });
});

test('triggers see a delete, and the document that it deletes', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [put('audited', 'a', 1, { v: 1 })]);
  await query('create table $S.audit (op text, document jsonb)');
  await query(`create function $S.audit() returns trigger language plpgsql as
    $$ begin insert into "$S".audit values (tg_op, to_jsonb(coalesce(old, new)) -> 'document'); return null; end $$`);
  await query(
    'create trigger audit after insert or update or delete on $S.audited for each row execute function $S.audit()',
  );
  await writeEvents(sink, [gone('audited', 'a', 2)]);
  assert.deepEqual(await query('select op, document from $S.audit'), [
    { op: 'DELETE', document: { _id: 'a', n: 1, v: 1 } },
  ]);
});

test('deletes of rows that are there write where no empty row is taken, without a lock on the table', async () => {
  await using sink = await fixture.sink(NONE);
  const ids = Array.from({ length: 300 }, (_, id) => `i${id}`);
  await writeEvents(
    sink,
    ids.map((id) => put('filled', id, 1)),
  );
  await query(`alter table $S.filled add constraint filled check (document ? 'n')`);
  await query('create table $S.locks (mode text)');
  await query(`create function $S.see() returns trigger language plpgsql as $$ begin
    insert into "$S".locks select mode from pg_locks where relation = tg_relid and pid = pg_backend_pid(); return null; end $$`);
  await query('create trigger see after delete on $S.filled for each statement execute function $S.see()');
  await writeEvents(
    sink,
    ids.map((id) => gone('filled', id, 2)),
  );
  assert.deepEqual(await fixture.ids('filled'), []);
  assert.deepEqual(await query(`select 1 from $S.locks where mode = 'ShareRowExclusiveLock'`), []);
  const unknown = ids.map((id) => gone('filled', `un${id}`, 3));
  assert.deepEqual(sequences(await writeEvents(sink, [...unknown, put('filled', 'new', 3)])), []);
  assert.deepEqual(await versions('filled'), { new: 3 });
});

test('what a trigger raises refuses its row, and its words are shown to nobody', async () => {
  await using sink = await fixture.sink(NONE);
  await writeEvents(sink, [put('raising', 'x', 1)]);
  await query(`create function $S.raise() returns trigger language plpgsql as $$ begin
    if new.document ? 'state' then
      raise exception 'no % here', new.document ->> 'private' using errcode = new.document ->> 'state';
    end if; return new; end $$`);
  await query('create trigger raise before insert or update on $S.raising for each row execute function $S.raise()');
  const states = ['P0001', 'P0002', 'ZZ001', '42501', '0A000'];
  const bad = states.map((state, at) => put('raising', state, 2 + at, { state, private: 'SECRET' }));
  const written = await writeEvents(sink, [...bad, put('raising', 'good', 9)]);
  assert.deepEqual(sequences(written), [2, 3, 4, 5, 6]);
  for (const { error } of written.rejections) assert.doesNotMatch(`${error.message} ${error.hint}`, /SECRET/);
  await assert.rejects(writeEvents(sink, [put('raising', 'full', 10, { state: '53100', private: 'SECRET' })]), {
    kind: 'transient',
    code: 'postgres.resources',
    message: /^(?!.*SECRET)/,
  });
});

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`no transaction is open while rejections are handed over, ${delivery}`, async () => {
    const name = `dlq_${delivery}_${fixture.schema}`;
    await using sink = await fixture.sink({
      ...NONE,
      nul: 'dead-letter',
      delivery,
      uri: `${fixture.uri}?application_name=${name}`,
    });
    const coll = `slow_${delivery.length}`;
    const epoch = (await sink.checkpoints?.claim('test/0', signal))?.epoch;
    await writeEvents(sink, [put(coll, 'x', 1)], { epoch });
    await query(`alter table $S.${coll} add constraint good check (not document ? 'bad')`);
    const states: unknown[] = [];
    const reject = async () => {
      const rows = await fixture.rows('select state from pg_stat_activity where application_name = $1', [name]);
      states.push(...rows.map(({ state }) => state));
    };
    const events = [put(coll, 'a', 2, { t: '\u0000' }), put(coll, 'b', 3, { bad: 1 }), put(coll, 'c', 4)];
    assert.equal((await writeEvents(sink, events, { epoch, reject })).delivered, 1);
    assert.ok(states.length >= 2 && states.every((state) => state === 'idle'), states.join(', '));
    assert.deepEqual(await fixture.ids(coll), ['c', 'x']);
  });
}
