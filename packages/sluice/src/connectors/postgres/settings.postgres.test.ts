import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { Session } from './client.ts';
import { postgresSinkConfig } from './config.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

/*
 * Roles with settings of their own, under which what is written must be the same.
 */

const signal = new AbortController().signal;
let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

/** The address with a new role that has these settings. */
async function roleWith(name: string, settings: Readonly<Record<string, string>>, kind = 'superuser') {
  const role = `${fixture.schema}_${name}`;
  await fixture.client.query(`create role ${role} login ${kind}`);
  for (const [setting, value] of Object.entries(settings)) {
    await fixture.client.query(`alter role ${role} set ${setting} = ${value}`);
  }
  const drop = async () => {
    await fixture.client.query(`drop owned by ${role} cascade`);
    await fixture.client.query(`drop role ${role}`);
  };
  return { uri: Object.assign(new URL(fixture.uri), { username: role }).href, [Symbol.asyncDispose]: drop };
}

test('what a role has set otherwise does not change what is stored', async () => {
  const { schema, client } = fixture;
  await client.query(`create schema ${schema}_own`);
  await client.query(`create domain ${schema}_own.jsonb as text; create domain ${schema}_own.bigint as text`);
  await using role = await roleWith('odd', {
    search_path: `${schema}_own, pg_catalog`,
    lock_timeout: '1',
    statement_timeout: '5000',
    session_replication_role: 'replica',
    default_transaction_isolation: 'serializable',
    datestyle: `'German'`,
    timezone: `'Asia/Tokyo'`,
    intervalstyle: `'sql_standard'`,
    synchronous_commit: 'off',
    idle_session_timeout: '20000',
    standard_conforming_strings: 'off',
    bytea_output: `'escape'`,
  });
  await using session = await Session.open(postgresSinkConfig.parse({ uri: role.uri }), signal);
  const timeouts = ['lock_timeout', 'statement_timeout', 'idle_session_timeout'];
  const { rows: set } = await session.query(
    { text: `select ${timeouts.map((name) => `current_setting('${name}') as ${name}`).join(', ')}` },
    signal,
  );
  assert.deepEqual(set, [{ lock_timeout: '0', statement_timeout: '1min', idle_session_timeout: '0' }]);
  const types = { d: ['date'], l: ['long'], items: ['array'] };
  const fields = Object.entries(types).map(([path, names]) => ({ path, types: names }));
  fixture.learned.set('odd', { revision: 1, fields, maps: [] });
  const settings = { uri: role.uri, childTables: [{ collection: 'shop.odd', path: 'items' }] };
  await using sink = await fixture.sink(settings);
  const when = new Date('2024-02-03T04:05:06.789Z');
  const document = { d: when, l: 5, items: [{ a: 1 }, { a: 2 }] };
  await writeEvents(
    sink,
    [1, 2].map((id) => event({ coll: 'odd', id, sequence: id, document })),
  );
  await writeEvents(sink, [event({ coll: 'odd', id: 1, sequence: 3, op: 'delete' })]);
  const text = `select o._id, d, pg_typeof(o.document)::text as type, count(*)::int as items
    from ${schema}.odd o join ${schema}.odd_items i on i._parent = o._id group by 1, 2, 3`;
  assert.deepEqual(await fixture.rows(text), [{ _id: '~2', d: when, type: 'jsonb', items: 2 }]);
  const children = await fixture.rows(`select distinct _parent from ${schema}.odd_items`);
  assert.deepEqual(children, [{ _parent: '~2' }]);
});

test('what was made read-only for the role is not written to, and it is said by whom', async () => {
  await using role = await roleWith('reader', { default_transaction_read_only: 'on' });
  await assert.rejects(fixture.sink({ uri: role.uri }), {
    kind: 'transient',
    code: 'postgres.read-only',
    message: /default_transaction_read_only/,
    hint: /set by: user/,
  });
});

test('a transaction that stands still is ended soon, so that its locks keep nobody out', async () => {
  await using session = await Session.open(postgresSinkConfig.parse({ uri: fixture.uri }), signal);
  const text = `select extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval)::int as seconds`;
  const { rows } = await session.query({ text }, signal);
  assert.deepEqual(rows, [{ seconds: 10 }]);
});
