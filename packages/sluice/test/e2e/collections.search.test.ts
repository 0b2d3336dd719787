import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { testSearch } from '../../src/testing/servers/search.ts';
import { runSluice } from '../../src/testing/sluice-process.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import {
  type DocumentTarget,
  postgresTarget,
  type SourcePlace,
  searchTarget,
  waitUntilEqual,
  wholeDocuments,
} from '../document-targets.ts';
import { isReady } from '../pipeline-bed.ts';
import { behindNow } from '../snapshot-bed.ts';
import { type RunningPipelines, workerBed } from '../worker-bed.ts';

const LIMIT = { timeout: 540_000 };
const LIMIT_MS = 180_000;
const DOCUMENTS = 120;

interface Item {
  _id: number;
  n: number;
  from: string;
}

interface Case {
  readonly client: MongoClient;
  readonly source: SourcePlace;
  readonly targets: readonly DocumentTarget[];
  readonly running: RunningPipelines;
  /** Names of the pipelines into each target. */
  readonly names: readonly string[];
  items(name: string): ReturnType<typeof itemsOf>;
  fill(name: string, from?: number): Promise<unknown>;
  /** Waits until every target holds what these collections hold. */
  equal(...collections: readonly string[]): Promise<void>;
}

const itemsOf = (client: MongoClient, db: string, name: string) => client.db(db).collection<Item>(name);

/** One process with a pipeline into an index, one into tables, and one into tables exactly once. */
async function withTargets(settings: object, body: (c: Case) => Promise<void>): Promise<void> {
  const uri = await testMongo();
  await using bed = await workerBed();
  await using index = searchTarget(await testSearch());
  await using table = postgresTarget(await testPostgres());
  await using exact = postgresTarget(await testPostgres());
  const targets = [index, table, exact];
  const source = { uri, db: `colls_${bed.id}` };
  const client = await MongoClient.connect(uri);
  const items = (name: string) => itemsOf(client, source.db, name);
  const sinks = [index.sink(), table.sink(), exact.sink({ delivery: 'exactly-once' })];
  const names = sinks.map((_, number) => `colls-${number}-${bed.id}`);
  const pipelines = sinks.map((sink, number) => [names[number], { source: wholeDocuments(source, settings), sink }]);
  try {
    await using running = await bed.start(Object.fromEntries(pipelines));
    for (const name of names) await running.waitFor(name, isReady, LIMIT_MS);
    await body({
      client,
      source,
      targets,
      running,
      names,
      items,
      fill: (name, from = 0) =>
        items(name).insertMany(
          Array.from({ length: DOCUMENTS }, (_, number) => ({ _id: from + number, n: 1, from: name })),
        ),
      async equal(...collections) {
        const isBehind = await behindNow(client);
        for (const name of names) await running.waitFor(name, isBehind, LIMIT_MS);
        for (const target of targets) await waitUntilEqual(target, source, { collections, timeoutMs: LIMIT_MS });
      },
    });
  } finally {
    await client.db(source.db).dropDatabase();
    await client.close();
  }
}

for (const ddl of [false, true]) {
  test(
    `collections that are dropped, made again and renamed (${ddl ? 'with' : 'without'} the source's ddl)`,
    LIMIT,
    () =>
      withTargets({ ddl }, async ({ client, source, items, fill, equal, targets }) => {
        const db = client.db(source.db);
        await fill('kept');
        await fill('again');
        await fill('moved');
        await equal('kept', 'again', 'moved');
        await items('again').drop();
        await items('again').insertOne({ _id: 7, n: 2, from: 'made again' });
        await equal('kept', 'again', 'moved');
        await items('moved').updateMany({ _id: { $lt: 20 } }, { $inc: { n: 1 } });
        await items('moved').rename('elsewhere');
        await items('elsewhere').updateMany({ _id: { $lt: 10 } }, { $inc: { n: 1 } });
        await items('elsewhere').deleteMany({ _id: { $gte: 100 } });
        await fill('moved', 1_000);
        await equal('kept', 'again', 'moved', 'elsewhere');
        await items('moved').rename('kept', { dropTarget: true });
        await equal('kept', 'again', 'elsewhere', 'moved');
        await db.dropDatabase();
        await equal('kept', 'again', 'elsewhere', 'moved');
        for (const target of targets) assert.deepEqual(await target.ids(source, 'kept'), []);
      }),
  );
}

test('a copy on demand brings what the target had never seen, and changes nothing else', LIMIT, () =>
  withTargets({}, async ({ client, source, items, fill, equal, running, names, targets }) => {
    await fill('items');
    await equal('items');
    // As if somebody had removed it from the target.
    for (const target of targets) await target.lose(source, 'items');
    await items('items').updateOne({ _id: 3 }, { $set: { n: 9 } });
    await items('items').deleteOne({ _id: 4 });
    const isBehind = await behindNow(client);
    for (const name of names) await running.waitFor(name, isBehind, LIMIT_MS);
    const writing = keepWriting(items('items'));
    for (const name of names) {
      const pattern = `${source.db}.items`;
      const run = await runSluice(['snapshot', name, '--collections', pattern, '--url', running.url]);
      assert.equal(run.code, 0, run.stderr);
    }
    await writing.stop();
    await equal('items');
  }),
);

function keepWriting(items: ReturnType<typeof itemsOf>) {
  const stop = new AbortController();
  let writes = 0;
  const done = (async () => {
    while (!stop.signal.aborted) await items.updateOne({ _id: 10 + (writes++ % 50) }, { $inc: { n: 1 } });
  })();
  return {
    async stop() {
      await waitFor(() => writes > 20, { timeoutMs: LIMIT_MS, message: 'something is written during the copy' });
      stop.abort();
      await done;
    },
  };
}
