import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { SluiceError } from '../../../core/failure.ts';
import { type MongoServer, startMongo } from '../../../testing/servers/mongo.ts';
import { failCommands } from '../../../testing/servers/mongo-admin.ts';
import { startTcpProxy } from '../../../testing/tcp-proxy.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

/** More than the sockets on the way take in. */
const LARGE_BYTES = 15_000_000;
const ONE_MIB = 1024 * 1024;

let server: MongoServer;
let fixture: TargetFixture;
before(async () => {
  server = await startMongo();
  fixture = await TargetFixture.open(server.uri);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const put = (coll: string, id: number, n = id) =>
  rawEvent({ op: 'update', coll, after: b.document(['_id', b.int32(id)], ['n', b.int32(n)]), sequence: n });

test('documents that a validator or an index refuses are rejections, their neighbours are written', async () => {
  await fixture.target.createCollection('strict', { validator: { n: { $lt: 10 } } });
  await fixture.target.collection('strict').createIndex({ place: '2dsphere' });
  await using sink = await fixture.sink({ validation: 'check' });
  const nowhere = b.document(['_id', b.int32(5)], ['n', b.int32(5)], ['place', b.string('nowhere')]);
  const row = rawEvent({ op: 'snapshot', coll: 'strict', after: nowhere, sequence: 5 });
  const events = [put('strict', 1), put('strict', 20), row, put('strict', 3)];
  const { delivered, rejections } = await writeEvents(sink, events);
  assert.equal(delivered, 2);
  assert.deepEqual(rejections.map(({ error }) => error.code).toSorted(), [
    'mongodb.document-refused',
    'mongodb.validation-failed',
  ]);
  for (const { error } of rejections) assert.doesNotMatch(`${error.message} ${error.stack}`, /nowhere/);
});

test('validators are passed by where they are copied from the source, and by own word', async () => {
  await fixture.target.createCollection('lenient', { validator: { n: { $lt: 10 } } });
  const cases = [
    [{}, 0],
    [{ ddl: 'warn' }, 1],
    [{ ddl: { collMod: 'ignore' } }, 1],
    [{ ddl: 'ignore', validation: 'bypass' }, 0],
    [{ validation: 'check' }, 1],
    [{ validation: 'bypass', guard: 'version' }, 0],
    [{ guard: 'version', validation: 'check' }, 1],
  ] as const;
  for (const [index, [settings, refused]] of cases.entries()) {
    await using sink = await fixture.sink(settings);
    const after = b.document(['_id', b.int32(index)], ['n', b.int32(20 + index)]);
    for (const [place, op] of (['snapshot', 'update'] as const).entries()) {
      const event = rawEvent({ op, coll: 'lenient', after, sequence: 100 + index * 2 + place });
      const { rejections } = await writeEvents(sink, [event]);
      assert.equal(rejections.length, refused, `${op} ${JSON.stringify(settings)}`);
    }
  }
  assert.equal((await fixture.raw('lenient')).length, 3);
});

test('changes behind a refused document of the same batch are rejected with it', async () => {
  await fixture.target.createCollection('follow', { validator: { n: { $lt: 10 } } });
  await using sink = await fixture.sink({ validation: 'check' });
  const key = b.document(['_id', b.int32(1)]);
  const update = b.document(['updatedFields', b.embedded(['n', b.int32(2)])]);
  const events = [put('follow', 1, 30), rawEvent({ op: 'update', coll: 'follow', key, update, sequence: 31 })];
  const { rejections } = await writeEvents(sink, events);
  assert.deepEqual(
    rejections.map(({ error }) => error.code),
    ['mongodb.validation-failed', 'mongodb.validation-failed'],
  );
  assert.deepEqual(await fixture.raw('follow'), []);
});

const whole = [
  { failure: { errorCode: 10107 }, kind: 'transient' },
  { failure: { errorCode: 91 }, kind: 'transient' },
  { failure: { closeConnection: true }, kind: 'transient' },
  { failure: { errorCode: 13 }, kind: 'transient' },
  { failure: { errorCode: 8 }, kind: 'internal' },
] as const;

for (const { failure, kind } of whole) {
  test(`a write that fails as a whole is ${kind}, and none follows it (${JSON.stringify(failure)})`, async () => {
    await using sink = await fixture.sink();
    {
      await using _failing = await failCommands(server.uri, {
        failCommands: ['update'],
        appName: 'sluice',
        ...failure,
      });
      await assert.rejects(writeEvents(sink, [put('failing', 1)]), { kind });
    }
    await assert.rejects(writeEvents(sink, [put('failing', 2)]), { kind });
    assert.deepEqual(await fixture.raw('failing'), []);
  });
}

test('a connection that is lost in the middle of a large command is transient, and none follows it', async () => {
  await using proxy = await startTcpProxy(Number(new URL(server.uri).port));
  await using sink = await fixture.sink({ uri: `mongodb://${proxy.address}/?directConnection=true` });
  await writeEvents(sink, [put('cut', 1)]);
  proxy.blackhole();
  const large = b.document(['_id', b.int32(2)], ['text', b.string('x'.repeat(LARGE_BYTES))]);
  const writing = writeEvents(sink, [rawEvent({ op: 'insert', coll: 'cut', after: large, sequence: 2 })]);
  const underway = () => proxy.heldBytes > ONE_MIB;
  await Promise.race([waitFor(underway, { timeoutMs: 60_000, message: 'a part of it is sent' }), writing]);
  proxy.cut();
  await assert.rejects(writing, { kind: 'transient', code: 'mongodb.unreachable' });
  await assert.rejects(writeEvents(sink, [put('cut', 3)]), { kind: 'transient' });
  assert.equal((await fixture.raw('cut')).length, 1);
});

test('a write that too few members have is transient', async () => {
  await using sink = await fixture.sink({ writeConcern: { w: 2, timeout: '1s' } });
  await assert.rejects(writeEvents(sink, [put('unconfirmed', 1)]), { kind: 'transient' });
});

for (const settings of [{ delivery: 'exactly-once' }, { guard: 'version' }]) {
  test(`a transaction that another one got in the way of is repeated (${JSON.stringify(settings)})`, async () => {
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    const labels = { errorLabels: ['TransientTransactionError'] };
    const failure = { failCommands: ['update', 'commitTransaction'], appName: 'sluice', errorCode: 112, ...labels };
    await using _failing = await failCommands(server.uri, failure, 3);
    const coll = `repeated${Object.keys(settings).join()}`;
    assert.equal((await writeEvents(sink, [put(coll, 1)], { epoch })).delivered, 1);
    assert.equal((await fixture.raw(coll)).length, 1);
  });
}

test('an abort comes through unchanged', async () => {
  await using sink = await fixture.sink();
  const aborted = new AbortController();
  const reason = new Error('stop');
  await using _failing = await failCommands(server.uri, { failCommands: ['update'], appName: 'nobody', errorCode: 91 });
  const writing = writeEvents(sink, [put('aborted', 1)], { signal: aborted.signal });
  aborted.abort(reason);
  await assert.rejects(writing, (error) => error === reason);
});

test('a view is no target', async () => {
  await fixture.target.command({ create: 'view', viewOn: 'strict', pipeline: [] });
  await using sink = await fixture.sink();
  await assert.rejects(writeEvents(sink, [put('view', 1)]), { kind: 'config', code: 'mongodb.target-refused' });
});

test('between two commands of a batch it asks whether the batch is still its own', async () => {
  await using sink = await fixture.sink();
  let asked = 0;
  const lost = new SluiceError('somebody else has it', { kind: 'transient', code: 'test.lost' });
  const ensureOwned = () => {
    asked += 1;
    if (asked > 1) throw lost;
  };
  // A row and a change of another document take a command each.
  const row = rawEvent({ op: 'snapshot', coll: 'owned', after: b.document(['_id', b.int32(1)]), sequence: 1 });
  await assert.rejects(writeEvents(sink, [row, put('owned', 2)], { ensureOwned }), lost);
  assert.equal((await fixture.raw('owned')).length, 1);
});
