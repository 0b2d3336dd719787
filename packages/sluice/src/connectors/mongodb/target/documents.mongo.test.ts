import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { randomDocument } from '../../../bson/test-support/random-bson.ts';
import { everyType } from '../../../bson/test-support/sample-events.ts';
import { seededRandom } from '../../../testing/random.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

const LARGEST_BYTES = 16 * 1024 * 1024;

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

/** Documents with an `_id` in front, as every stored document has it. */
function documents(seed: number, count: number): Buffer[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => withId(index, randomDocument(random, { libraryTypes: false })));
}

function withId(id: number, document: Buffer): Buffer {
  const head = b.document(['_id', b.int32(id)]);
  return b.framed(Buffer.concat([head.subarray(4, -1), document.subarray(4, -1)]));
}

const kinds = [
  { delivery: 'at-least-once' },
  { delivery: 'exactly-once' },
  { delivery: 'at-least-once', guard: 'version' },
] as const;

for (const settings of kinds) {
  const mode = Object.values(settings).join(', ');

  test(`documents arrive byte by byte, new, replaced and copied (${mode})`, async () => {
    const coll = `bytes-${mode.replaceAll(/\W/g, '')}`;
    await using sink = await fixture.sink(settings);
    const claim = await sink.checkpoints?.claim('test/0', new AbortController().signal);
    const epoch = claim?.epoch;
    const sets = [documents(1, 150), documents(2, 150), documents(3, 150)];
    for (const [round, op] of (['snapshot', 'update', 'snapshot'] as const).entries()) {
      const set = sets[round] ?? [];
      const events = set.map((after, index) => rawEvent({ op, coll, after, sequence: round * 1000 + index }));
      const { delivered, rejections } = await writeEvents(sink, events, { epoch });
      assert.deepEqual([delivered, rejections.length], [set.length, 0]);
      const found = await fixture.raw(coll);
      for (const [index, document] of set.entries()) assert.deepEqual(found[index], document, `${op} ${index}`);
    }
  });
}

test('a document with every type and odd name is the same after an insert and after a replacement', async () => {
  await using sink = await fixture.sink();
  for (const [sequence, op] of (['insert', 'replace', 'snapshot'] as const).entries()) {
    const { rejections } = await writeEvents(sink, [rawEvent({ op, coll: 'every', after: everyType, sequence })]);
    assert.deepEqual(rejections, []);
    assert.deepEqual(await fixture.raw('every'), [everyType]);
  }
});

test('names with a dollar or a dot at the top and inside are written', async () => {
  const id = ['_id', b.int32(1)] as const;
  const shapes = [
    b.document(id, ['$set', b.embedded(['a', b.int32(1)])]),
    b.document(id, ['a', b.int32(1)], ['$inc', b.int32(2)], ['$', b.string('$x')]),
    b.document(id, ['a.b', b.int32(1)], ['a', b.embedded(['b', b.int32(2)], ['$set', b.int32(3)], ['c.d', b.nothing])]),
    b.document(id, ['ref', b.embedded(['$ref', b.string('c')], ['$id', b.int32(1)], ['$db', b.string('d')])]),
    b.document(id, ['x', b.embedded(['$id', b.int32(1)])], ['$db', b.int32(1)]),
    b.document(id, ['', b.int32(1)], ['$literal', b.string('$a')], ['', b.int32(2)]),
  ];
  await using sink = await fixture.sink();
  for (const [sequence, after] of shapes.entries()) {
    const { rejections } = await writeEvents(sink, [rawEvent({ op: 'replace', coll: 'names', after, sequence })]);
    assert.deepEqual(
      rejections.map(({ error }) => error.message),
      [],
    );
    assert.deepEqual(await fixture.raw('names'), [after]);
  }
});

for (const settings of kinds) {
  const mode = Object.values(settings).join(', ');

  test(`an empty timestamp at the top stays empty, where a server would put its time (${mode})`, async () => {
    const coll = `empty-${mode.replaceAll(/\W/g, '')}`;
    await using sink = await fixture.sink(settings);
    const epoch = (await sink.checkpoints?.claim('test/0', new AbortController().signal))?.epoch;
    const empty = b.timestamp(0, 0);
    const plain = (id: number, n: number) => b.document(['_id', b.int32(id)], ['at', empty], ['n', b.int32(n)]);
    const dollar = b.document(['_id', b.int32(3)], ['$at', b.int32(1)], ['at', empty], ['also', empty]);
    const set = (n: number) => [plain(1, n), plain(2, n), dollar];
    for (const [round, op] of (['snapshot', 'update', 'snapshot'] as const).entries()) {
      const events = set(round).map((after, index) => rawEvent({ op, coll, after, sequence: round * 10 + index }));
      const { rejections } = await writeEvents(sink, events, { epoch });
      assert.deepEqual(rejections, []);
      assert.deepEqual(await fixture.raw(coll), set(round), op);
    }
    const as = (...fields: readonly b.Field[]) => b.document(['_id', b.int32(9)], ...fields);
    const unsayable = as(
      ['a.b', empty],
      ['', empty],
      ['twice', empty],
      ['twice', b.int32(1)],
      ['sub', b.embedded(['at', empty])],
    );
    const { rejections } = await writeEvents(sink, [rawEvent({ op: 'insert', coll, after: unsayable, sequence: 90 })], {
      epoch,
    });
    assert.deepEqual(rejections, []);
  });
}

test('numbers that are equal are one document, which takes the type of the last one', async () => {
  await using sink = await fixture.sink();
  const as = (id: b.Value) => b.document(['_id', id], ['a', b.int32(1)]);
  const key = (id: b.Value) => b.document(['_id', id]);
  await writeEvents(sink, [rawEvent({ op: 'insert', coll: 'numbers', after: as(b.int32(1)), sequence: 1 })]);
  const { rejections } = await writeEvents(sink, [
    rawEvent({ op: 'delete', coll: 'numbers', key: key(b.int32(1)), sequence: 2 }),
    rawEvent({ op: 'insert', coll: 'numbers', after: as(b.double(1)), sequence: 3 }),
  ]);
  assert.deepEqual(rejections, []);
  assert.deepEqual(await fixture.raw('numbers'), [as(b.double(1))]);
  // The delete may have come with the batch before, and the target may have missed it.
  await writeEvents(sink, [rawEvent({ op: 'insert', coll: 'numbers', after: as(b.int64(1n)), sequence: 4 })]);
  assert.deepEqual(await fixture.raw('numbers'), [as(b.int64(1n))]);
});

test('documents of 16 MB are copied and replaced', async () => {
  const empty = b.document(['_id', b.int32(1)], ['text', b.string('')]).length;
  await using sink = await fixture.sink();
  for (const [sequence, op] of (['snapshot', 'update', 'snapshot'] as const).entries()) {
    const text = String.fromCharCode(97 + sequence).repeat(LARGEST_BYTES - empty);
    const after = b.document(['_id', b.int32(1)], ['text', b.string(text)]);
    const { rejections } = await writeEvents(sink, [rawEvent({ op, coll: 'large', after, sequence })]);
    assert.deepEqual(rejections, []);
    assert.ok(after.equals((await fixture.raw('large'))[0] as Buffer));
  }
});

test('a document above 16 MB is a rejection, its neighbours are written', async () => {
  await using sink = await fixture.sink();
  const after = b.document(['_id', b.int32(1)], ['text', b.string('x'.repeat(LARGEST_BYTES))]);
  const small = b.document(['_id', b.int32(2)]);
  const events = [after, small].map((document, sequence) =>
    rawEvent({ op: 'update', coll: 'too-large', after: document, sequence }),
  );
  const { delivered, rejections } = await writeEvents(sink, events);
  assert.deepEqual([delivered, rejections[0]?.error.code], [1, 'mongodb.document-too-large']);
});

test('a batch over several collections and with deletes ends in what the last event of each document says', async () => {
  await using sink = await fixture.sink();
  const after = (id: number, n: number) => b.document(['_id', b.int32(id)], ['n', b.int32(n)]);
  const events = Array.from({ length: 3_000 }, (_, sequence) => {
    const id = sequence % 71;
    const coll = `several${sequence % 3}`;
    return sequence % 5 === 4
      ? rawEvent({ op: 'delete', coll, key: b.document(['_id', b.int32(id)]), sequence })
      : rawEvent({ op: sequence % 2 === 0 ? 'insert' : 'update', coll, after: after(id, sequence), sequence });
  });
  for (let start = 0; start < events.length; start += 500) {
    const { delivered } = await writeEvents(sink, events.slice(start, start + 500));
    assert.equal(delivered, 500);
  }
  const expected = new Map<string, number>();
  for (const [sequence, { op }] of events.entries()) {
    const key = `several${sequence % 3}/${sequence % 71}`;
    if (op === 'delete') expected.delete(key);
    else expected.set(key, sequence);
  }
  const found = new Map<string, number>();
  for (const coll of ['several0', 'several1', 'several2']) {
    for (const { _id, n } of await fixture.target.collection(coll).find().toArray())
      found.set(`${coll}/${String(_id)}`, n);
  }
  assert.deepEqual(found, expected);
});
