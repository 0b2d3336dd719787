import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Timestamp } from 'mongodb';
import { compareClusterTime } from '../../core/cluster-time.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Source } from '../../core/source.ts';
import { type MongoServer, startMongo } from '../../testing/servers/mongo.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * A server whose oplog overflows within seconds.
 */

const LIMIT = { timeout: 300_000 };

let server: MongoServer;
let fixture: StreamFixture;
before(async () => {
  server = await startMongo({ oplogSizeMb: 1 });
  fixture = await StreamFixture.open(server.uri);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const NEVER = { t: 0, i: 0 };

/**
 * Writes until the oplog no longer holds what was newest when this was called; does something after each of the writes,
 * which are much smaller than the oplog.
 */
async function overflow(source: Source, afterEach: () => Promise<unknown> = async () => {}): Promise<void> {
  const patience = { timeoutMs: 120_000, retryErrors: true };
  const start = await waitFor(() => source.window(never), { ...patience, message: 'the server tells its window' });
  const noise = fixture.client.db('noise').collection('noise');
  const filler = 'x'.repeat(100_000);
  const gone = async () => {
    await noise.insertMany([{ filler }, { filler }]);
    await afterEach();
    // Where the oldest entries were just removed, the server may take too long to find the first one.
    const window = await source.window(never).catch(() => undefined);
    return window !== undefined && compareClusterTime(window.oldest, start.newest) > 0;
  };
  await waitFor(gone, { timeoutMs: 120_000, message: 'the oplog has overflowed' });
}

function isLost(error: unknown): boolean {
  assert.ok(error instanceof SluiceError, String(error));
  assert.equal(error.kind, 'position-lost');
  assert.equal(error.code, 'mongodb.position-lost');
  assert.match(error.message, new RegExp(`changes of .*${fixture.db.databaseName}`));
  assert.match(error.message, /from \d{4}-\S+Z \(\d+,\d+\) to \d{4}-\S+Z \(\d+,\d+\) are gone; the position is .* old/);
  assert.match(error.hint ?? '', /resnapshot/);
  return true;
}

test('a position that has left the oplog stops with the gap named', LIMIT, async () => {
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  await fixture.db.collection('a').insertOne({ n: 1 });
  await reading.count(1);
  const { from } = reading;
  await reading[Symbol.asyncDispose]();
  await overflow(source);
  await using again = new Reading(source, from);
  await assert.rejects(again.start(), isLost);
  // The same with another selection, which continues by time, and from the configuration.
  await using other = await fixture.source({ fullDocument: 'off' });
  await using changed = new Reading(other, from);
  await assert.rejects(changed.start(), isLost);
  const { t, i } = from.position.clusterTime;
  await using configured = await fixture.source({ startAt: { clusterTime: `${t},${i}` } });
  await using first = new Reading(configured);
  await assert.rejects(first.start(), isLost);
});

test('an idle stream with a filter stays inside the oplog', LIMIT, async () => {
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  // It must not be outrun: how fast a server looks through its oplog is not what this is about.
  await overflow(source, async () => {
    const hello = await fixture.client.db('admin').command({ hello: 1 });
    const { high: t, low: i } = hello['operationTime'] as Timestamp;
    const written = { t: t >>> 0, i: i >>> 0 };
    await reading.until(({ position }) => compareClusterTime(position?.clusterTime ?? NEVER, written) >= 0);
  });
  assert.equal(reading.events.length, 0);
  const { from } = reading;
  await reading[Symbol.asyncDispose]();
  await fixture.db.collection('a').insertOne({ n: 2 });
  await using again = await new Reading(source, from).count(1);
  assert.deepEqual(again.ops, ['insert']);
});
