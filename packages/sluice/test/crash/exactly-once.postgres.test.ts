import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeCheckpoint } from '../../src/core/checkpoint.ts';
import { type OracleEvent, startOracle } from '../../src/testing/oracle.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { withMongo } from '../../src/testing/servers/mongo-member.ts';
import { startPostgres } from '../../src/testing/servers/postgres.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { postgresTarget, waitUntilEqual, wholeDocuments, withPostgres } from '../document-targets.ts';
import { isReady } from '../pipeline-bed.ts';
import { workerBed } from '../worker-bed.ts';

const KILLS = 10;
const COLLECTION = 'items';

interface Place {
  readonly schema: string;
  readonly stateSchema: string;
  readonly partition: string;
}

/** What the target says of itself at one moment. */
interface Moment {
  readonly token: string;
  readonly counters: ReadonlyMap<string, number>;
}

test(`kill -9 at ${KILLS} random points: at each the rows are exactly those of the checkpoint beside them`, {
  timeout: 600_000,
}, async (t) => {
  const random = testRandom(t);
  const uri = await testMongo();
  await using server = await startPostgres();
  await using bed = await workerBed();
  const source = { uri, db: `exact_${bed.id}` };
  const name = `exact-${bed.id}`;
  const target = postgresTarget(server.uri);
  const { stateSchema } = target;
  const place = { schema: target.schema(source.db), stateSchema, partition: `${name}/0` };
  // Images as they were after each change, so that a row says which change it was made by.
  const images = { changeStreamPreAndPostImages: { enabled: true } };
  await withMongo(uri, (client) => client.db(source.db).createCollection(COLLECTION, images));
  await using oracle = await startOracle({ uri, db: source.db });
  const sink = target.sink({ delivery: 'exactly-once', batchRecords: 40 });
  const start = () => bed.start({ [name]: { source: wholeDocuments(source, { fullDocument: 'required' }), sink } });
  {
    await using first = await start();
    await first.waitFor(name, isReady);
  }
  const stop = new AbortController();
  const writing = runWorkload({ ...source, writers: 6, keys: 100, seed: random.seed, pauseMs: 10 }, stop.signal);
  const moments: Moment[] = [];
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await using victim = await start();
      // Some of the kills come while it starts, the others at any time of its work.
      if (kill % 4 !== 3) await victim.waitFor(name, ({ counts }) => counts.delivered > 0);
      await delay(random.next() * 800);
      if (kill % 3 === 1) {
        await server.stop('SIGKILL');
        await victim.process.end('SIGKILL');
        await server.start();
      } else await victim.process.end('SIGKILL');
      moments.push(await momentOf(server.uri, place));
    }
  } finally {
    stop.abort();
    await writing;
  }
  const events = await oracle.settle();
  assert.ok(events.length > 300, `only ${events.length} events were written`);
  for (const [kill, { token, counters }] of moments.entries()) {
    const expected = countersAt(events.filter(({ id }) => id <= token));
    assert.deepEqual(sorted(counters), sorted(expected), `after kill ${kill}`);
  }
  const tokens = moments.map(({ token }) => token);
  assert.deepEqual(tokens, tokens.toSorted(), 'the checkpoint does not go back');
  t.diagnostic(`${events.length} events, ${new Set(tokens).size} different checkpoints`);
  await using _last = await start();
  await waitUntilEqual(target, source, { collections: [COLLECTION], timeoutMs: 240_000 });
  await withMongo(uri, (client) => client.db(source.db).dropDatabase());
});

/** Checkpoint and rows as one transaction sees them. */
async function momentOf(uri: string, { schema, stateSchema, partition }: Place): Promise<Moment> {
  return withPostgres(uri, async (client) => {
    await client.query('begin isolation level repeatable read');
    const kept = await client.query<{ checkpoint: string }>(
      `select checkpoint from "${stateSchema}".checkpoints where partition = $1`,
      [partition],
    );
    const table = await client.query<{ there: boolean }>(
      `select to_regclass('"${schema}".items') is not null as there`,
    );
    const rows = table.rows[0]?.there
      ? (
          await client.query<{ _id: string; n: number }>(
            `select _id, (document->>'n')::int as n from "${schema}".items`,
          )
        ).rows
      : [];
    await client.query('commit');
    const text = kept.rows[0]?.checkpoint;
    assert.ok(text, 'there is a checkpoint');
    const { position } = decodeCheckpoint(text, partition, 'the target');
    return { token: position.token, counters: new Map(rows.map(({ _id, n }) => [_id, n])) };
  });
}

/** The counter of every document after these events. */
function countersAt(events: readonly OracleEvent[]): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const { event, op, n } of events) {
    if (!('documentKey' in event)) continue;
    const id = String(event.documentKey._id);
    if (op === 'delete') counters.delete(id);
    else if (n !== undefined) counters.set(id, n);
  }
  return counters;
}

const sorted = (counters: ReadonlyMap<string, number>) => [...counters].toSorted(([a], [z]) => (a < z ? -1 : 1));
