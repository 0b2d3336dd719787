import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TableGates } from './table-gates.ts';

/** Work that says when it runs, and ends when it is told to. */
function work(log: string[], name: string) {
  const end = Promise.withResolvers<void>();
  const run = async () => {
    log.push(`${name} begins`);
    await end.promise;
    log.push(`${name} ends`);
  };
  return { run, end: end.resolve };
}

test('writes go on beside each other, a change waits for them and they for the change', async () => {
  const gates = new TableGates();
  const log: string[] = [];
  const [one, two, change, late, other] = ['one', 'two', 'change', 'late', 'other'].map((name) => work(log, name));
  assert.ok(one && two && change && late && other);
  const running = [gates.write(['a'], one.run), gates.write(['a', 'b'], two.run), gates.change('a', change.run)];
  running.push(gates.write(['b', 'a'], late.run), gates.write(['b'], other.run));
  await turn();
  assert.deepEqual(log, ['one begins', 'two begins', 'other begins']);
  one.end();
  two.end();
  await turn();
  assert.deepEqual(log.slice(3), ['one ends', 'two ends', 'change begins']);
  change.end();
  await turn();
  assert.deepEqual(log.slice(6), ['change ends', 'late begins']);
  late.end();
  other.end();
  await Promise.all(running);
});

test('changes of one table come one after the other, and a failed one or a failed write opens the gate again', async () => {
  const gates = new TableGates();
  const failure = new Error('no');
  const fail = () => Promise.reject(failure);
  await assert.rejects(gates.change('a', fail), failure);
  await assert.rejects(gates.write(['a'], fail), failure);
  const log: string[] = [];
  const [one, two] = [work(log, 'one'), work(log, 'two')];
  const running = [gates.change('a', one.run), gates.change('a', two.run)];
  one.end();
  two.end();
  await Promise.all(running);
  assert.deepEqual(log, ['one begins', 'one ends', 'two begins', 'two ends']);
  await gates.write(['a'], async () => {});
});
