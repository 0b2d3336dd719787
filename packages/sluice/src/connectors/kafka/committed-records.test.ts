import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommittedRecords } from './committed-records.ts';
import { control, data } from './log-fixture.ts';

const offsets = (records: readonly { readonly offset: bigint }[]) => records.map(({ offset }) => Number(offset));

test('records outside transactions count at once', () => {
  const view = new CommittedRecords();
  assert.deepEqual(offsets(view.add(data(3, { keys: ['a', 'b'] }))), [3, 4]);
});

test('records of a transaction count when it is committed, and only then', () => {
  const view = new CommittedRecords();
  assert.deepEqual(view.add(data(0, { producerId: 7n })), []);
  assert.deepEqual(view.add(data(1, { producerId: 7n })), []);
  assert.deepEqual(offsets(view.add(control(2, 'commit', 7n))), [0, 1]);
});

test('many aborted transactions of one producer leave nothing behind', () => {
  const view = new CommittedRecords();
  const seen: number[] = [];
  for (let offset = 0; offset < 40; offset += 2) {
    seen.push(...offsets(view.add(data(offset, { producerId: 7n }))));
    const type = offset === 20 ? 'commit' : 'abort';
    seen.push(...offsets(view.add(control(offset + 1, type, 7n))));
  }
  assert.deepEqual(seen, [20]);
  assert.deepEqual(view.finish(100n), { committed: [], undecided: [] });
});

test('producers do not decide about each other', () => {
  const view = new CommittedRecords();
  view.add(data(0, { producerId: 1n }));
  view.add(data(1, { producerId: 2n }));
  assert.deepEqual(view.add(control(2, 'abort', 1n)), []);
  assert.deepEqual(offsets(view.add(control(3, 'commit', 2n))), [1]);
});

test('what has no end before the stable offset was committed, behind it nobody knows', () => {
  const view = new CommittedRecords();
  view.add(data(0, { producerId: 1n }));
  view.add(data(5, { producerId: 2n }));
  const { committed, undecided } = view.finish(5n);
  assert.deepEqual([offsets(committed), offsets(undecided)], [[0], [5]]);
});

test('an end whose record was compacted away is taken for an abort: its data went first', () => {
  const view = new CommittedRecords();
  view.add(data(0, { producerId: 1n }));
  assert.deepEqual(view.add({ ...control(1, 'commit', 1n), records: [] }), []);
});
