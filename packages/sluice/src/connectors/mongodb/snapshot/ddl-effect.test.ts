import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../../core/change-event.ts';
import { effectOfDdl } from './ddl-effect.ts';
import { type CollectionCopy, EMPTY_COPY, NO_SNAPSHOTS, type SnapshotState } from './snapshot-state.ts';
import { ModelEvent } from './test-support/model-server.ts';

function copyOf(coll: string): CollectionCopy {
  return { ...EMPTY_COPY, namespace: { db: 'shop', coll }, mode: 'pass', remaining: [], rows: 7, uuid: 'AAAA' };
}

/** `a` and `b` are being copied, `c` is covered, and so is a collection of another database with a similar name. */
const state: SnapshotState = {
  ...NO_SNAPSHOTS,
  revision: 4,
  covered: new Map([
    ['shop.c', 'CCCC'],
    ['shopping.a', 'DDDD'],
  ]),
  run: {
    reason: 'on-demand',
    startedAtMs: 1,
    since: { t: 1, i: 1 },
    paused: true,
    collections: new Map([
      ['shop.a', copyOf('a')],
      ['shop.b', copyOf('b')],
    ]),
  },
};

function after(op: Operation, coll: string, to?: string, before = state, adopted = true): SnapshotState {
  const version = { clusterTime: { t: 5, i: 2 }, ordinal: 0 };
  const event = new ModelEvent(to === undefined ? { op, coll } : { op, coll, to }, version);
  return effectOfDdl(before, event, () => (adopted ? { match: undefined } : undefined));
}

const namesIn = ({ covered, run }: SnapshotState) => [...covered.keys(), ...(run?.collections.keys() ?? [])];

test('a dropped collection is forgotten', () => {
  assert.deepEqual(namesIn(after('drop', 'a')), ['shop.c', 'shopping.a', 'shop.b']);
  assert.deepEqual(namesIn(after('drop', 'c')), ['shopping.a', 'shop.a', 'shop.b']);
  assert.equal(after('drop', 'a').revision, 5);
  assert.equal(after('drop', 'a').run?.paused, true);
});

test('with a database go its collections, and no others', () => {
  assert.deepEqual(namesIn(after('dropDatabase', '')), ['shopping.a']);
});

test('what is not known changes nothing', () => {
  assert.equal(after('drop', 'z'), state);
  assert.equal(after('rename', 'z', 'y', state, false), state);
  for (const op of ['create', 'createIndexes', 'modify', 'invalidate', 'shardCollection']) {
    assert.equal(after(op, 'a'), state, op);
  }
});

test('a collection that is renamed within the stream is copied under its new name, and what was there is forgotten', () => {
  const renamed = after('rename', 'a', 'c');
  assert.deepEqual(namesIn(renamed), ['shopping.a', 'shop.b', 'shop.c']);
  const copy = renamed.run?.collections.get('shop.c');
  assert.deepEqual(copy, { ...EMPTY_COPY, namespace: { db: 'shop', coll: 'c' }, mode: 'hold' });
  assert.equal(renamed.run?.reason, 'on-demand', 'it joins the run there is');
});

test('a collection that is renamed onto one that is being copied begins anew', () => {
  const renamed = after('rename', 'z', 'b');
  assert.deepEqual(namesIn(renamed), ['shop.c', 'shopping.a', 'shop.a', 'shop.b']);
  assert.equal(renamed.run?.collections.get('shop.b')?.remaining, undefined);
  assert.equal(renamed.run?.collections.get('shop.b')?.uuid, undefined);
});

test('a collection that is renamed out of the stream is forgotten', () => {
  assert.deepEqual(namesIn(after('rename', 'a', 'z', state, false)), ['shop.c', 'shopping.a', 'shop.b']);
});

test('where nothing runs, a collection that comes in starts a run', () => {
  const { run } = after('rename', 'z', 'n', { ...state, run: undefined });
  assert.equal(run?.reason, 'new-collections');
  assert.deepEqual(run?.since, { t: 5, i: 2 });
  assert.equal(run?.startedAtMs, 5000);
  assert.deepEqual([...(run?.collections.keys() ?? [])], ['shop.n']);
});

test('the query of the configuration holds for a collection that comes in, and then changes pass', () => {
  const version = { clusterTime: { t: 5, i: 2 }, ordinal: 0 };
  const event = new ModelEvent({ op: 'rename', coll: 'x', to: 'y' }, version);
  const copy = effectOfDdl(NO_SNAPSHOTS, event, () => ({ match: '{"a":1}' })).run?.collections.get('shop.y');
  assert.deepEqual([copy?.match, copy?.mode], ['{"a":1}', 'pass']);
});
