import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Collection, Document } from 'mongodb';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { type Random, testRandom } from '../../../testing/random.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { mongodbSourceConfig } from '../config.ts';
import { openMongodbSource } from '../source.ts';
import { Reading } from '../stream-fixture.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

const DOCUMENTS = 12;
const UPDATES = 600;
const REPLAYS = 5;
const MINUTES_AGO_MS = 5 * 60_000;

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

type Numbered = Document & { _id: number };

function fresh(_id: number): Numbered {
  return {
    _id,
    n: 0,
    deep: { a: { b: 1, c: [1, 2, 3] }, z: 1 },
    list: [1, 2, 3, 4],
    rows: [{ x: 1 }, { x: 2, y: [] }],
  };
}

/** One random change of a document, in the ways in which servers describe changes. */
function randomUpdate(random: Random): Document | Document[] {
  const n = random.int(1000);
  const name = random.pick(['z', 'a', 'm', 'Z', 'é', '10', '9']);
  const updates: readonly (() => Document | Document[])[] = [
    () => ({ $set: { n, [`deep.${name}`]: n } }),
    () => ({ $set: { 'deep.a.b': { [name]: n } }, $unset: { [name]: 1 } }),
    () => ({ $unset: { [`deep.${name}`]: 1 } }),
    () => ({ $push: { list: { $each: [n, n + 1], $position: random.int(3) } } }),
    () => ({ $push: { list: { $each: [n], $slice: -5 } } }),
    () => ({ $push: { 'deep.a.c': { $each: [], $slice: random.int(3) } } }),
    () => ({ $push: { rows: { x: n, y: [n] } } }),
    () => ({ $pop: { list: random.pick([1, -1]) } }),
    () => ({ $pull: { rows: { x: { $lt: n } } } }),
    () => ({ $set: { 'rows.$[].x': n } }),
    () => ({ $set: { 'list.7': n } }),
    () => ({ $rename: { [name]: random.pick(['q', 'p']) } }),
    () => [{ $set: { zz: n, aa: { y: 1, b: 2 }, mm: [n] } }],
    () => [{ $unset: ['zz', 'aa', 'mm'] }],
    () => [{ $set: { 'deep.new': { $concatArrays: ['$list', [n]] }, list: { $slice: ['$list', 2] } } }],
    () => [{ $set: { deep: { $mergeObjects: ['$deep', { y: n, x: { w: n, v: n } }] } } }],
    () => ({ $set: { list: [], rows: [{ x: n, y: [1, 2] }, { x: 0 }], 'deep.a': { b: n, c: [n, n, n] } } }),
  ];
  return random.pick(updates)();
}

async function change(collection: Collection<Numbered>, random: Random): Promise<void> {
  const _id = random.int(DOCUMENTS);
  if (random.chance(0.03)) return void (await collection.deleteOne({ _id }));
  if (random.chance(0.05)) return void (await collection.replaceOne({ _id }, fresh(_id), { upsert: true }));
  // What does not fit the document of the moment is refused by the source, and changes nothing.
  await collection.updateOne({ _id }, randomUpdate(random)).catch(() => {});
}

for (const settings of [{}, { delivery: 'exactly-once' }, { guard: 'version' }]) {
  test(`random updates without their documents make the same documents (${JSON.stringify(settings)})`, async (t) => {
    const random = testRandom(t);
    const coll = `deltas${Object.keys(settings).join('')}`;
    const collection = fixture.source.collection<Numbered>(coll);
    const include = [`${fixture.source.databaseName}.${coll}`];
    const times = { maxAwaitTime: '100ms', answerTimeout: '60s', serverSelectionTimeout: '30s' };
    const config = mongodbSourceConfig.parse({ uri: fixture.uri, include, fullDocument: 'off', ...times });
    await using source = await openMongodbSource(config, { ...fixture.context, onPositionLost: 'fail' });
    await using reading = new Reading(source);
    await reading.start();
    await collection.insertMany(Array.from({ length: DOCUMENTS }, (_, id) => fresh(id)));
    for (let i = 0; i < UPDATES; i++) await change(collection, random);
    await collection.insertOne({ _id: -1 });
    await reading.until(({ ids }) => ids.at(-1) === -1);
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    for (let start = 0; start < reading.events.length; ) {
      const batch = reading.events.slice(start, start + 1 + random.int(60));
      const { rejections } = await writeEvents(sink, batch, { epoch });
      assert.deepEqual(
        rejections.map(({ error }) => error.message),
        [],
      );
      start += batch.length;
    }
    assert.deepEqual(fixture.log, []);
    assert.deepEqual(await fixture.raw(coll), await fixture.raw(coll, fixture.source));
    // As after a crash: what comes behind an old checkpoint is given once more.
    for (let replay = 0; replay < REPLAYS; replay++) {
      const again = reading.events.slice(random.int(reading.events.length));
      const { rejections } = await writeEvents(sink, again, { epoch });
      assert.equal(rejections.length, 0);
      // The order of fields may be another one.
      assert.deepEqual(await decoded(coll, fixture.target), await decoded(coll, fixture.source));
    }
    fixture.log.length = 0;
  });
}

function decoded(coll: string, db: TargetFixture['target']): Promise<Document[]> {
  return db.collection(coll).find().sort({ _id: 1 }).toArray();
}

const update = (...fields: readonly b.Field[]) => b.document(['updatedFields', b.embedded(...fields)]);
const key = b.document(['_id', b.int32(7)]);
const stored = b.document(['_id', b.int32(7)], ['a', b.int32(1)]);

const unmatched = [
  { what: 'a document that is not there', after: undefined, fields: update(['a', b.int32(2)]) },
  { what: 'a field inside of a number', after: stored, fields: update(['a.b', b.int32(2)]) },
  { what: 'a name with a dot', after: stored, fields: update(['x.y', b.int32(2)]) },
];

for (const [number, { what, after: present, fields }] of unmatched.entries()) {
  test(`an update of ${what} is rejected, and skipped when it may be a replay`, async () => {
    const coll = `unmatched${number}`;
    await using sink = await fixture.sink();
    if (present !== undefined) await writeEvents(sink, [rawEvent({ op: 'insert', coll, after: present, sequence: 1 })]);
    const later = Date.now() + MINUTES_AGO_MS;
    const delta = { op: 'update', coll, key, update: fields } as const;
    const other = rawEvent({ op: 'insert', coll, after: b.document(['_id', b.int32(8)]), sequence: 2 });
    const young = await writeEvents(sink, [rawEvent({ ...delta, sequence: 3, wallTimeMs: later }), other]);
    assert.deepEqual(
      young.rejections.map(({ error }) => [error.kind, error.code]),
      [['rejected', 'mongodb.delta-without-document']],
    );
    assert.equal(young.delivered, 1);
    const old = await writeEvents(sink, [rawEvent({ ...delta, sequence: 4, wallTimeMs: Date.now() - MINUTES_AGO_MS })]);
    assert.deepEqual([old.delivered, old.rejections.length], [1, 0]);
    assert.match(fixture.log.at(-1) ?? '', /skipped/);
    const kept = await fixture.raw(coll);
    assert.equal(kept.length, present === undefined ? 1 : 2);
    if (present !== undefined) assert.deepEqual(kept[0], stored);
  });
}

test('updates of names that cannot be said as a path are rejected, before anything is sent', async () => {
  await using sink = await fixture.sink();
  for (const [sequence, name] of ['$a', 'a.$[]', 'a..b', ''].entries()) {
    const event = rawEvent({ op: 'update', key, update: update([name, b.int32(1)]), sequence });
    const { rejections } = await writeEvents(sink, [event]);
    assert.equal(rejections[0]?.error.code, 'mongodb.delta-ambiguous', name);
  }
});
