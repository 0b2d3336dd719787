import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import type { PipelineStatus } from '../../src/core/status.ts';
import { freePorts } from '../../src/testing/servers/free-port.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { waitForStatus } from '../../src/testing/sluice-process.ts';
import { startTcpProxy } from '../../src/testing/tcp-proxy.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { type FileBed, fileBed, isReady } from '../pipeline-bed.ts';

/** So long that a start is over before, on any machine. */
const LONG_TTL_MS = 120_000;
const TTL_MS = 15_000;
/** What may pass between an end by the clock and what a look at the file shows of it. */
const MARGIN_MS = 4_000;
const BEYOND_MS = 12_000;
/** Longer than an owner that is only slow writes nothing, shorter than nobody owns what it has lost. */
const SILENCE_MS = 3_000;

/** Starts the program of the bed with an HTTP port of its own. */
async function startBeside(bed: FileBed, env: Record<string, string> = {}) {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const process = bed.start({ env: { ...env, BED_LISTEN: `127.0.0.1:${port}` } });
  const waitFor = (condition: (status: PipelineStatus) => boolean) =>
    waitForStatus(url, condition, { pipeline: bed.name, process });
  return { process, waitFor, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

async function idsIn(path: string): Promise<readonly number[]> {
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as { documentKey: { _id: number } }).documentKey._id);
}

async function untilArrived(bed: FileBed, id: number): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const ids = await idsIn(bed.output);
      return ids.includes(id) ? ids : undefined;
    },
    { timeoutMs: 120_000, message: `document ${id} arrives`, retryErrors: true },
  );
}

const isStandby = ({ state }: PipelineStatus) => state === 'standby';

test('without a word in the configuration a second process waits, and begins when the first one ends', {
  timeout: 540_000,
}, async () => {
  const mongo = await testMongo();
  await using bed = await fileBed({ mongo });
  const client = await MongoClient.connect(mongo);
  try {
    const items = client.db(bed.db).collection<{ _id: number }>('items');
    await using first = await startBeside(bed);
    await first.waitFor(isReady);
    await using second = await startBeside(bed);
    const { lease } = await second.waitFor(isStandby);
    assert.deepEqual([lease?.owned, lease?.owner?.endsWith(`:${first.process.pid}`)], [false, true]);
    await items.insertOne({ _id: 0 });
    await untilArrived(bed, 0);
    assert.equal((await first.process.end('SIGTERM')).code, 0);
    await items.insertOne({ _id: 1 });
    assert.deepEqual(await untilArrived(bed, 1), [0, 1]);
  } finally {
    await client.close();
  }
});

test('a process that was killed is restarted without waiting for its lease to run out', {
  timeout: 540_000,
}, async () => {
  const mongo = await testMongo();
  await using bed = await fileBed({ mongo, pipeline: { lease: { ttl: `${LONG_TTL_MS}ms`, mongodb: {} } } });
  const client = await MongoClient.connect(mongo);
  try {
    await using first = await startBeside(bed);
    const { lease } = await first.waitFor(isReady);
    await first.process.end('SIGKILL');
    await using second = await startBeside(bed);
    const taken = await second.waitFor((status) => status.lease?.owned === true);
    // It lasts from when it was taken.
    const takenAtMs = (taken.lease?.expiresAtMs ?? 0) - LONG_TTL_MS;
    assert.ok(takenAtMs < (lease?.expiresAtMs ?? 0), 'it waited for a process that is gone');
    await second.waitFor(isReady);
    const items = client.db(bed.db).collection<{ _id: number }>('items');
    await items.insertOne({ _id: 2 });
    assert.ok((await untilArrived(bed, 2)).includes(2));
  } finally {
    await client.close();
  }
});

test('an owner that is cut off from the leases stops writing after half of its lease, then the next one begins', {
  timeout: 540_000,
}, async (t) => {
  const mongo = await testMongo();
  await using proxy = await startTcpProxy(Number(new URL(mongo).port));
  const lease = { ttl: `${TTL_MS}ms`, mongodb: { uri: '${env:BED_LEASES}' } };
  await using bed = await fileBed({ mongo, pipeline: { lease } });
  const client = await MongoClient.connect(mongo);
  const stop = new AbortController();
  let writing: Promise<void> = Promise.resolve();
  try {
    await using owner = await startBeside(bed, { BED_LEASES: `mongodb://${proxy.address}/?directConnection=true` });
    await owner.waitFor(isReady);
    await using next = await startBeside(bed, { BED_LEASES: mongo });
    await next.waitFor(isStandby);
    const items = client.db(bed.db).collection<{ _id: number }>('items');
    let written = 0;
    writing = (async () => {
      for (; !stop.signal.aborted; await delay(10)) await items.insertOne({ _id: written++ });
    })();
    await untilArrived(bed, 50);
    proxy.blackhole();
    const { lastMs, againMs } = await silenceIn(bed.output);
    t.diagnostic(`the owner wrote for another ${lastMs} ms, the next one began after ${againMs} ms`);
    assert.ok(lastMs <= TTL_MS / 2 + MARGIN_MS);
    assert.ok(againMs <= TTL_MS + BEYOND_MS);
    await next.waitFor((status) => status.lease?.owned === true && status.counts.delivered > 0);
    proxy.heal();
    await owner.waitFor(isStandby);
    stop.abort();
    await writing;
    const ids = await untilArrived(bed, written - 1);
    const all = Array.from({ length: written }, (_, id) => id);
    assert.deepEqual([...new Set(ids)], all, 'nothing is missing, and nothing came before its predecessor');
  } finally {
    stop.abort();
    await writing;
    await client.close();
  }
});

/** From now: when the file grew last before it stood still for a while, and when it grew again. */
async function silenceIn(path: string): Promise<{ lastMs: number; againMs: number }> {
  const startedMs = performance.now();
  let [size, lastMs] = [0, 0];
  for (;;) {
    const grown = (await stat(path)).size;
    const nowMs = Math.round(performance.now() - startedMs);
    if (grown > size && size > 0 && nowMs - lastMs > SILENCE_MS) return { lastMs, againMs: nowMs };
    if (grown > size) [size, lastMs] = [grown, nowMs];
    assert.ok(nowMs < 3 * TTL_MS, 'the file never stood still and grew again');
    await delay(20);
  }
}
