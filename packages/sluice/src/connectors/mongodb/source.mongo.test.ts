import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { decodeResumeToken } from '../../bson/resume-token.ts';
import { comparePositions } from '../../core/position.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { mongodbSourceConfig } from './config.ts';
import { openMongodbSource } from './source.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

const LIMIT = { timeout: 300_000 };

interface Row {
  _id: number | string;
  n?: number;
  m?: number;
}

let uri: string;
before(async () => {
  uri = await testMongo();
});

let fixtures: StreamFixture[] = [];
after(() => Promise.all(fixtures.map((fixture) => fixture[Symbol.asyncDispose]())));

async function fresh(): Promise<StreamFixture> {
  const fixture = await StreamFixture.open(uri);
  fixtures = [...fixtures, fixture];
  return fixture;
}

const insert = (fixture: StreamFixture, coll: string, ids: readonly (number | string)[]) =>
  fixture.db.collection<Row>(coll).insertMany(ids.map((_id) => ({ _id })));

test('from now on: nothing from before, everything after the first heartbeat', LIMIT, async () => {
  const fixture = await fresh();
  await insert(fixture, 'a', ['before']);
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  assert.deepEqual(reading.batches[0]?.events, []);
  assert.equal(decodeResumeToken(reading.position?.token ?? '').highWaterMark, true);
  await insert(fixture, 'a', [1, 2]);
  await reading.count(2);
  assert.deepEqual(reading.ids, [1, 2]);
});

test('a read from now that is repeated before the first checkpoint leaves no gap', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source();
  {
    await using reading = await new Reading(source).start();
    await insert(fixture, 'a', [1]);
    await reading.count(1);
  }
  await insert(fixture, 'a', [2]);
  await using again = await new Reading(source).count(2);
  assert.deepEqual(again.ids, [1, 2]);
});

test('the three operations with their documents, in order', LIMIT, async () => {
  const fixture = await fresh();
  const a = await fixture.db.createCollection<Row>('a', { changeStreamPreAndPostImages: { enabled: true } });
  await using source = await fixture.source({ fullDocument: 'required', beforeImage: 'required' });
  await using reading = await new Reading(source).start();
  await a.insertOne({ _id: 1, n: 1 });
  await a.updateOne({ _id: 1 }, { $set: { n: 2 } });
  await a.replaceOne({ _id: 1 }, { m: 3 });
  await a.deleteOne({ _id: 1 });
  await reading.count(4);
  const decode = (bytes: Uint8Array | undefined) => bytes && BSON.deserialize(bytes);
  assert.deepEqual(
    reading.events.map((event) => [event.op, decode(event.before()), decode(event.after())]),
    [
      ['insert', undefined, { _id: 1, n: 1 }],
      ['update', { _id: 1, n: 1 }, { _id: 1, n: 2 }],
      ['replace', { _id: 1, n: 2 }, { _id: 1, m: 3 }],
      ['delete', { _id: 1, m: 3 }, undefined],
    ],
  );
  const [, update] = reading.events;
  assert.deepEqual(decode(update?.update())?.['updatedFields'], { n: 2 });
  assert.deepEqual(update?.namespace, { db: fixture.db.databaseName, coll: 'a' });
  assert.equal(update?.degraded, undefined);
});

test('startAt.clusterTime is inclusive', LIMIT, async () => {
  const fixture = await fresh();
  await using live = await fixture.source();
  await using first = await new Reading(live).start();
  await insert(fixture, 'a', [1]);
  await insert(fixture, 'a', [2]);
  await first.count(2);
  const { t, i } = first.events[1]?.version.clusterTime ?? { t: 0, i: 0 };
  await using source = await fixture.source({ startAt: { clusterTime: `${t},${i}` } });
  await using reading = await new Reading(source).count(1);
  assert.deepEqual(reading.ids, [2]);
});

test('startAt.token is exclusive', LIMIT, async () => {
  const fixture = await fresh();
  await using live = await fixture.source();
  await using first = await new Reading(live).start();
  await insert(fixture, 'a', [1]);
  await insert(fixture, 'a', [2]);
  await first.count(2);
  const token = first.events[0]?.position.token.toLowerCase();
  await using source = await fixture.source({ startAt: { token } });
  await using reading = await new Reading(source).count(1);
  assert.deepEqual(reading.ids, [2]);
});

test('a start in the future is refused', LIMIT, async () => {
  const fixture = await fresh();
  for (const startAt of [{ clusterTime: '2100-01-01T00:00:00Z' }, { token: '82F48657800000000A2B0229296E04' }]) {
    await using source = await fixture.source({ startAt });
    await using reading = new Reading(source);
    await assert.rejects(reading.start(), {
      kind: 'config',
      code: 'mongodb.start-in-future',
      message: /2\d{3}-.*while/,
    });
  }
});

test('in the middle of a transaction it goes on with the next operation', LIMIT, async () => {
  const fixture = await fresh();
  await fixture.db.createCollection('a');
  await using source = await fixture.source({ batchSize: 3 });
  await using reading = await new Reading(source).start();
  await fixture.client.withSession((session) =>
    session.withTransaction(async () => {
      for (let _id = 0; _id < 8; _id++) await fixture.db.collection<Row>('a').insertOne({ _id }, { session });
    }),
  );
  await reading.count(3);
  assert.deepEqual(reading.ids, [0, 1, 2]);
  await using rest = await new Reading(source, reading.from).count(5);
  assert.deepEqual(rest.ids, [3, 4, 5, 6, 7]);
  const all = [...reading.events, ...rest.events];
  assert.equal(new Set(all.map((event) => event.version.clusterTime.i)).size, 1, 'one cluster time');
  assert.deepEqual(
    all.map((event) => event.version.ordinal),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
});

test('positions grow, on idle and on filtered streams too', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.{quiet,silent}`] });
  await using reading = await new Reading(source).start();
  const start = reading.position;
  assert.ok(start);
  // Changes that the filter leaves out still move the stream.
  await insert(fixture, 'busy', [1, 2, 3]);
  await reading.until(({ position }) => position !== undefined && comparePositions(position, start) > 0);
  assert.equal(reading.events.length, 0);
  assert.equal(reading.batches.at(-1)?.caughtUp, true);
  for (const [index, batch] of reading.batches.entries()) {
    const next = reading.batches[index + 1];
    if (next !== undefined) assert.ok(comparePositions(batch.position, next.position) <= 0);
  }
});

test('the user pipeline runs behind the filter, with Extended JSON values', LIMIT, async () => {
  const fixture = await fresh();
  const pipeline = [
    {
      $match: {
        'fullDocument.n': { $gt: { $numberLong: '1' } },
        'fullDocument.at': { $lt: { $date: '2026-01-01T00:00:00Z' } },
      },
    },
    { $unset: 'fullDocument.secret' },
    { $set: { tag: 'x' } },
  ];
  await using source = await fixture.source({ include: [`${fixture.db.databaseName}.a*`], pipeline });
  await using reading = await new Reading(source).start();
  const documents = [1, 2, 3].map((n) => ({ n, secret: 's', at: new Date(n === 3 ? '2027-01-01' : '2025-01-01') }));
  await fixture.db.collection('b').insertMany(structuredClone(documents));
  await fixture.db.collection('a').insertMany(documents);
  await reading.count(1);
  await fixture.db.collection('a1').insertOne({ n: 9, at: new Date(0) });
  await reading.count(2);
  const found = reading.events.map((event) => BSON.deserialize(event.after() ?? new Uint8Array()));
  assert.deepEqual(
    found.map(({ n, secret }) => [n, secret]),
    [
      [2, undefined],
      [9, undefined],
    ],
  );
  assert.ok(reading.events[0]?.field('tag'));
});

test('a pipeline that the server refuses is a configuration error', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ pipeline: [{ $match: { n: { $nonsense: 1 } } }] });
  await using reading = new Reading(source);
  await assert.rejects(reading.start(), { kind: 'config', code: 'mongodb.pipeline-refused', message: /\$nonsense/ });
});

test('a pipeline that changes the _id is told by the server', LIMIT, async () => {
  const fixture = await fresh();
  await using accepted = await fixture.source();
  // Past the check of the configuration, which refuses it.
  const config = mongodbSourceConfig.parse({ uri, include: [`${fixture.db.databaseName}.*`] });
  const pipeline = [{ $set: { _id: { $literal: 1 } } }];
  await using source = await openMongodbSource({ ...config, pipeline }, fixture.context);
  await using reading = await new Reading(accepted).start();
  await insert(fixture, 'a', [1]);
  const { from } = reading;
  await using broken = new Reading(source, { ...from, binding: source.binding });
  await assert.rejects(broken.count(1), { kind: 'config', code: 'mongodb.pipeline-changes-id' });
});

test('a required image that is missing stops with what can be done', LIMIT, async () => {
  const fixture = await fresh();
  await fixture.db.collection<Row>('a').insertOne({ _id: 1 });
  await using source = await fixture.source({ fullDocument: 'required' });
  await using reading = await new Reading(source).start();
  await fixture.db.collection<Row>('a').updateOne({ _id: 1 }, { $set: { n: 1 } });
  await assert.rejects(reading.count(1), { kind: 'config', code: 'mongodb.image-missing', hint: /whenAvailable/ });
});

test('DDL events come with ddl: true', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ ddl: true });
  await using reading = await new Reading(source).start();
  await fixture.db.createCollection('a');
  await fixture.db.collection('a').createIndex({ n: 1 });
  await reading.count(2);
  assert.deepEqual(reading.ops, ['create', 'createIndexes']);
});

test('answers keep to the size, one large change alone still comes', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ batchBytes: '64KiB' });
  await using reading = await new Reading(source).start();
  const filler = 'x'.repeat(20_000);
  for (let n = 0; n < 40; n++) await fixture.db.collection('a').insertOne({ n, filler });
  await fixture.db.collection('a').insertOne({ n: 40, filler: 'x'.repeat(2_000_000) });
  await reading.count(41);
  const last = reading.batches.filter((batch) => batch.events.length > 0).slice(2);
  for (const batch of last) {
    assert.ok(
      batch.bytes < 128 * 1024 || batch.events.length <= 3,
      `${batch.events.length} events, ${batch.bytes} bytes`,
    );
  }
});

test('only one answer is fetched ahead', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ batchSize: 10, startAt: 'now' });
  await using reading = await new Reading(source).start();
  await insert(
    fixture,
    'a',
    Array.from({ length: 100 }, (_, n) => n),
  );
  await reading.count(10);
  const handedOut = reading.events.length;
  // While nobody pulls, the server is asked for one more batch, and not for another.
  const pipeline = [
    { $currentOp: { idleCursors: true } },
    { $match: { type: 'idleCursor', 'cursor.originatingCommand.$db': fixture.db.databaseName } },
  ];
  const returned = async () => {
    const [op] = await fixture.client.db('admin').aggregate(pipeline).toArray();
    return Number(op?.['cursor'].nDocsReturned);
  };
  const next = { timeoutMs: 60_000, message: 'the next batch is on its way' };
  await waitFor(async () => (await returned()) === handedOut + 10, next);
  await reading.count(100);
});

test('an abort ends the stream without an error, and nothing stays on the server', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source({ maxAwaitTime: '30s' });
  const stop = new AbortController();
  let abortedAtMs = 0;
  const done = (async () => {
    let batches = 0;
    for await (const _batch of source.read(undefined, stop.signal)) {
      batches++;
      // The next answer is awaited for thirty seconds unless the abort ends that.
      setTimeout(() => {
        abortedAtMs = performance.now();
        stop.abort();
      }, 100);
    }
    return batches;
  })();
  assert.equal(await done, 1);
  assert.ok(performance.now() - abortedAtMs < 20_000);
  const pipeline = [
    { $currentOp: { idleCursors: true } },
    // An operation that is killed while it waits for changes ends with its wait.
    { $match: { 'cursor.originatingCommand.$db': fixture.db.databaseName, killPending: { $ne: true } } },
  ];
  const ops = () => fixture.client.db('admin').aggregate(pipeline).toArray();
  await waitFor(async () => (await ops()).length === 0, { timeoutMs: 20_000, message: 'the cursor is gone' });
});

test('the window of the oplog', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source();
  const { signal } = new AbortController();
  const window = await waitFor(() => source.window(signal), {
    timeoutMs: 60_000,
    retryErrors: true,
    message: 'the server tells it in time',
  });
  assert.ok(window.newest.t >= window.oldest.t && window.oldest.t > 0);
});

test('a checkpoint of another deployment is refused', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source();
  assert.match(source.binding.deployment, /^[\w%]+\/[0-9a-f]{24}$/);
  await using first = await new Reading(source).start();
  const binding = { ...source.binding, deployment: 'elsewhere/000000000000000000000000' };
  await using reading = new Reading(source, { ...first.from, binding });
  await assert.rejects(reading.start(), { kind: 'config', code: 'checkpoint.other-deployment' });
});
