import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RelayedEvent } from '../../../bson/relayed-event.ts';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent } from '../../../core/change-event.ts';
import { testRandom } from '../../../testing/random.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { snapshotEnd } from '../snapshot/marker-events.ts';
import { rawEvent, timeOf } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

const EVENTS = 400;
const KEYS = 20;

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

const key = (id: number) => b.document(['_id', b.int32(id)]);
const document = (id: number, n: number) => b.document(['_id', b.int32(id)], ['n', b.int32(n)]);

/** What the documents of a collection are after the first so many events. */
function stateAfter(events: readonly ChangeEvent[]): Map<string, Buffer> {
  const state = new Map<string, Buffer>();
  for (const event of events) {
    const id = Buffer.from(event.key() ?? []).toString('hex');
    const after = event.after();
    if (after === undefined) state.delete(id);
    else state.set(id, Buffer.from(after));
  }
  return state;
}

async function foundState(coll: string): Promise<Map<string, Buffer>> {
  const found = await fixture.raw(coll);
  return new Map(found.map((raw) => [key(raw.readInt32LE(9)).toString('hex'), raw]));
}

for (const settings of [{ guard: 'version' }, { guard: 'version', delivery: 'exactly-once' }]) {
  test(`rewinds and a zombie never bring back an older state (${Object.values(settings).join(', ')})`, async (t) => {
    const random = testRandom(t);
    const coll = `rewinds${Object.keys(settings).length}`;
    const events = Array.from({ length: EVENTS }, (_, sequence) => {
      const id = random.int(KEYS);
      return random.chance(0.3)
        ? rawEvent({ op: 'delete', coll, key: key(id), sequence })
        : rawEvent({
            op: random.pick(['insert', 'update', 'snapshot']),
            coll,
            after: document(id, sequence),
            sequence,
          });
    });
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    await using zombie = await fixture.sink({ guard: 'version' });
    for (let done = 0; done < EVENTS; ) {
      const end = Math.min(EVENTS, done + 1 + random.int(40));
      const from = random.chance(0.4) ? random.int(done + 1) : done;
      const late = random.int(end);
      await Promise.all([
        writeEvents(sink, events.slice(from, end), { epoch }),
        writeEvents(zombie, events.slice(late, late + random.int(30))),
      ]);
      done = end;
      // The zombie may be ahead, as a former owner can be.
      const state = await foundState(coll);
      for (const [id, raw] of stateAfter(events.slice(0, done))) {
        const found = state.get(id);
        if (found !== undefined) assert.ok(numberIn(found) >= numberIn(raw), `after ${done}`);
      }
    }
    assert.deepEqual(await foundState(coll), stateAfter(events));
  });
}

function numberIn(raw: Buffer): number {
  return raw.readInt32LE(raw.length - 5);
}

test('an older event behind a newer one in the same batch is left out, too', async () => {
  await using sink = await fixture.sink({ guard: 'version' });
  const coll = 'mixed';
  const newer = rawEvent({ op: 'update', coll, after: document(1, 9), sequence: 9 });
  const older = rawEvent({ op: 'delete', coll, key: key(1), sequence: 3 });
  const { delivered } = await writeEvents(sink, [newer, older]);
  assert.equal(delivered, 2);
  assert.deepEqual(await fixture.raw(coll), [document(1, 9)]);
});

test('changes without a cluster time are told apart by their ordinals, beyond 32 bits too', async () => {
  await using sink = await fixture.sink({ guard: 'version' });
  const coll = 'timeless';
  const state = (ordinal: number, n: number, op: 'insert' | 'update' | 'delete' = 'update') => {
    const init = op === 'delete' ? { key: key(1) } : { after: document(1, n) };
    const event = rawEvent({ op, coll, ...init, sequence: 0 });
    const version = { clusterTime: { t: 0, i: 0 }, ordinal };
    return new RelayedEvent(event, event.position, { id: `made-${ordinal}`, version });
  };
  const found = async () => (await fixture.raw(coll)).map(numberIn);
  const late = 2 ** 31 + 5;
  for (const [event, expected] of [
    [state(0, 1, 'insert'), [1]],
    [state(1, 2), [2]],
    [state(7, 3), [3]],
    [state(3, 99), [3]],
    [state(late, 4), [4]],
    [state(late - 1, 99), [4]],
    [state(late + 1, 0, 'delete'), []],
    [state(late, 99), []],
    [state(2 ** 46, 5), [5]],
  ] as const) {
    await writeEvents(sink, [event]);
    assert.deepEqual(await found(), expected, `after ordinal ${event.version.ordinal}`);
  }
  await writeEvents(sink, [state(2 ** 46 + 1, 6), state(2 ** 46 + 2, 7)]);
  assert.deepEqual(await found(), [7]);
});

test('without a guard the last write counts', async () => {
  await using sink = await fixture.sink();
  const coll = 'unguarded';
  await writeEvents(sink, [rawEvent({ op: 'update', coll, after: document(1, 9), sequence: 9 })]);
  await writeEvents(sink, [rawEvent({ op: 'update', coll, after: document(1, 3), sequence: 3 })]);
  assert.deepEqual(await fixture.raw(coll), [document(1, 3)]);
});

test('what a copy has not given again is deleted when it ends, and stays deleted', async () => {
  const coll = 'swept';
  const event = (sequence: number, id: number) =>
    rawEvent({ op: 'snapshot', coll, after: document(id, sequence), sequence });
  await using sink = await fixture.sink({ guard: 'version' });
  await writeEvents(sink, [
    event(1, 1),
    event(1, 2),
    event(1, 3),
    rawEvent({ op: 'delete', coll, key: key(4), sequence: 2 }),
  ]);
  await writeEvents(sink, [event(20, 2)]);
  const position = { token: '82', clusterTime: timeOf(30) };
  const end = snapshotEnd({ db: 'shop', coll }, { since: timeOf(10), position, atMs: Date.now() });
  assert.deepEqual(await writeEvents(sink, [end]), { delivered: 1, filtered: 0, rejections: [] });
  assert.deepEqual(await fixture.raw(coll), [document(2, 20)]);
  await writeEvents(sink, [event(5, 1)]);
  assert.deepEqual(await fixture.raw(coll), [document(2, 20)]);
  await writeEvents(sink, [event(40, 1)]);
  assert.deepEqual(await fixture.raw(coll), [document(1, 40), document(2, 20)]);
});

test('without a guard nothing is deleted at the end of a copy, and a warning says so', async () => {
  await using sink = await fixture.sink();
  const position = { token: '82', clusterTime: timeOf(30) };
  const end = snapshotEnd({ db: 'shop', coll: 'x' }, { since: timeOf(10), position, atMs: Date.now() });
  assert.deepEqual(await writeEvents(sink, [end]), { delivered: 0, filtered: 1, rejections: [] });
  assert.match(fixture.log.at(-1) ?? '', /guard: version/);
});

test('deleted documents are forgotten after the configured time, which can be changed', async () => {
  const ttl = async () => {
    const indexes = await fixture.target.collection('versions').indexes();
    return indexes.find(({ name }) => name === 'forget_deleted')?.['expireAfterSeconds'];
  };
  const database = fixture.target.databaseName;
  for (const [keepDeleted, seconds] of [
    ['1h', 3_600],
    ['3d', 259_200],
  ] as const) {
    await using _sink = await fixture.sink({ guard: 'version', versions: { database, keepDeleted } });
    assert.equal(await ttl(), seconds);
  }
});
