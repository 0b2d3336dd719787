import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import type { SnapshotStatus } from '../../src/core/snapshot.ts';
import type { PipelineStatus } from '../../src/core/status.ts';
import { assertRight, KeyHistory } from '../../src/testing/key-history.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { withMongo } from '../../src/testing/servers/mongo-member.ts';
import { bsonDocuments, sinkRecordOf } from '../../src/testing/sink-record.ts';
import { preloadKeys, runWorkload } from '../../src/testing/workload.ts';
import { type FileBed, fileBed } from '../pipeline-bed.ts';
import { behindNow, documentsOf, isCopied } from '../snapshot-bed.ts';

const LIMIT = { timeout: 300_000 };
const KEYS = 600;

interface Bed extends FileBed {
  readonly mongo: string;
  readonly client: MongoClient;
  /** Fills collections of 600 documents. */
  fill(...collections: readonly string[]): Promise<void>;
  /** What arrived since the last question: operations by collection, `snapshot a` → how many. */
  arrived(): Promise<Record<string, number>>;
}

/** A pipeline from a database of its own into a file, with what the tests of this file ask of it. */
async function snapshotBed(source: object): Promise<Bed> {
  const mongo = await testMongo();
  const sink = { format: { name: 'change', json: 'bson' }, rotate: { bytes: '1GiB' } };
  const bed = await fileBed({ mongo, sink, source });
  const client = await MongoClient.connect(mongo);
  let seen = 0;
  return {
    ...bed,
    mongo,
    client,
    async fill(...collections) {
      for (const name of collections) {
        await preloadKeys({ uri: mongo, db: bed.db, collections: [name], keys: KEYS, seed: 1, padBytes: 20 });
      }
    },
    async arrived() {
      const events = bsonDocuments(await readFile(bed.output).catch(() => Buffer.alloc(0)));
      const counts: Record<string, number> = {};
      for (const event of events.slice(seen)) {
        const { op, namespace } = sinkRecordOf(event);
        const what = `${op} ${namespace.slice(bed.db.length + 1)}`;
        counts[what] = (counts[what] ?? 0) + 1;
      }
      seen = events.length;
      return counts;
    },
    async [Symbol.asyncDispose]() {
      await withMongo(mongo, (own) => own.db(bed.db).dropDatabase());
      await client.close();
      await bed[Symbol.asyncDispose]();
    },
  };
}

/** Runs the pipeline until everything so far is delivered and nothing is left to copy. */
async function runUntilDone(bed: Bed, meanwhile: () => Promise<unknown> = async () => {}): Promise<PipelineStatus> {
  await using sluice = bed.start();
  await bed.waitFor(sluice, ({ state, snapshot }) => state === 'running' && snapshot?.state !== 'copying');
  await meanwhile();
  const isBehind = await behindNow(bed.client);
  const status = await bed.waitFor(sluice, (now) => isBehind(now) && now.snapshot?.state !== 'copying');
  assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
  return status;
}

async function send(bed: Bed, command: object, expected = 200): Promise<SnapshotStatus> {
  const response = await fetch(`${bed.url}/api/pipelines/${bed.name}/snapshot`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(command),
  });
  const body = await response.json();
  assert.equal(response.status, expected, JSON.stringify(body));
  return body as SnapshotStatus;
}

test('only: it copies what is there, ends by itself, and a second run has nothing to do', LIMIT, async (t) => {
  const { seed } = testRandom(t);
  await using bed = await snapshotBed({ snapshot: { mode: 'only', maxRowsPerSecond: 800, chunkBytes: '64KiB' } });
  const keys = 3_000;
  const plan = { uri: bed.mongo, db: bed.db, keys, seed, pauseMs: 5 };
  await preloadKeys(plan);
  const stop = new AbortController();
  const workload = runWorkload({ ...plan, preloaded: true }, stop.signal);
  await using sluice = bed.start();
  await bed.waitFor(sluice, ({ snapshot }) => (snapshot?.rows ?? 0) > 500);
  stop.abort();
  await workload;
  const exit = await sluice.exit;
  assert.equal(exit.code, 0, sluice.stderr);
  const history = new KeyHistory('exactly-once');
  for (const event of bsonDocuments(await readFile(bed.output))) history.take(sinkRecordOf(event));
  assertRight([history], await documentsOf(bed.client, bed.db, ['items']));
  assert.ok(history.rows > keys / 2, `${history.rows} rows`);

  await bed.arrived();
  await using second = bed.start();
  assert.equal((await second.exit).code, 0, second.stderr);
  assert.deepEqual(await bed.arrived(), {});
});

test('initial: it copies once; what the filter covers later is copied alone', LIMIT, async () => {
  await using bed = await snapshotBed({ snapshot: 'initial' });
  await bed.fill('a', 'b', 'c');
  await bed.configure({ include: [`${bed.db}.a`] });
  const first = await runUntilDone(bed);
  assert.deepEqual([first.snapshot?.reason, first.snapshot?.state], ['initial', 'completed']);
  assert.deepEqual(await bed.arrived(), { 'snapshot a': KEYS });

  const change = (name: string) =>
    bed.client
      .db(bed.db)
      .collection(name)
      .updateOne({ k: 7 }, { $inc: { n: 1 } });
  const again = await runUntilDone(bed, () => change('a'));
  assert.equal(again.snapshot, undefined);
  assert.deepEqual(await bed.arrived(), { 'update a': 1 });

  await bed.configure({ include: [`${bed.db}.{a,b}`] });
  const grown = await runUntilDone(bed, () => change('b'));
  assert.equal(grown.snapshot?.reason, 'new-collections');
  assert.deepEqual(
    grown.snapshot?.collections.map(({ namespace }) => namespace),
    [`${bed.db}.b`],
  );
  assert.deepEqual(await bed.arrived(), { 'snapshot b': KEYS, 'update b': 1 });
});

test('match: only these documents are copied, and all changes come', LIMIT, async () => {
  await using bed = await snapshotBed({});
  await bed.fill('a', 'b');
  const match = { [`${bed.db}.a`]: { k: { $lt: { $numberInt: '100' } } } };
  await bed.configure({ snapshot: { mode: 'initial', match, chunkBytes: '64KiB' } });
  const change = () =>
    bed.client
      .db(bed.db)
      .collection('a')
      .updateOne({ k: 500 }, { $inc: { n: 1 } });
  await runUntilDone(bed, change);
  assert.deepEqual(await bed.arrived(), { 'snapshot a': 100, 'snapshot b': KEYS, 'update a': 1 });
});

test('on demand: a collection is copied while another streams, and obeys, over a restart too', LIMIT, async () => {
  // The copy must not end by itself before it is cancelled, however long the steps in between take.
  const slow = { mode: 'never', maxRowsPerSecond: 10 };
  await using bed = await snapshotBed({ snapshot: slow });
  await bed.fill('a', 'b');
  const a = bed.client.db(bed.db).collection('a');
  const rows = ({ snapshot }: PipelineStatus) => snapshot?.rows ?? 0;
  let paused = 0;
  {
    await using sluice = bed.start();
    await bed.waitFor(sluice, ({ state, checkpoint }) => state === 'running' && checkpoint !== undefined);
    await send(bed, { action: 'pause' }, 409);
    const started = await send(bed, { action: 'start', collections: [`${bed.db}.b`] }, 202);
    assert.deepEqual([started.reason, started.state], ['on-demand', 'copying']);
    await send(bed, { action: 'start' }, 409);
    await bed.waitFor(sluice, (status) => rows(status) > 0);
    await a.updateOne({ k: 1 }, { $inc: { n: 1 } });
    const isBehind = await behindNow(bed.client);
    const { snapshot } = await bed.waitFor(sluice, isBehind);
    assert.equal(snapshot?.state, 'copying', 'the change did not wait for the copy');
    assert.equal((await send(bed, { action: 'pause' })).state, 'paused');
    await sluice.end('SIGKILL');
  }
  {
    await using sluice = bed.start();
    const resumed = await bed.waitFor(sluice, ({ state, snapshot }) => state === 'running' && snapshot !== undefined);
    assert.equal(resumed.snapshot?.state, 'paused', 'the pause held over the kill');
    paused = rows(resumed);
    await a.updateOne({ k: 1 }, { $inc: { n: 1 } });
    const isBehind = await behindNow(bed.client);
    assert.equal(rows(await bed.waitFor(sluice, isBehind)), paused, 'nothing is copied meanwhile');
    await send(bed, { action: 'resume' });
    await bed.waitFor(sluice, (status) => rows(status) > paused);
    await sluice.end('SIGTERM');
  }
  {
    await using sluice = bed.start();
    const going = await bed.waitFor(sluice, ({ state, snapshot }) => state === 'running' && snapshot !== undefined);
    assert.equal(going.snapshot?.state, 'copying', 'it goes on where it was');
    assert.ok(rows(going) >= paused && paused > 0);
    await send(bed, { action: 'cancel' });
    await bed.waitFor(sluice, ({ snapshot }) => snapshot?.state === 'cancelled');
    await sluice.end('SIGTERM');
  }
  const arrived = await bed.arrived();
  assert.equal(arrived['update a'], 2);
  assert.ok((arrived['snapshot b'] ?? 0) < KEYS, 'it was cancelled before its end');
  await bed.configure({ snapshot: 'never' });
  await using sluice = bed.start();
  const last = await bed.waitFor(sluice, ({ state }) => state === 'running');
  assert.equal(last.snapshot, undefined, 'a copy that was cancelled does not come back');
  await send(bed, { action: 'start', collections: [`${bed.db}.b`], match: { k: { $gte: 590 } } }, 202);
  await bed.waitFor(sluice, isCopied);
  await sluice.end('SIGTERM');
  assert.deepEqual(await bed.arrived(), { 'snapshot b': 10 });
});
