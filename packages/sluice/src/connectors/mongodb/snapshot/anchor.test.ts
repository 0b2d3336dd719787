import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anchorIn, type StreamBatch, timeBefore } from './anchor.ts';
import { highWater, ModelEvent } from './test-support/model-server.ts';

function eventAt(i: number, ordinal = 0): ModelEvent {
  return new ModelEvent({ op: 'delete', coll: 'a', key: 3 }, { clusterTime: { t: 9, i }, ordinal });
}

function batchOf(...events: readonly ModelEvent[]): StreamBatch {
  const position = events.at(-1)?.position ?? highWater({ t: 9, i: 50 });
  return { events, position, bytes: 0, caughtUp: true, empty: events.length === 0 };
}

const before = highWater({ t: 9, i: 1 });

test('the anchor is before the changes of the newest time, at the time before it', () => {
  const earlier = eventAt(3);
  const place = anchorIn(batchOf(eventAt(2), earlier, eventAt(5, 0), eventAt(5, 1)), before, true);
  assert.deepEqual(place, { index: 2, at: { t: 9, i: 4 }, position: earlier.position });
});

test('changes of one time have their anchor in front, if none of them came earlier', () => {
  const batch = batchOf(eventAt(5, 1), eventAt(5, 2));
  assert.deepEqual(anchorIn(batch, before, true), { index: 0, at: { t: 9, i: 4 }, position: before });
  assert.equal(anchorIn(batch, eventAt(5, 0).position, true), undefined);
  assert.equal(anchorIn(batch, undefined, true), undefined, 'what came before is not known');
});

test('an empty answer behind a change is an anchor at its time: one entry of an oplog holds all changes of a time', () => {
  const { position } = eventAt(5, 1);
  const batch = { ...batchOf(), position };
  assert.deepEqual(anchorIn(batch, before, true), { index: 0, at: { t: 9, i: 5 }, position });
  assert.equal(anchorIn(batch, before, false), undefined, 'of several oplogs they do not');
});

test('an empty answer between changes is an anchor at the time before: its own may be still to come', () => {
  for (const emptyMeansAll of [true, false]) {
    const batch = batchOf();
    const place = { index: 0, at: { t: 9, i: 49 }, position: batch.position };
    assert.deepEqual(anchorIn(batch, before, emptyMeansAll), place);
    assert.deepEqual(anchorIn(batch, undefined, emptyMeansAll), place);
  }
});

test('an answer without changes that the server did not look for is none', () => {
  assert.equal(anchorIn({ ...batchOf(), empty: false }, before, true), undefined);
});

test('times are counted down over the second', () => {
  assert.deepEqual(timeBefore({ t: 9, i: 7 }), { t: 9, i: 6 });
  assert.deepEqual(timeBefore({ t: 9, i: 1 }), { t: 9, i: 0 });
  assert.deepEqual(timeBefore({ t: 9, i: 0 }), { t: 8, i: 4_294_967_295 });
});
