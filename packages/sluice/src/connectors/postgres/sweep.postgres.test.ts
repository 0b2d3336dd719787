import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Session } from './client.ts';
import { postgresSinkConfig } from './config.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const insert = (coll: string, id: unknown, sequence: number) => event({ coll, id, sequence });
const drop = (coll: string, sequence: number) => event({ coll, op: 'drop', sequence });
const query = (text: string) => fixture.client.query(text.replaceAll('SCHEMA', fixture.schema));

test('rows that a foreign key keeps stay, the others go, and that is told', async () => {
  await using sink = await fixture.sink();
  await writeEvents(
    sink,
    [1, 2, 3, 4, 5].map((id) => insert('kept', id, 1)),
  );
  await query(`create table SCHEMA.notes (id text references SCHEMA.kept (_id));
    insert into SCHEMA.notes values ('~2'), ('~5')`);
  const { delivered } = await writeEvents(sink, [drop('kept', 5)]);
  assert.deepEqual([delivered, await fixture.ids('kept')], [1, ['~2', '~5']]);
  assert.ok(fixture.log.some((line) => line.startsWith('rows of documents that are gone at the source stay')));
  await query('drop table SCHEMA.notes');
  await writeEvents(sink, [drop('kept', 5)]);
  assert.deepEqual(await fixture.ids('kept'), []);
});

test('a constraint that is checked at the end of the transaction stops no sweep', async () => {
  await using sink = await fixture.sink();
  await writeEvents(
    sink,
    [1, 2, 3].map((id) => insert('deferred', id, 1)),
  );
  await query(`create table SCHEMA.later (id text references SCHEMA.deferred (_id) deferrable initially deferred);
    insert into SCHEMA.later values ('~2')`);
  await writeEvents(sink, [drop('deferred', 5)]);
  assert.deepEqual(await fixture.ids('deferred'), ['~2']);
});

test('a table of which nothing may be deleted stops nothing', async () => {
  await using sink = await fixture.sink();
  await writeEvents(
    sink,
    Array.from({ length: 150 }, (_, id) => insert('frozen', id, 1)),
  );
  await query(`create function SCHEMA.refuse() returns trigger language plpgsql as
      $$ begin raise exception 'no'; end $$;
    create trigger refuse before delete on SCHEMA.frozen for each row execute function SCHEMA.refuse()`);
  const { delivered } = await writeEvents(sink, [drop('frozen', 5), insert('other', 1, 6)]);
  assert.equal(delivered, 2);
  assert.equal((await fixture.ids('frozen')).length, 150);
});

test('a sweep waits for a writer that saves its checkpoint, and does not make the writer wait for it', async () => {
  const settings = { delivery: 'exactly-once' };
  await using sink = await fixture.sink(settings);
  const signal = new AbortController().signal;
  const claim = await sink.checkpoints?.claim('test/0', signal);
  const epoch = claim?.epoch;
  await writeEvents(sink, [insert('order', 1, 1)], { epoch });
  const config = postgresSinkConfig.parse({ uri: fixture.uri });
  await using writer = await Session.open(config, signal);
  await writer.query({ text: 'begin' }, signal);
  // As a batch does: rows first, the checkpoint last.
  await writer.query({ text: `update ${fixture.schema}."order" set document = document` }, signal);
  const sweeping = writeEvents(sink, [drop('order', 5)], { epoch });
  sweeping.catch(() => {});
  const isWaiting = async () => {
    const [row] = await fixture.rows(
      `select exists (select from pg_locks where relation = $1::regclass
        and mode = 'ShareRowExclusiveLock' and not granted) as waits`,
      [`${fixture.schema}."order"`],
    );
    return row?.['waits'] === true;
  };
  await waitFor(isWaiting, { timeoutMs: 30_000, message: 'the sweep waits for the writer' });
  await writer.query({ text: `set local lock_timeout = '200ms'` }, signal);
  await writer.query({ text: `update ${fixture.stateSchema}.checkpoints set saved_at = now()` }, signal);
  await writer.query({ text: 'commit' }, signal);
  assert.equal((await sweeping).delivered, 1);
  assert.deepEqual(await fixture.ids('order'), []);
});

test('behind a copy a row that is kept does not keep the others', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('copied', 1, 1), insert('copied', 2, 1), insert('copied', 3, 4)]);
  await query(`create table SCHEMA.copies (id text references SCHEMA.copied (_id));
    insert into SCHEMA.copies values ('~1')`);
  const since = new BSON.Timestamp(event({ sequence: 3 }).version.clusterTime);
  await writeEvents(sink, [event({ coll: 'copied', op: 'snapshotEnd', sequence: 9, fields: { since } })]);
  assert.deepEqual(await fixture.ids('copied'), ['~1', '~3']);
});
