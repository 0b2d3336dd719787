import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeCheckpoint } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Sink } from '../../core/sink.ts';
import { checkpointStoreContract } from '../../testing/contracts/checkpoint-store.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { checkpointOf, event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const signal = new AbortController().signal;
const insert = (coll: string, id: number, sequence = id) => event({ coll, id, sequence });

function exactlyOnce(place = fixture): Promise<Sink> {
  return place.sink({ delivery: 'exactly-once' });
}

async function claim(sink: Sink): Promise<number> {
  const claimed = await sink.checkpoints?.claim('test/0', signal);
  assert.ok(claimed);
  return claimed.epoch;
}

async function savedPosition(): Promise<string | undefined> {
  const [row] = await fixture.rows(
    `select checkpoint from ${fixture.stateSchema}.checkpoints where partition = 'test/0'`,
  );
  const text = row?.['checkpoint'];
  return typeof text === 'string' ? decodeCheckpoint(text, 'test/0', 'test').position.token : undefined;
}

checkpointStoreContract('PostgreSQL target', async () => {
  const place = await PostgresFixture.open(await testPostgres());
  const open = async () => {
    const sink = await exactlyOnce(place);
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
  assert.deepEqual(await fixture.ids('together'), ['~1', '~2']);
  assert.equal(await savedPosition(), events[1]?.position.token);
  assert.equal(sink.limits.lanes, undefined);
});

test('an owner that was replaced writes nothing and is told so, before anything is dead-lettered', async () => {
  await using first = await exactlyOnce();
  const old = await claim(first);
  await writeEvents(first, [insert('fenced', 1)], { epoch: old });
  const before = await savedPosition();
  await using second = await exactlyOnce();
  const epoch = await claim(second);
  const poison = { ...event({ coll: 'fenced', id: 9, sequence: 9, op: 'update' }), after: () => undefined };
  const reject = async () => assert.fail('nothing is to be handed over');
  await assert.rejects(writeEvents(first, [insert('fenced', 2), poison], { epoch: old, reject }), {
    kind: 'fenced',
    code: 'checkpoint.fenced',
  });
  await assert.rejects(writeEvents(first, [insert('fenced', 3)], { epoch: old }), { kind: 'fenced' });
  assert.deepEqual(await fixture.ids('fenced'), ['~1']);
  assert.equal(await savedPosition(), before);
  await writeEvents(second, [insert('fenced', 2)], { epoch });
  assert.deepEqual(await fixture.ids('fenced'), ['~1', '~2']);
});

test('an owner that was replaced empties no table', async () => {
  await using first = await exactlyOnce();
  const old = await claim(first);
  await writeEvents(first, [insert('fenced_drop', 1)], { epoch: old });
  await using second = await exactlyOnce();
  await claim(second);
  const drop = event({ coll: 'fenced_drop', op: 'drop', sequence: 5 });
  await assert.rejects(writeEvents(first, [drop], { epoch: old }), { kind: 'fenced' });
  await assert.rejects(first.checkpoints?.save(checkpointOf([drop], old), signal) ?? Promise.resolve(), {
    kind: 'fenced',
  });
  assert.deepEqual(await fixture.ids('fenced_drop'), ['~1']);
});

test('what cannot be dead-lettered takes its neighbours and the checkpoint back with it', async () => {
  await using sink = await exactlyOnce();
  const epoch = await claim(sink);
  await writeEvents(sink, [insert('undo', 1)], { epoch });
  const before = await savedPosition();
  const poison = { ...event({ coll: 'undo', id: 3, sequence: 3, op: 'update' }), after: () => undefined };
  const full = new SluiceError('the dead letters are full', { kind: 'transient', code: 'test.full' });
  const reject = () => Promise.reject(full);
  await assert.rejects(writeEvents(sink, [insert('undo', 2), poison], { epoch, reject }), (error) => error === full);
  assert.deepEqual(await fixture.ids('undo'), ['~1']);
  assert.equal(await savedPosition(), before);
});

test('a drop between documents is done where it stands, with the checkpoint of what came before it', async () => {
  await using sink = await exactlyOnce();
  const epoch = await claim(sink);
  const events = [
    insert('between', 1),
    event({ coll: 'between', op: 'drop', sequence: 2 }),
    insert('between', 3),
    event({ coll: 'between', op: 'createIndexes', sequence: 4 }),
  ];
  const { delivered, filtered } = await writeEvents(sink, events, { epoch });
  assert.deepEqual([delivered, filtered], [3, 1]);
  assert.deepEqual(await fixture.ids('between'), ['~3']);
  assert.equal(await savedPosition(), events[3]?.position.token);
});
