import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import type { PipelineStatus } from '../../src/core/status.ts';
import { assertRight, KeyHistory } from '../../src/testing/key-history.ts';
import { mixedId } from '../../src/testing/mixed-ids.ts';
import { testRandom } from '../../src/testing/random.ts';
import { startMongo, testMongo } from '../../src/testing/servers/mongo.ts';
import { stepDown } from '../../src/testing/servers/mongo-admin.ts';
import { sinkRecordOf } from '../../src/testing/sink-record.ts';
import { preloadKeys, runWorkload } from '../../src/testing/workload.ts';
import { overflowOplog } from '../overflow-oplog.ts';
import { behindNow, documentsOf, isCopied } from '../snapshot-bed.ts';
import { type RunningPipeline, type StreamBed, type StreamBedOptions, streamBed } from '../stream-bed.ts';

/*
 * Copies of what is written to meanwhile, by servers and into sinks that make it hard.
 */

const LIMIT = { timeout: 400_000 };

const rowsOf = ({ snapshot }: PipelineStatus) => snapshot?.rows ?? 0;

interface Hardship extends Pick<StreamBedOptions, 'mongo' | 'source' | 'before' | 'inFlightBytes'> {
  readonly seed: number;
  readonly keys: number;
  /** Settings of the source for what is left after `meanwhile`, where the copy is slow only to outlast that. */
  readonly rest?: object;
  /** What happens while the copy goes on; it must be longer than that. */
  readonly meanwhile: (running: RunningPipeline, client: MongoClient) => Promise<void>;
}

/** Copies documents while they are written to, and compares what came with the source. Returns the bed. */
async function copyThrough({ seed, keys, meanwhile, rest, ...options }: Hardship): Promise<StreamBed> {
  const { mongo } = options;
  const db = `hard_${randomUUID().slice(0, 8)}`;
  const plan = { uri: mongo, db, keys, seed, idOf: mixedId, pauseMs: 20 };
  await preloadKeys(plan);
  const history = new KeyHistory('at-least-once');
  const bed = streamBed({
    ...options,
    db,
    take: (event) => history.take(sinkRecordOf(event.raw)),
    restarted: () => history.restarted(),
  });
  const stop = new AbortController();
  const workload = runWorkload({ ...plan, preloaded: true }, stop.signal);
  const client = await MongoClient.connect(mongo);
  let running = bed.start();
  try {
    await running.waitFor((status) => rowsOf(status) > 0);
    await meanwhile(running, client);
    assert.equal(running.pipeline.status().snapshot?.state, 'copying', 'the copy ended too early');
    if (rest !== undefined) {
      await running.stop();
      running = bed.start({ source: rest });
    }
    await running.waitFor(isCopied);
    stop.abort();
    await workload;
    const isBehind = await behindNow(client);
    await running.waitFor((status) => isBehind(status) && status.lagEvents === 0);
    await running.stop();
    assertRight([history], await documentsOf(client, db, ['items']));
  } finally {
    stop.abort();
    await running[Symbol.asyncDispose]();
    await workload;
    await client.db(db).dropDatabase();
    await client.close();
  }
  return bed;
}

test('a copy lasts longer than the oplog holds', LIMIT, async (t) => {
  const { seed } = testRandom(t);
  await using mongo = await startMongo({ oplogSizeMb: 1 });
  let times = 0;
  await copyThrough({
    mongo: mongo.uri,
    seed,
    keys: 4_000,
    source: { snapshot: { mode: 'initial', maxRowsPerSecond: 40, chunkBytes: '64KiB' } },
    rest: { snapshot: { mode: 'initial', chunkBytes: '64KiB' } },
    // A slow sink beside the slow copy.
    before: () => delay(20),
    async meanwhile(running, client) {
      for (; times < 4; times++) await overflowOplog(client, (isBehind) => running.waitFor(isBehind));
    },
  });
  t.diagnostic(`the oplog rolled over ${times} times`);
  assert.equal(times, 4);
});

test('a part that the server no longer keeps is read again', LIMIT, async (t) => {
  const { seed } = testRandom(t);
  await using mongo = await startMongo({ args: ['--setParameter', 'minSnapshotHistoryWindowInSeconds=1'] });
  let batches = 0;
  const bed = await copyThrough({
    mongo: mongo.uri,
    seed,
    keys: 6_000,
    inFlightBytes: 256 * 1024,
    source: { snapshot: { mode: 'initial', chunkBytes: '64KiB', inFlightBytes: '128KiB', maxRowsPerSecond: 3_000 } },
    // It stands still for longer than the server remembers.
    before: () => ([5, 15, 25].includes(batches++) ? delay(2_500) : undefined),
    meanwhile: async () => {},
  });
  const tooOld = bed.logged.filter((code) => code === 'mongodb.snapshot-too-old').length;
  t.diagnostic(`${tooOld} reads came too late`);
  assert.ok(tooOld > 0, `${batches} batches`);
});

test('the primary steps down during a copy', LIMIT, async (t) => {
  const { seed } = testRandom(t);
  await using mongo = await startMongo({ members: 3 });
  await copyThrough({
    mongo: mongo.uri,
    seed,
    keys: 6_000,
    source: { snapshot: { mode: 'initial', maxRowsPerSecond: 100 }, serverSelectionTimeout: '2s' },
    rest: { snapshot: 'initial' },
    async meanwhile(running) {
      await running.waitFor((status) => rowsOf(status) > 100);
      await stepDown(mongo);
      const before = rowsOf(running.pipeline.status());
      await running.waitFor((status) => status.state === 'running' && rowsOf(status) > before);
    },
  });
});

test('on an idle server a copy begins at once, and so does one that only copies', LIMIT, async () => {
  // Usually a server writes something every ten seconds, which would end any wait for its next write.
  await using mongo = await startMongo({ args: ['--setParameter', 'writePeriodicNoops=false'] });
  await preloadKeys({ uri: mongo.uri, db: 'idle', keys: 500, seed: 1 });
  const bed = streamBed({ mongo: mongo.uri, db: 'idle', source: { snapshot: 'only' }, take: () => {} });
  const startedMs = performance.now();
  await using running = bed.start();
  const { state, snapshot } = await running.ended;
  assert.deepEqual([state, snapshot?.state, snapshot?.rows], ['stopped', 'completed', 500]);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 60_000, `it took ${tookMs} ms`);
});

test('limits on rows and bytes per second hold', LIMIT, async (t) => {
  const mongo = await testMongo();
  const db = `paced_${randomUUID().slice(0, 8)}`;
  await preloadKeys({ uri: mongo, db, keys: 6_000, seed: 1 });
  const measured = async (limit: object, what: 'rows' | 'bytes') => {
    const source = { snapshot: { mode: 'initial', ...limit } };
    await using running = streamBed({ mongo, db, source, take: () => {} }).start();
    const amount = () => running.pipeline.status().snapshot?.[what] ?? 0;
    await running.waitFor(() => amount() > 0);
    const [begunMs, before] = [performance.now(), amount()];
    await delay(4_000);
    return ((amount() - before) / (performance.now() - begunMs)) * 1_000;
  };
  const [rows, bytes] = await Promise.all([
    measured({ maxRowsPerSecond: 1_000 }, 'rows'),
    measured({ maxBytesPerSecond: '100KiB' }, 'bytes'),
  ]);
  await using client = await MongoClient.connect(mongo);
  await client.db(db).dropDatabase();
  t.diagnostic(`${Math.round(rows)} of 1000 rows/s, ${Math.round(bytes / 1024)} of 100 KiB/s`);
  // A busy machine may take longer, and never less.
  assert.ok(rows > 200 && rows < 1_200, `${rows} rows per second`);
  assert.ok(bytes > 20 * 1024 && bytes < 120 * 1024, `${bytes} bytes per second`);
});
