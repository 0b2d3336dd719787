import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { type EventInit, event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

/** An event of another database than the others, to go to the same tables: the schema is a fixed one. */
const of = (db: string, init: EventInit) => {
  const { coll = 'items' } = init;
  return event({ ...init, coll, namespace: { db, coll } });
};
const isShared = (error: unknown) =>
  error instanceof SluiceError && error.kind === 'config' && error.code === 'postgres.shared-table';

test('with a fixed schema drops and renames of a collection are followed, as each one has its table', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [of('shop', { coll: 'alone', id: 1, sequence: 1 })]);
  await writeEvents(sink, [of('shop', { coll: 'alone', op: 'drop', sequence: 2 })]);
  assert.deepEqual(await fixture.ids('alone'), []);
  const to = { to: { db: 'shop', coll: 'moved' } };
  await writeEvents(sink, [of('shop', { coll: 'alone', id: 2, sequence: 3 })]);
  await writeEvents(sink, [of('shop', { coll: 'alone', op: 'rename', sequence: 4, fields: to })]);
  assert.deepEqual([await fixture.ids('alone'), await fixture.ids('moved')], [[], ['~2']]);
});

test('a table belongs to one collection: documents of another one are refused, also by another process', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [of('shop', { coll: 'orders', id: 1, sequence: 1 })]);
  const other = of('crm', { coll: 'orders', id: 1, sequence: 2, op: 'delete' });
  await assert.rejects(writeEvents(sink, [other]), isShared);
  await using later = await fixture.sink();
  await assert.rejects(writeEvents(later, [other]), isShared);
  assert.deepEqual(await fixture.ids('orders'), ['~1']);
  await using again = await fixture.sink();
  await writeEvents(again, [of('shop', { coll: 'orders', id: 2, sequence: 3 })]);
  assert.deepEqual(await fixture.ids('orders'), ['~1', '~2']);
});

test('of two collections that come to a new table at the same time one gets it', async () => {
  await using one = await fixture.sink();
  await using two = await fixture.sink();
  const outcomes = await Promise.allSettled([
    writeEvents(one, [of('shop', { coll: 'raced', id: 'a', sequence: 1 })]),
    writeEvents(two, [of('crm', { coll: 'raced', id: 'b', sequence: 1 })]),
  ]);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.ok(outcomes.every((outcome) => outcome.status === 'fulfilled' || isShared(outcome.reason)));
  assert.equal((await fixture.ids('raced')).length, 1);
});

test('what happens to a collection is not followed in the table of another', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [
    of('shop', { coll: 'stock', id: 1, sequence: 1 }),
    of('shop', { coll: 'goods', id: 2, sequence: 1 }),
  ]);
  const rename = (db: string, coll: string, to: { readonly db: string; readonly coll: string }) =>
    of(db, { coll, op: 'rename', sequence: 5, fields: { to } });
  const events = [
    of('crm', { coll: 'stock', op: 'drop', sequence: 3 }),
    rename('crm', 'stock', { db: 'crm', coll: 'elsewhere' }),
    rename('shop', 'goods', { db: 'crm', coll: 'stock' }),
    rename('shop', 'stock', { db: 'crm', coll: 'stock' }),
  ];
  for (const one of events) assert.equal((await writeEvents(sink, [one])).filtered, 1);
  assert.deepEqual([await fixture.ids('stock'), await fixture.ids('goods')], [['~1'], ['~2']]);
  assert.ok(fixture.log.some((line) => line.startsWith('the table has the documents of another collection')));
});

test('with a fixed table what replaces its collection from outside empties it', async () => {
  await using sink = await fixture.sink({ table: 'fixed' });
  await writeEvents(sink, [of('shop', { coll: 'made', id: 1, sequence: 1 })]);
  const out = {
    coll: 'tmp.agg_out.1',
    op: 'rename',
    sequence: 2,
    fields: { to: { db: 'shop', coll: 'made' } },
  } as const;
  assert.equal((await writeEvents(sink, [of('shop', out)])).delivered, 1);
  assert.deepEqual(await fixture.ids('fixed'), []);
});

test('tables of before that say nothing of their collections get that', async () => {
  await using first = await fixture.sink();
  await writeEvents(first, [of('shop', { coll: 'older', id: 1, sequence: 1 })]);
  await fixture.client.query(`alter table ${fixture.stateSchema}.tables drop column source`);
  await using sink = await fixture.sink();
  await writeEvents(sink, [of('shop', { coll: 'older', id: 2, sequence: 2 })]);
  await assert.rejects(writeEvents(sink, [of('crm', { coll: 'older', id: 3, sequence: 3 })]), isShared);
  assert.deepEqual(await fixture.ids('older'), ['~1', '~2']);
});
