import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { NamespaceCache } from '../../bson/namespace-cache.ts';
import type { CursorReply } from '../../bson/reply.ts';
import type { Position } from '../../core/position.ts';
import { EventBatches } from './event-batches.ts';

const SECOND = 0x6b01326b;
const eventToken = (i: number, key = '00') => `82${hex(SECOND)}${hex(i)}2B022C0100296E5A1004${key}`;
const markToken = (i: number) => `82${hex(SECOND)}${hex(i)}2B0229296E04`;
const at = (i: number): Position => ({ token: eventToken(i), clusterTime: { t: SECOND, i } });

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

function event(i: number, fields: object = {}): Uint8Array {
  return BSON.serialize({
    _id: { _data: eventToken(i) },
    operationType: 'insert',
    clusterTime: new BSON.Timestamp({ t: SECOND, i }),
    ns: { db: 'd', coll: 'c' },
    documentKey: { _id: i },
    ...fields,
  });
}

function reply(events: Uint8Array[], postBatchResumeToken?: string, id = 7n): CursorReply {
  return { id, events, postBatchResumeToken, bytes: events.reduce((sum, raw) => sum + raw.length, 0) };
}

function batches(options: { skipThrough?: Position; split?: boolean } = {}): EventBatches {
  const { skipThrough, split = false } = options;
  return new EventBatches({ skipThrough, split, namespaces: new NamespaceCache() });
}

test('a batch stands at its last event, a heartbeat at the post-batch token', () => {
  const stream = batches();
  const first = stream.next(reply([event(1), event(2)], markToken(9)), 100);
  assert.deepEqual(first?.position, at(2));
  assert.equal(first?.caughtUp, true);
  const second = stream.next(reply([], markToken(9)), 100);
  assert.deepEqual(second?.position, { token: markToken(9), clusterTime: { t: SECOND, i: 9 } });
});

test('the position never goes back', () => {
  const stream = batches();
  stream.next(reply([event(5)]), 100);
  assert.deepEqual(stream.next(reply([], markToken(3)), 100)?.position, at(5));
});

test('events up to the old position are dropped, later ones of the same time are not', () => {
  const stream = batches({ skipThrough: at(5) });
  const same = BSON.serialize({ ...BSON.deserialize(event(5)), _id: { _data: eventToken(5, '01') } });
  const batch = stream.next(reply([event(4), event(5), same, event(6)]), 100);
  assert.equal(batch?.events.length, 2);
  assert.equal(batch?.events[0]?.position.token, eventToken(5, '01'));
});

test('when everything is dropped, the position stays where it was', () => {
  const stream = batches({ skipThrough: at(5) });
  const batch = stream.next(reply([event(4)], markToken(4)), 100);
  assert.equal(batch?.events.length, 0);
  assert.deepEqual(batch?.position, at(5));
});

test('a cursor that ends behind a filtered event stands at the post-batch token', () => {
  const end = eventToken(3);
  assert.equal(batches().next(reply([event(2)], end, 0n), 100)?.position.token, end);
});

test('an event that cannot be walked keeps its place and its bytes', () => {
  const broken = event(2, { fullDocument: { a: 1 } });
  // The type of the last field becomes one that does not exist.
  const name = Buffer.from(broken).indexOf('fullDocument');
  broken[name - 1] = 0x66;
  const batch = batches().next(reply([event(1), broken, event(3)]), 100);
  assert.equal(batch?.events.length, 3);
  const poison = batch?.events[1];
  assert.deepEqual(poison?.position, at(2));
  assert.match(poison?.id ?? '', /^unreadable-[0-9a-f]{64}$/);
  assert.equal(poison?.raw, broken);
  assert.throws(() => poison?.key(), { kind: 'rejected' });
  assert.equal(poison?.op, 'insert');
  assert.deepEqual(poison?.namespace, { db: 'd', coll: 'c' });
  assert.deepEqual(batch?.position, at(3));
});

test('bytes without any token stand at the event before them', () => {
  const batch = batches().next(reply([event(1), Uint8Array.of(9, 9, 9, 9, 9)]), 100);
  assert.deepEqual(batch?.events[1]?.position, at(1));
});

test('no position is handed out in the middle of a split event', () => {
  const piece = (fragment: number, fields: object) =>
    BSON.serialize({
      _id: { _data: eventToken(2, `0${fragment}`) },
      splitEvent: { fragment: new BSON.Int32(fragment), of: new BSON.Int32(2) },
      ...fields,
    });
  const stream = batches({ split: true });
  const first = stream.next(reply([event(1), piece(1, { operationType: 'insert' })], markToken(1)), 100);
  assert.deepEqual(first?.position, at(1));
  assert.equal(stream.next(reply([], markToken(9)), 100), undefined);
  const rest = { ns: { db: 'd', coll: 'c' }, documentKey: { _id: 2 } };
  const last = stream.next(reply([piece(2, rest)]), 100);
  assert.equal(last?.events[0]?.op, 'insert');
  assert.equal(last?.position.token, eventToken(2, '02'));
});
