import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

const user = (id: number, mail: string) => b.document(['_id', b.int32(id)], ['mail', b.string(mail)]);
const key = (id: number) => b.document(['_id', b.int32(id)]);

/** A collection with a unique index, and the documents in it. */
async function collection(coll: string, ...documents: readonly Buffer[]): Promise<void> {
  await fixture.target.collection(coll).createIndex({ mail: 1 }, { unique: true, name: 'one_mail' });
  await using sink = await fixture.sink();
  await writeEvents(
    sink,
    documents.map((after, sequence) => rawEvent({ op: 'insert', coll, after, sequence })),
  );
}

const modes = [{}, { delivery: 'exactly-once' }, { guard: 'version' }];

for (const [number, settings] of modes.entries()) {
  const mode = JSON.stringify(settings);

  test(`a value that a document gives up in the same batch can be taken (${mode})`, async () => {
    const coll = `moves${number}`;
    await collection(coll, user(1, 'a'), user(2, 'b'));
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    // Collapsed, 3 is written before 1 has given its value up, since 1 changes once more.
    const { rejections } = await writeEvents(
      sink,
      [
        rawEvent({ op: 'update', coll, after: user(1, 'c'), sequence: 11 }),
        rawEvent({ op: 'insert', coll, after: user(3, 'a'), sequence: 12 }),
        rawEvent({ op: 'delete', coll, key: key(2), sequence: 13 }),
        rawEvent({ op: 'insert', coll, after: user(4, 'b'), sequence: 14 }),
        rawEvent({ op: 'update', coll, after: user(1, 'd'), sequence: 15 }),
      ],
      { epoch },
    );
    assert.deepEqual(rejections, []);
    assert.deepEqual(await fixture.raw(coll), [user(1, 'd'), user(3, 'a'), user(4, 'b')]);
  });

  test(`documents that exchange their values in one batch get past each other (${mode})`, async () => {
    const coll = `swaps${number}`;
    await collection(coll, user(1, 'a'), user(2, 'b'), user(3, 'c'));
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    const events = [user(1, 'tmp'), user(3, 'a'), user(2, 'c'), user(1, 'b')].map((after, sequence) =>
      rawEvent({ op: 'update', coll, after, sequence: 20 + sequence }),
    );
    const { rejections } = await writeEvents(sink, events, { epoch });
    assert.deepEqual(
      rejections.map(({ error }) => error.message),
      [],
    );
    assert.deepEqual(await fixture.raw(coll), [user(1, 'b'), user(2, 'c'), user(3, 'a')]);
  });

  test(`a value that another document keeps is a rejection that names the index (${mode})`, async () => {
    const coll = `kept${number}`;
    await collection(coll, user(1, 'a'), user(2, 'b'));
    await using sink = await fixture.sink({ ...settings, attempts: 2 });
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    const events = [user(2, 'a'), user(3, 'c')].map((after, sequence) =>
      rawEvent({ op: 'update', coll, after, sequence: 30 + sequence }),
    );
    const { delivered, rejections } = await writeEvents(sink, events, { epoch });
    assert.equal(delivered, 1);
    assert.equal(rejections[0]?.error.code, 'mongodb.unique-conflict');
    assert.match(rejections[0]?.error.message ?? '', /one_mail/);
    assert.deepEqual(await fixture.raw(coll), [user(1, 'a'), user(2, 'b'), user(3, 'c')]);
  });
}

test('a conflict that another lane is about to resolve passes', async () => {
  const coll = 'lanes';
  await collection(coll, user(1, 'a'));
  await using sink = await fixture.sink({ attempts: 20 });
  const taking = writeEvents(sink, [
    rawEvent({ op: 'insert', coll, after: user(2, 'a'), sequence: 40 }),
    rawEvent({ op: 'insert', coll, after: user(3, 'x'), sequence: 41 }),
  ]);
  await waitFor(async () => (await fixture.raw(coll)).length === 2, {
    timeoutMs: 60_000,
    message: 'the other document is written',
  });
  await writeEvents(sink, [rawEvent({ op: 'update', coll, after: user(1, 'b'), sequence: 39 })]);
  assert.deepEqual((await taking).rejections, []);
  assert.deepEqual(await fixture.raw(coll), [user(1, 'b'), user(2, 'a'), user(3, 'x')]);
});
