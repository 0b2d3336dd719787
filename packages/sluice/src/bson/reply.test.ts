import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { seededRandom } from '../testing/random.ts';
import { parseCursorReply } from './reply.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';

const events = [1, 2, 3].map((n) => b.document(['_id', b.embedded(['_data', b.string(`82${n}`)])], ['n', b.int32(n)]));

function reply(batch: 'firstBatch' | 'nextBatch', items: readonly Buffer[] = events): Buffer {
  return b.document(
    [batch, b.array(...items.map((payload) => ({ type: 0x03, payload })))],
    ['postBatchResumeToken', b.embedded(['_data', b.string('826B01')])],
    ['id', b.int64(5_080_525_717_777_557_029n)],
    ['ns', b.string('shop.$cmd.aggregate')],
  );
}

test('a reply is cut into one slice per event, without a copy', () => {
  for (const batch of ['firstBatch', 'nextBatch'] as const) {
    const bytes = reply(batch);
    const cursor = parseCursorReply(bytes);
    assert.deepEqual(
      cursor.events.map((event) => Buffer.from(event)),
      events,
    );
    assert.ok(cursor.events.every((event) => event.buffer === bytes.buffer));
    assert.equal(cursor.id, 5_080_525_717_777_557_029n);
    assert.equal(cursor.postBatchResumeToken, '826B01');
    assert.equal(
      cursor.bytes,
      events.reduce((sum, event) => sum + event.length, 0),
    );
  }
});

test('an empty batch, a closed cursor and a missing token are read', () => {
  const cursor = parseCursorReply(b.document(['nextBatch', b.array()], ['id', b.int64(0n)]));
  assert.deepEqual(cursor, { id: 0n, events: [], postBatchResumeToken: undefined, bytes: 0 });
});

test('an event that is damaged inside does not damage its neighbours', () => {
  const broken = Buffer.from(events[1]!);
  broken.fill(0xee, 8, broken.length - 1);
  const cursor = parseCursorReply(reply('nextBatch', [events[0]!, broken, events[2]!]));
  assert.equal(cursor.events.length, 3);
  assert.deepEqual(Buffer.from(cursor.events[2]!), events[2]);
});

test('fuzz: a broken reply is an internal error, never a wrong answer outside its bytes', () => {
  const random = seededRandom(1);
  for (let i = 0; i < 5000; i++) {
    const bytes = corrupt(random, reply('firstBatch'));
    try {
      for (const event of parseCursorReply(bytes).events) assert.ok(event.length >= 5);
    } catch (error) {
      assert.ok(
        error instanceof SluiceError && error.kind === 'internal' && error.code === 'mongodb.bad-reply',
        String(error),
      );
    }
  }
});
