import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BsonValue } from '../../../core/change-event.ts';
import { keyOf, remains, simpleOrder } from './remaining.ts';
import { type CollectionCopy, EMPTY_COPY, type Interval } from './snapshot-state.ts';
import { formsOf, KEY_COUNT } from './test-support/model-keys.ts';
import { ModelEvent } from './test-support/model-server.ts';

const keyAt = (index: number) => formsOf(index)[0]?.value as BsonValue;

function copyWith(remaining: readonly Interval[] | undefined): CollectionCopy {
  return { ...EMPTY_COPY, namespace: { db: 'shop', coll: 'a' }, mode: 'hold', remaining };
}

/** Which keys of the model remain. */
function remaining(...intervals: readonly (readonly [number | undefined, number | undefined])[]): number[] {
  const bound = (index: number | undefined) => (index === undefined ? undefined : keyAt(index));
  const copy = copyWith(intervals.map(([after, through]) => ({ after: bound(after), through: bound(through) })));
  return Array.from({ length: KEY_COUNT }, (_, key) => key).filter((key) => remains(copy, keyAt(key), simpleOrder));
}

test('an interval begins behind its first bound and ends with its last, whatever the types', () => {
  assert.deepEqual(remaining([2, 5]), [3, 4, 5]);
  assert.deepEqual(remaining([4, 4]), []);
  assert.deepEqual(remaining([8, 14]), [9, 10, 11, 12, 13, 14]);
});

test('an interval without a bound is open', () => {
  assert.deepEqual(remaining([undefined, 2]), [0, 1, 2]);
  assert.deepEqual(remaining([KEY_COUNT - 3, undefined]), [KEY_COUNT - 2, KEY_COUNT - 1]);
  assert.equal(remaining([undefined, undefined]).length, KEY_COUNT);
});

test('a key remains in any of the intervals, and in none when nothing remains', () => {
  assert.deepEqual(remaining([1, 3], [20, 21]), [2, 3, 21]);
  assert.deepEqual(remaining(), []);
});

test('everything remains of a collection that is not cut into ranges', () => {
  assert.equal(remains(copyWith(undefined), keyAt(3), simpleOrder), true);
});

test('a bound is the same in every form of its number', () => {
  const [int32, int64, double] = formsOf(5).map(({ value }) => value);
  assert.ok(int32 !== undefined && int64 !== undefined && double !== undefined);
  assert.equal(remains(copyWith([{ after: int32, through: undefined }]), double, simpleOrder), false);
  assert.equal(remains(copyWith([{ after: undefined, through: int64 }]), double, simpleOrder), true);
});

test('the order of the collection decides', () => {
  const copy = copyWith([{ after: keyAt(3), through: undefined }]);
  assert.equal(
    remains(copy, keyAt(9), () => 0),
    false,
  );
});

test('a change without a readable key has none', () => {
  const version = { clusterTime: { t: 1, i: 1 }, ordinal: 0 };
  const write = { op: 'delete', coll: 'a', key: 3 };
  assert.equal(keyOf(new ModelEvent(write, version)), undefined);
  assert.deepEqual(keyOf(new ModelEvent(write, version, formsOf(3)[0])), keyAt(3));
  const broken = new ModelEvent(write, version);
  broken.key = () => new Uint8Array([1, 2, 3]);
  assert.equal(keyOf(broken), undefined);
});
