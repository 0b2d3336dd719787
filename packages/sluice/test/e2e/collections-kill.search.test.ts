import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Db, MongoClient, MongoServerError } from 'mongodb';
import { type Random, testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { testSearch } from '../../src/testing/servers/search.ts';
import { postgresTarget, searchTarget, waitUntilEqual, wholeDocuments } from '../document-targets.ts';
import { isReady } from '../pipeline-bed.ts';
import { behindNow } from '../snapshot-bed.ts';
import { workerBed } from '../worker-bed.ts';

const COLLECTIONS = ['a', 'b', 'c'];
const KEYS = 400;
const KILLS = 4;
const MOST_PAUSE_MS = 60;
const LIMIT_MS = 240_000;

test('collections are dropped, made again and renamed all the time while the process is killed', {
  timeout: 1_200_000,
}, async (t) => {
  const random = testRandom(t);
  const uri = await testMongo();
  await using bed = await workerBed();
  await using index = searchTarget(await testSearch());
  await using marked = searchTarget(await testSearch());
  await using table = postgresTarget(await testPostgres());
  await using exact = postgresTarget(await testPostgres());
  const sinks = [
    index.sink(),
    marked.sink({ deletes: { mode: 'tombstone' } }),
    table.sink(),
    exact.sink({ delivery: 'exactly-once', batchRecords: 50 }),
  ];
  const source = { uri, db: `kills_${bed.id}` };
  const names = sinks.map((_, number) => `kills-${number}-${bed.id}`);
  const pipelines = Object.fromEntries(
    sinks.map((sink, number) => [names[number], { source: wholeDocuments(source), sink }]),
  );
  const client = await MongoClient.connect(uri);
  const db = client.db(source.db);
  const stop = new AbortController();
  let writing: Promise<number> = Promise.resolve(0);
  try {
    for (let kill = 0; kill <= KILLS; kill++) {
      await using running = await bed.start(pipelines);
      if (kill === 0) {
        for (const name of names) await running.waitFor(name, isReady, LIMIT_MS);
        writing = changeCollections(db, random.fork(1), stop.signal);
      }
      if (kill < KILLS) {
        await delay(1_500 + random.next() * 2_500);
        continue;
      }
      stop.abort();
      t.diagnostic(`${await writing} collections were dropped or renamed`);
      const isBehind = await behindNow(client);
      for (const name of names) await running.waitFor(name, isBehind, LIMIT_MS);
      for (const target of [index, marked, table, exact]) {
        await waitUntilEqual(target, source, { collections: COLLECTIONS, timeoutMs: LIMIT_MS });
      }
      assert.equal((await running.process.end('SIGTERM')).code, 0);
    }
  } finally {
    stop.abort();
    await writing;
    await db.dropDatabase();
    await client.close();
  }
});

/** Changes documents and, now and then, collections. Resolves with how many collections it dropped or renamed. */
async function changeCollections(db: Db, random: Random, signal: AbortSignal): Promise<number> {
  let changed = 0;
  for (let n = 0; !signal.aborted; n++) {
    const name = random.pick(COLLECTIONS);
    const items = db.collection<{ _id: number; n: number }>(name);
    const others = COLLECTIONS.filter((other) => other !== name);
    const fresh = Array.from({ length: 1 + random.int(30) }, () => ({ _id: random.int(KEYS), n }));
    const works = [
      ...Array.from({ length: 4 }, () => () => items.insertMany(fresh, { ordered: false })),
      ...Array.from(
        { length: 3 },
        () => () => items.updateMany({ _id: { $gte: random.int(KEYS) } }, { $inc: { n: 1 } }),
      ),
      () => items.deleteMany({ _id: { $mod: [7, random.int(7)] } }),
      () => items.drop().then(() => changed++),
      () => items.rename(random.pick(others), { dropTarget: true }).then(() => changed++),
    ];
    // A collection may be gone, and a document may be there already.
    await random
      .pick(works)()
      .catch((error: unknown) => {
        if (!(error instanceof MongoServerError)) throw error;
      });
    await delay(random.int(MOST_PAUSE_MS));
  }
  return changed;
}
