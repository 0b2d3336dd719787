import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import type { ReadFrom, Source } from '../../core/source.ts';
import { type MongoServer, startMongo } from '../../testing/servers/mongo.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * Three members: changed primaries, and reading from secondaries.
 */

const LIMIT = { timeout: 400_000 };

let server: MongoServer;
let fixture: StreamFixture;
before(async () => {
  server = await startMongo({ members: 3, auth: true, tls: true });
  fixture = await StreamFixture.open(server.uri);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/**
 * Reads like the supervisor does: a failed read is followed by a new one behind the last position. The failures that
 * came are added to `failures`.
 */
async function readThroughFailures(
  source: Source,
  from: ReadFrom,
  count: number,
  failures: string[] = [],
): Promise<unknown[]> {
  const ids: unknown[] = [];
  let at = from;
  await waitFor(
    async () => {
      await using reading = new Reading(source, at);
      try {
        await reading.until((r) => ids.length + r.events.length >= count);
      } catch (error) {
        assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
        failures.push(error.code);
      }
      ids.push(...reading.ids);
      if (reading.position !== undefined) at = reading.from;
      return ids.length >= count;
    },
    { timeoutMs: 240_000, intervalMs: 100, message: `${count} events came` },
  );
  return ids;
}

/** Where a stream that begins now begins. */
function startOf(source: Source): Promise<ReadFrom> {
  const start = async () => {
    await using reading = await new Reading(source).start();
    return reading.from;
  };
  return waitFor(start, { timeoutMs: 120_000, intervalMs: 100, retryErrors: true, message: 'the stream begins' });
}

async function insertThroughFailures(coll: string, from: number, count: number): Promise<void> {
  const rows = fixture.db.collection<{ _id: number }>(coll, { writeConcern: { w: 'majority' } });
  for (let _id = from; _id < from + count; _id++) {
    // An insert whose answer was lost may be there already.
    const write = () => rows.updateOne({ _id }, { $setOnInsert: { n: _id } as object }, { upsert: true });
    await waitFor(write, {
      timeoutMs: 120_000,
      intervalMs: 100,
      retryErrors: true,
      message: `document ${_id} is written`,
    });
  }
}

test('a step-down and the death of a primary lose and repeat nothing', LIMIT, async () => {
  await using source = await fixture.source({ serverSelectionTimeout: '5s' });
  const from = await startOf(source);
  const writes = (async () => {
    await insertThroughFailures('a', 0, 10);
    await fixture.client
      .db('admin')
      .command({ replSetStepDown: 20, force: true })
      .catch(() => {});
    await insertThroughFailures('a', 10, 10);
    const hello = await fixture.client.db('admin').command({ hello: 1 });
    const primary = server.members.find(({ port }) => String(hello['primary']).endsWith(`:${port}`));
    assert.ok(primary);
    await primary.kill();
    await insertThroughFailures('a', 20, 10);
    await primary.start();
  })();
  const [ids] = await Promise.all([readThroughFailures(source, from, 30), writes]);
  assert.deepEqual(
    ids,
    Array.from({ length: 30 }, (_, n) => n),
  );
});

for (const readPreference of ['secondary', 'nearest', 'primaryPreferred'] as const) {
  test(`with ${readPreference} the whole stream comes from one member`, LIMIT, async () => {
    const include = [`${fixture.db.databaseName}.${readPreference}`];
    await using source = await fixture.source({ include, readPreference, batchSize: 2 });
    const from = await startOf(source);
    await insertThroughFailures(readPreference, 0, 20);
    const failures: string[] = [];
    assert.deepEqual(
      await readThroughFailures(source, from, 20, failures),
      Array.from({ length: 20 }, (_, n) => n),
    );
    // A busy machine may bring an election at any time; but no member was asked for the cursor of another.
    assert.ok(!failures.includes('mongodb.cursor-lost'), failures.join());
    const { signal } = new AbortController();
    const window = () => source.window(signal);
    assert.ok(await waitFor(window, { timeoutMs: 60_000, retryErrors: true, message: 'a member tells its window' }));
  });
}
