import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { sendRawCommand, serializeWithBytes } from '../../testing/raw-command.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * Documents that kill a stream that decodes them, and events that are larger than the server can send.
 */

const LIMIT = { timeout: 300_000 };

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

test('documents that cannot be decoded flow like all others', LIMIT, async () => {
  const fixture = await fresh();
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  const $db = fixture.db.databaseName;
  const send = async (document: object, text: string, bytes: readonly number[]) => {
    const reply = await sendRawCommand(
      uri,
      serializeWithBytes({ insert: 'a', documents: [document], $db }, text, bytes),
    );
    assert.equal(reply['ok'], 1, JSON.stringify(reply));
    assert.equal(reply['n'], 1, JSON.stringify(reply));
  };
  await fixture.db.collection<{ _id: number }>('a').insertOne({ _id: 1 });
  await send({ _id: 2, name: 'abcd' }, 'abcd', [0x61, 0xff, 0xfe, 0x62]);
  await send({ _id: 3, abcd: 1 }, 'abcd', [0x61, 0xff, 0xfe, 0x62]);
  await fixture.db
    .collection<{ _id: number; r: BSON.BSONRegExp }>('a')
    .insertOne({ _id: 4, r: new BSON.BSONRegExp('(?i)a(') });
  await fixture.db.collection<{ _id: number }>('a').insertOne({ _id: 5 });
  await reading.count(5);
  assert.deepEqual(reading.ids, [1, 2, 3, 4, 5]);
  // They are what kills other readers.
  const after = reading.events[1]?.after();
  assert.ok(after);
  assert.throws(() => BSON.deserialize(after), /UTF-8/i);
  assert.ok(Buffer.from(after).includes(Buffer.from([0x61, 0xff, 0xfe, 0x62])));
});

test('a change that is too large comes without what does not fit, the next ones come whole', LIMIT, async () => {
  const fixture = await fresh();
  interface Large {
    _id: number;
    filler?: string;
    n?: number;
  }
  const a = await fixture.db.createCollection<Large>('a', { changeStreamPreAndPostImages: { enabled: true } });
  await a.insertOne({ _id: 1, filler: 'x'.repeat(9 * 1024 * 1024) });
  await using source = await fixture.source({ fullDocument: 'whenAvailable', beforeImage: 'whenAvailable' });
  await using reading = await new Reading(source).start();
  await a.insertOne({ _id: 0 });
  await a.updateOne({ _id: 1 }, { $set: { n: 1 } });
  await a.updateOne({ _id: 0 }, { $set: { n: 2 } });
  await a.updateOne({ _id: 1 }, { $set: { n: 3 } });
  await a.updateOne({ _id: 0 }, { $set: { n: 4 } });
  await reading.count(5);
  assert.deepEqual(reading.ids, [0, 1, 0, 1, 0]);
  assert.deepEqual(
    reading.events.map(({ degraded }) => degraded),
    [undefined, 'images-dropped', undefined, 'images-dropped', undefined],
  );
  const [, large, small] = reading.events;
  // 18 MB: the image before the change is left out, the document itself still fits.
  assert.equal(large?.before(), undefined);
  assert.ok((large?.after()?.byteLength ?? 0) > 9 * 1024 * 1024);
  assert.deepEqual(BSON.deserialize(small?.before() ?? new Uint8Array()), { _id: 0 });
  assert.deepEqual(BSON.deserialize(small?.after() ?? new Uint8Array()), { _id: 0, n: 2 });
  const warnings = fixture.log.filter(({ message }) => message.includes('too large for the server'));
  assert.equal(warnings.length, 2, 'the normal stream was restored in between');
});

test('when not even the document fits next to the delta, the key and the operation still come', LIMIT, async () => {
  const fixture = await fresh();
  interface Large {
    _id: number;
    a: string;
    b?: string;
  }
  const images = { changeStreamPreAndPostImages: { enabled: true } };
  const a = await fixture.db.createCollection<Large>('a', images);
  const half = 'x'.repeat(7 * 1024 * 1024);
  await a.insertOne({ _id: 1, a: half });
  await using source = await fixture.source({ fullDocument: 'whenAvailable', beforeImage: 'whenAvailable' });
  await using reading = await new Reading(source).start();
  await a.updateOne({ _id: 1 }, { $set: { b: half } });
  await a.deleteOne({ _id: 1 });
  await reading.count(2);
  const [update, remove] = reading.events;
  assert.equal(update?.degraded, 'images-dropped');
  assert.deepEqual([update?.before(), update?.after()], [undefined, undefined]);
  assert.ok((update?.update()?.byteLength ?? 0) > half.length);
  assert.equal(remove?.op, 'delete');
  assert.equal(remove?.degraded, undefined);
  assert.ok((remove?.before()?.byteLength ?? 0) > 2 * half.length);
});
