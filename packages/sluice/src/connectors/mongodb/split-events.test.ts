import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { SplitEvents } from './split-events.ts';

const token = (end: string) => ({ _data: `826B01326B00000005${end}` });
const piece = (fragment: number, of: number, fields: object) =>
  BSON.serialize({
    _id: token(`0${fragment}`),
    splitEvent: { fragment: new BSON.Int32(fragment), of: new BSON.Int32(of) },
    ...fields,
  });

test('a whole event passes untouched', () => {
  const raw = BSON.serialize({ _id: token('01'), operationType: 'insert' });
  assert.equal(new SplitEvents().add(raw), raw);
});

test('the pieces become one event with the token of the last', () => {
  const split = new SplitEvents();
  assert.equal(split.add(piece(1, 3, { fullDocumentBeforeChange: { a: 1 } })), undefined);
  assert.equal(split.unfinished, true);
  assert.equal(split.add(piece(2, 3, { fullDocument: { a: 2 } })), undefined);
  const whole = split.add(piece(3, 3, { operationType: 'replace', ns: { db: 'd', coll: 'c' } }));
  assert.equal(split.unfinished, false);
  assert.ok(whole);
  const event = BSON.deserialize(whole);
  assert.deepEqual(event, {
    _id: token('03'),
    fullDocumentBeforeChange: { a: 1 },
    fullDocument: { a: 2 },
    operationType: 'replace',
    ns: { db: 'd', coll: 'c' },
  });
  assert.deepEqual(Buffer.from(BSON.serialize(event)), whole);
});

test('a missing piece is an error, never a wrong event', () => {
  const split = new SplitEvents();
  split.add(piece(1, 3, { a: 1 }));
  assert.throws(() => split.add(piece(3, 3, { c: 1 })), { kind: 'internal', code: 'mongodb.split-event' });
  assert.throws(() => new SplitEvents().add(piece(2, 2, {})), { code: 'mongodb.split-event' });
});
