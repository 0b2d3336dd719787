import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { decodeCheckpoint } from '../../../core/checkpoint.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { Sink } from '../../../core/sink.ts';
import { checkpointStoreContract } from '../../../testing/contracts/checkpoint-store.ts';
import { testEvent } from '../../../testing/events.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { checkpointOf, TargetFixture, writeEvents } from './target-fixture.ts';

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

const signal = new AbortController().signal;
const document = (id: number, n: number) => b.document(['_id', b.int32(id)], ['n', b.int32(n)]);

function insert(coll: string, id: number, sequence = id) {
  return rawEvent({ op: 'insert', coll, after: document(id, sequence), sequence });
}

function exactlyOnce(): Promise<Sink> {
  return fixture.sink({ delivery: 'exactly-once' });
}

async function claim(sink: Sink): Promise<number> {
  const claimed = await sink.checkpoints?.claim('test/0', signal);
  assert.ok(claimed);
  return claimed.epoch;
}

async function savedPosition(): Promise<string | undefined> {
  const checkpoints = fixture.target.collection<{ _id: string; checkpoint?: string }>('checkpoints');
  const text = (await checkpoints.findOne({ _id: 'test/0' }))?.checkpoint;
  return text === undefined ? undefined : decodeCheckpoint(text, 'test/0', 'test').position.token;
}

checkpointStoreContract('MongoDB target', async () => {
  const place = await TargetFixture.open(await testMongo());
  const open = async () => {
    const sink = await place.sink({ delivery: 'exactly-once' });
    const { checkpoints } = sink;
    assert.ok(checkpoints);
    const dispose = { [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose]() };
    return { claim: checkpoints.claim.bind(checkpoints), save: checkpoints.save.bind(checkpoints), ...dispose };
  };
  return { open, cleanup: () => place[Symbol.asyncDispose]() };
});

test('a write stores its checkpoint with the data', async () => {
  await using sink = await exactlyOnce();
  const epoch = await claim(sink);
  const events = [insert('together', 1), insert('together', 2)];
  await writeEvents(sink, events, { epoch });
  assert.equal((await fixture.raw('together')).length, 2);
  assert.equal(await savedPosition(), events[1]?.position.token);
  assert.equal(sink.limits.lanes, undefined);
});

test('an owner that was replaced writes nothing and is told so', async () => {
  await using first = await exactlyOnce();
  const old = await claim(first);
  await writeEvents(first, [insert('fenced', 1)], { epoch: old });
  const before = await savedPosition();
  await using second = await exactlyOnce();
  const epoch = await claim(second);
  await assert.rejects(writeEvents(first, [insert('fenced', 2)], { epoch: old }), {
    kind: 'fenced',
    code: 'checkpoint.fenced',
  });
  await assert.rejects(writeEvents(first, [insert('fenced', 3)], { epoch: old }), { kind: 'fenced' });
  assert.equal((await fixture.raw('fenced')).length, 1);
  assert.equal(await savedPosition(), before);
  await writeEvents(second, [insert('fenced', 2)], { epoch });
  assert.equal((await fixture.raw('fenced')).length, 2);
});

test('of two owners at once the data is of one of them', async () => {
  for (let round = 0; round < 10; round++) {
    const coll = `race${round}`;
    await using first = await exactlyOnce();
    const old = await claim(first);
    await using second = await exactlyOnce();
    const [, epoch] = await Promise.all([
      writeEvents(first, [insert(coll, 1), insert(coll, 2)], { epoch: old }).catch((error: SluiceError) =>
        assert.equal(error.kind, 'fenced'),
      ),
      claim(second),
    ]);
    const found = await fixture.raw(coll);
    assert.ok(found.length === 0 || found.length === 2);
    await writeEvents(second, [insert(coll, 1, 9), insert(coll, 2, 9)], { epoch });
    assert.deepEqual(await fixture.raw(coll), [document(1, 9), document(2, 9)]);
  }
});

test('documents that the server refuses are handed over once, the others and the checkpoint are stored', async () => {
  await fixture.target.createCollection('valid', { validator: { n: { $lt: 100 } } });
  await using sink = await fixture.sink({ delivery: 'exactly-once', validation: 'check' });
  const epoch = await claim(sink);
  const events = [1, 200, 2, 300, 3].map((n) => insert('valid', n));
  const { delivered, rejections } = await writeEvents(sink, events, { epoch });
  assert.equal(delivered, 3);
  assert.deepEqual(
    rejections.map(({ envelope, error }) => [envelope.event.id, error.code]),
    [events[1], events[3]].map((event) => [event?.id, 'mongodb.validation-failed']),
  );
  assert.equal((await fixture.raw('valid')).length, 3);
  assert.equal(await savedPosition(), events[4]?.position.token);
});

test('when rejections cannot be put away nothing is stored', async () => {
  await fixture.target.createCollection('nowhere', { validator: { n: { $lt: 100 } } });
  await using sink = await fixture.sink({ delivery: 'exactly-once', validation: 'check' });
  const epoch = await claim(sink);
  const before = await savedPosition();
  const reject = () => Promise.reject(new SluiceError('nowhere', { kind: 'config', code: 'test.nowhere' }));
  const write = writeEvents(sink, [insert('nowhere', 1), insert('nowhere', 200)], { epoch, reject });
  await assert.rejects(write, { code: 'test.nowhere' });
  assert.deepEqual(await fixture.raw('nowhere'), []);
  assert.equal(await savedPosition(), before);
});

test('a batch of which nothing is left to write still stores its checkpoint', async () => {
  await using sink = await exactlyOnce();
  const epoch = await claim(sink);
  const gap = testEvent({ op: 'gap', sequence: 50 });
  const checkpoint = checkpointOf([insert('x', 77)], epoch);
  assert.deepEqual(await writeEvents(sink, [gap], { epoch, checkpoint }), {
    delivered: 0,
    filtered: 1,
    rejections: [],
  });
  assert.equal(await savedPosition(), checkpoint.position.token);
});

test('`checkpoint: target` means the same', async () => {
  await using sink = await fixture.sink({ checkpoint: 'target' });
  assert.ok(sink.checkpoints);
});
