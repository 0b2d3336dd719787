import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryMode } from './delivery-checks.ts';
import { KeyHistory } from './key-history.ts';

/** `row 3`, `insert 1`, `delete`, `drop`, or `restart`, all of one document. */
function history(mode: DeliveryMode, ...steps: readonly string[]): KeyHistory {
  const followed = new KeyHistory(mode);
  for (const step of steps) {
    const [op = '', counter] = step.split(' ');
    if (op === 'restart') followed.restarted();
    else {
      const n = counter === undefined ? undefined : Number(counter);
      const key = op === 'drop' ? undefined : 'a';
      followed.take({ namespace: 'db.c', key, op: op === 'row' ? 'snapshot' : op, n, k: n && 7 });
    }
  }
  return followed;
}

test('what is right', () => {
  const right = history('exactly-once', 'row 3', 'update 4', 'delete', 'insert 5', 'replace 6');
  assert.deepEqual(right.violations, []);
  assert.deepEqual([...right.documents], [[7, 6]]);
  assert.deepEqual(history('exactly-once', 'insert 9', 'delete').documents.size, 0);
  assert.deepEqual(history('exactly-once', 'row 3', 'drop', 'insert 1').violations, []);
  assert.deepEqual(history('exactly-once', 'row 3', 'restart', 'update 4').violations, []);
  assert.deepEqual(history('exactly-once', 'delete', 'row 3', 'update 4').violations, []);
});

test('what is wrong', () => {
  const wrong: readonly (readonly string[])[] = [
    ['update 4'],
    ['row 3', 'row 3'],
    ['insert 1', 'row 1'],
    ['row 3', 'update 3'],
    ['row 3', 'update 5'],
    ['row 3', 'insert 4'],
    ['row 3', 'delete', 'update 4'],
    ['row 3', 'delete', 'delete'],
    ['row 3', 'restart', 'row 3'],
  ];
  for (const steps of wrong) assert.equal(history('exactly-once', ...steps).violations.length, 1, steps.join());
});

test('after a restart, at-least-once may repeat and not skip', () => {
  const repeated = history('at-least-once', 'row 3', 'update 4', 'restart', 'row 3', 'update 4', 'update 5');
  assert.deepEqual(repeated.violations, []);
  assert.deepEqual([repeated.rows, repeated.repeatedRows], [2, 1]);
  const withDelete = ['row 1', 'delete', 'insert 2', 'restart', 'delete', 'insert 2', 'update 3'];
  assert.deepEqual(history('at-least-once', ...withDelete).violations, []);
  assert.deepEqual(history('at-least-once', 'row 1', 'restart', 'delete', 'insert 3').violations, []);
  assert.equal(history('at-least-once', 'row 1', 'delete', 'restart', 'insert 3').violations.length, 1);
  assert.equal(history('at-least-once', 'row 1', 'restart', 'delete', 'insert 3', 'update 5').violations.length, 1);
  assert.equal(history('at-least-once', 'row 3', 'restart', 'update 5').violations.length, 1);
  assert.equal(history('at-least-once', 'row 3', 'update 4', 'update 4').violations.length, 1);
  assert.equal(history('at-least-once', 'row 3', 'restart', 'update 4', 'update 4').violations.length, 1);
});
