import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { type PostgresServer, startPostgres, testPostgres } from '../../testing/servers/postgres.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Session } from './client.ts';
import { postgresSinkConfig } from './config.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';
import { inTransaction } from './transaction.ts';

const signal = new AbortController().signal;
let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const insert = (coll: string, id: unknown, sequence: number) => event({ coll, id, sequence });

async function openSession(settings: Record<string, unknown> = {}): Promise<Session> {
  return await Session.open(postgresSinkConfig.parse({ uri: fixture.uri, ...settings }), signal);
}

/** A transaction of somebody else that holds the table until it is ended. */
async function holding(statement: string) {
  const client = new Client({ connectionString: fixture.uri });
  await client.connect();
  await client.query('begin');
  await client.query(statement);
  return { [Symbol.asyncDispose]: () => client.end() };
}

test('a server that is killed while it writes is a transient failure, and nothing is lost behind it', async () => {
  await using server = await startPostgres();
  await using place = await PostgresFixture.open(server.uri);
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const coll = delivery;
    let epoch: number | undefined;
    let done = 0;
    let kills = 0;
    for (let attempt = 0; done < 30 && attempt < 100; attempt++) {
      try {
        await using sink = await place.sink({ delivery });
        const claim = await sink.checkpoints?.claim('test/0', signal);
        epoch = claim?.epoch;
        // What came of a commit whose answer was lost stands in the checkpoint.
        if (claim?.checkpoint !== undefined) {
          const known = Number.parseInt(claim.checkpoint.position.token, 16);
          assert.ok(known === done || known === done + 1, `${known} of ${done}`);
          done = known;
        }
        for (; done < 30; done++) {
          const writing = writeEvents(
            sink,
            Array.from({ length: 500 }, (_, id) => insert(coll, id, done + 1)),
            { epoch },
          );
          writing.catch(() => {});
          if (done % 10 === 5 && kills <= done / 10) {
            kills += 1;
            await restart(server);
          }
          await writing;
        }
      } catch (error) {
        assert.equal((error as { readonly kind?: string }).kind, 'transient', String(error));
      }
    }
    assert.ok(kills >= 2, `${kills} kills`);
    const client = new Client({ connectionString: server.uri });
    await client.connect();
    const { rows } = await client.query(
      `select count(*)::int as rows, min((document ->> 'n')::int) as least from ${place.schema}."${coll}"`,
    );
    await client.end();
    assert.deepEqual(rows, [{ rows: 500, least: 30 }]);
  }
});

async function restart(server: PostgresServer): Promise<void> {
  await server.stop('SIGKILL');
  await server.start();
}

test('a connection that is lost while nothing is written is replaced without a failure', async () => {
  const name = `idle_${fixture.schema}`;
  await using sink = await fixture.sink({ uri: `${fixture.uri}?application_name=${name}` });
  await writeEvents(sink, [insert('idle', 1, 1)]);
  const open = async () =>
    (await fixture.rows('select pid from pg_stat_activity where application_name = $1', [name])).length;
  assert.equal(await open(), 1);
  await fixture.rows('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [name]);
  await waitFor(async () => (await open()) === 0, { timeoutMs: 30_000, message: 'the connection is gone' });
  await writeEvents(sink, [insert('idle', 2, 2)]);
  assert.deepEqual(await fixture.ids('idle'), ['~1', '~2']);
});

test('an abort gives up a server that stands still', async () => {
  await using server = await startPostgres();
  const session = await Session.open(postgresSinkConfig.parse({ uri: server.uri }), signal);
  await server.stop('SIGSTOP');
  const controller = new AbortController();
  const reason = new Error('enough');
  const query = session.query({ text: 'select 1' }, controller.signal);
  controller.abort(reason);
  await assert.rejects(query, (error) => error === reason);
  assert.ok(session.isLost);
  await server.start();
});

test('an abort ends a write at once and comes through unchanged, and the server rolls it back', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('aborted', 1, 1)]);
  await using held = await holding(`lock table ${fixture.schema}.aborted in exclusive mode`);
  const controller = new AbortController();
  const writing = writeEvents(sink, [insert('aborted', 2, 2)], { signal: controller.signal });
  await waitForLock('aborted');
  const reason = new Error('stop');
  controller.abort(reason);
  await assert.rejects(writing, (error) => error === reason);
  await held[Symbol.asyncDispose]();
  assert.deepEqual(await fixture.ids('aborted'), ['~1']);
});

async function waitForLock(coll: string): Promise<void> {
  const text = 'select 1 from pg_locks where not granted and relation = $1::regclass';
  const found = async () => (await fixture.rows(text, [`${fixture.schema}.${coll}`])).length > 0;
  await waitFor(found, { timeoutMs: 30_000, message: 'the write waits for the table' });
}

test('a write that waits for a lock too long is a transient failure', async () => {
  {
    // Making the table may take its time.
    await using first = await fixture.sink();
    await writeEvents(first, [insert('held', 1, 1)]);
  }
  await using sink = await fixture.sink({ statementTimeout: '3s' });
  await using _held = await holding(`lock table ${fixture.schema}.held in exclusive mode`);
  await assert.rejects(writeEvents(sink, [insert('held', 2, 2)]), { kind: 'transient', code: 'postgres.timeout' });
});

test('a process that is no longer the owner in the middle of a batch commits nothing', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('owned', 1, 1)]);
  let asked = 0;
  const lost = new Error('not mine any more');
  const ensureOwned = () => {
    asked += 1;
    if (asked === 3) throw lost;
  };
  await assert.rejects(writeEvents(sink, [insert('owned', 2, 2), insert('owned', 3, 3)], { ensureOwned }));
  assert.deepEqual(await fixture.ids('owned'), ['~1']);
});

test('two transactions that wait for each other are both done in the end', async () => {
  const path = `${fixture.schema}.deadlock`;
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('deadlock', 'a', 1), insert('deadlock', 'b', 2)]);
  await using one = await openSession();
  await using two = await openSession();
  const both = Promise.withResolvers<void>();
  let waiting = 0;
  let tries = 0;
  const lock = async (session: Session, ids: readonly string[]) =>
    await inTransaction(session, signal, async () => {
      tries += 1;
      for (const [at, id] of ids.entries()) {
        await session.query({ text: `update ${path} set _ord = _ord + 1 where _id = $1`, values: [id] }, signal);
        if (at === 0 && ++waiting === 2) both.resolve();
        if (at === 0) await both.promise;
      }
    });
  await Promise.all([lock(one, ['a', 'b']), lock(two, ['b', 'a'])]);
  assert.ok(tries > 2, 'one of them was made again');
  const rows = await fixture.rows(`select _ord from ${path}`);
  assert.deepEqual(rows, [{ _ord: '2' }, { _ord: '2' }]);
});

test('a login that is refused, a database that is not there and a server that does not answer are transient', async () => {
  const base = new URL(fixture.uri);
  const cases = [
    { uri: `${base.protocol}//${base.username}@${base.host}/nowhere`, code: 'postgres.no-database' },
    { uri: `${base.protocol}//nobody_at_all@${base.host}/postgres`, code: 'postgres.authentication' },
    { uri: 'postgres://postgres@127.0.0.1:1/postgres', code: 'postgres.unreachable' },
    { uri: `${fixture.uri}?sslmode=require`, code: 'postgres.tls' },
  ];
  for (const { uri, code } of cases) {
    await assert.rejects(fixture.sink({ uri }), { kind: 'transient', code });
  }
});

test('of several hosts the one is taken that answers and can be written to', async () => {
  const { host, pathname } = new URL(fixture.uri);
  await using sink = await fixture.sink({ uri: `postgres://postgres@127.0.0.1:1,${host}${pathname}` });
  await writeEvents(sink, [insert('hosts', 1, 1)]);
  assert.deepEqual(await fixture.ids('hosts'), ['~1']);
});
