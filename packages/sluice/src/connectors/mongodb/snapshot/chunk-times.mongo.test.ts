import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deserialize } from 'bson';
import { MongoClient } from 'mongodb';
import { SluiceError } from '../../../core/failure.ts';
import { type MongoServer, startMongo } from '../../../testing/servers/mongo.ts';
import { createMongoUser } from '../../../testing/servers/mongo-admin.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { readChunk } from './chunk-reader.ts';
import { compareOnServer } from './collated-order.ts';
import { CollectionFixture } from './collection-fixture.ts';
import { replicationLagSeconds } from './replication-lag.ts';
import { estimatedCount, splitRanges } from './split-ranges.ts';

/*
 * Chunks as of a time: what is read while others write, when the time or the collection is gone, by whom, how long.
 */

const LIMIT = { timeout: 300_000 };
const values = (rows: readonly Uint8Array[]) => rows.map((row) => deserialize(row)['n'] as unknown);
const documents = (count: number) => Array.from({ length: count }, () => ({ n: 0 }));

let server: MongoServer;
let fixture: CollectionFixture;
before(async () => {
  server = await startMongo({ auth: true });
  fixture = await CollectionFixture.open(server.uri);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test('all chunks of a time show that time while writers go on', LIMIT, async () => {
  const collection = await fixture.collection(documents(500));
  const request = await fixture.request(collection.collectionName, { rows: 50 });
  const stop = new AbortController();
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let n = 1; !stop.signal.aborted; n++) {
      await collection.updateMany({}, { $set: { n } });
      await collection.insertOne({ n });
      await collection.deleteOne({ n: { $lt: n - writer } });
    }
  });
  try {
    await waitFor(() => collection.findOne({ n: { $gt: 3 } }), {
      timeoutMs: 120_000,
      message: 'the writers are at work',
    });
    const before = await fixture.readRange(request);
    assert.deepEqual(values(before.rows), Array(500).fill(0));
    const later = await fixture.readRange({ ...request, at: await fixture.now() });
    assert.ok(values(later.rows).some((n) => n !== 0));
    const again = await fixture.readRange(request);
    assert.deepEqual(
      again.rows.map((row) => Buffer.from(row).toString('hex')),
      before.rows.map((row) => Buffer.from(row).toString('hex')),
    );
  } finally {
    stop.abort();
    await Promise.all(writers);
  }
});

test('a time that the server no longer keeps', LIMIT, async () => {
  const collection = await fixture.collection(documents(3));
  const request = await fixture.request(collection.collectionName);
  const admin = fixture.client.db('admin');
  const previous = await admin.command({ getParameter: 1, minSnapshotHistoryWindowInSeconds: 1 });
  const keep = (seconds: number) => admin.command({ setParameter: 1, minSnapshotHistoryWindowInSeconds: seconds });
  await keep(0);
  try {
    const failure = await waitFor(
      async () => {
        await collection.insertOne({ n: 1 });
        return readChunk(fixture.context, request).then(
          () => undefined,
          (error: unknown) => error,
        );
      },
      { timeoutMs: 120_000, message: 'the server forgets the time' },
    );
    assert.ok(failure instanceof SluiceError);
    assert.equal(failure.kind, 'transient');
    assert.equal(failure.code, 'mongodb.snapshot-too-old');
  } finally {
    await keep(Number(previous['minSnapshotHistoryWindowInSeconds']));
  }
  assert.ok((await readChunk(fixture.context, { ...request, at: await fixture.now() })).rows.length > 3);
});

test('a time that is still to come, or before the collection was made', LIMIT, async () => {
  const before = await fixture.now();
  const { collectionName } = await fixture.collection(documents(3));
  const request = await fixture.request(collectionName);
  const unavailable = { kind: 'transient', code: 'mongodb.snapshot-unavailable' };
  await assert.rejects(readChunk(fixture.context, { ...request, at: before }), unavailable);
  await assert.rejects(readChunk(fixture.context, { ...request, at: { t: before.t + 1_000, i: 1 } }), unavailable);
});

test('a collection that was dropped, created again or renamed is not read', LIMIT, async () => {
  const collection = await fixture.collection(documents(3));
  const name = collection.collectionName;
  const request = await fixture.request(name);
  const read = async () => readChunk(fixture.context, { ...request, at: await fixture.now() });
  const changed = { kind: 'transient', code: 'mongodb.collection-changed' };
  await collection.rename(`${name}_other`);
  await assert.rejects(read, changed);
  await fixture.db.collection(name).insertOne({ n: 1 });
  await assert.rejects(read, changed);
  await fixture.db.collection(name).drop();
  await assert.rejects(read, changed);
  // Without a UUID nothing can be noticed: there is just nothing.
  assert.deepEqual((await readChunk(fixture.context, { ...request, uuid: undefined })).rows, []);
  const renamed = { ...request, coll: `${name}_other`, at: await fixture.now() };
  assert.equal((await readChunk(fixture.context, renamed)).rows.length, 3);
});

test('find on the one collection is enough', LIMIT, async () => {
  const collation = { locale: 'en', strength: 2 };
  const { collectionName: coll } = await fixture.collection(documents(12_000), { collation });
  const db = fixture.db.databaseName;
  const privileges = [{ resource: { db, collection: coll }, actions: ['find'] }];
  const uri = await createMongoUser(server, { user: 'reader', password: 'reader', privileges });
  const client = await new MongoClient(uri).connect();
  try {
    const context = { ...fixture.context, client };
    const request = await fixture.request(coll);
    assert.equal((await readChunk(context, request)).rows.length, 100);
    assert.equal((await readChunk(context, { ...request, match: { n: 1 } })).rows.length, 0);
    assert.equal(await estimatedCount(context, { db, coll }), 12_000);
    const bounds = await splitRanges(context, { db, coll, pieces: 4 });
    assert.equal(bounds.length, 3);
    assert.deepEqual(await compareOnServer(context, { db, coll, collation, keys: bounds, bounds }), [
      [0, -1, -1],
      [1, 0, -1],
      [1, 1, 0],
    ]);
    // For a moment after a write, also one of the server itself, it is not zero.
    const confirmed = async () => (await replicationLagSeconds(context)) === 0;
    await waitFor(confirmed, { timeoutMs: 60_000, message: 'there is no lag' });
    await assert.rejects(readChunk(context, { ...request, coll: 'other' }), {
      kind: 'transient',
      code: 'mongodb.unauthorized',
    });
  } finally {
    await client.close();
  }
});

test('a read ends when it is told to, with the reason, and when it takes too long', LIMIT, async () => {
  const { collectionName } = await fixture.collection(documents(3));
  const slow = { $where: 'sleep(1000) || true' };
  const request = await fixture.request(collectionName, { match: slow });
  const stop = new AbortController();
  const reading = readChunk({ ...fixture.context, signal: stop.signal }, request);
  const reason = new Error('stop');
  setTimeout(() => stop.abort(reason), 50);
  await assert.rejects(reading, reason);
  await assert.rejects(readChunk({ ...fixture.context, signal: stop.signal }, request), reason);
  const limited = { ...fixture.context, limitMs: 200 };
  await assert.rejects(readChunk(limited, request), { kind: 'transient', code: 'mongodb.overloaded' });
});

test('a failure of the server is what it is elsewhere', LIMIT, async () => {
  const { collectionName } = await fixture.collection(documents(3));
  const request = await fixture.request(collectionName);
  const appName = `chunks-${collectionName}`;
  const client = await new MongoClient(fixture.uri, { appName, retryReads: false }).connect();
  const admin = fixture.client.db('admin');
  const failures = [
    [{ errorCode: 10107 }, 'mongodb.unsettled'],
    [{ closeConnection: true }, 'mongodb.unreachable'],
    [{ errorCode: 4242 }, 'mongodb.unexpected'],
  ] as const;
  try {
    for (const [failure, code] of failures) {
      const data = { failCommands: ['find'], appName, ...failure };
      await admin.command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data });
      await assert.rejects(readChunk({ ...fixture.context, client }, request), { code });
      assert.equal((await readChunk({ ...fixture.context, client }, request)).rows.length, 3);
    }
  } finally {
    await client.close();
  }
});
