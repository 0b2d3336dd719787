import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { InFlightBudget } from './in-flight-budget.ts';

const never = new AbortController().signal;

test('what does not fit waits for a release', async () => {
  const budget = new InFlightBudget(100);
  await budget.acquire(80, never);
  let taken = false;
  const waiting = budget.acquire(30, never).then(() => (taken = true));
  await setImmediate();
  assert.equal(taken, false);
  budget.release(80);
  await waiting;
  assert.equal(budget.usedBytes, 30);
});

test('one event larger than the budget passes when nothing else is in flight', async () => {
  const budget = new InFlightBudget(100);
  await budget.acquire(16_000, never);
  assert.equal(budget.usedBytes, 16_000);
});

test('an abort ends the wait', async () => {
  const budget = new InFlightBudget(10);
  await budget.acquire(10, never);
  const controller = new AbortController();
  const waiting = budget.acquire(1, controller.signal);
  controller.abort(new Error('stop'));
  await assert.rejects(waiting, /stop/);
  assert.equal(budget.usedBytes, 10);
});

test('a lower limit holds back what is not urgent, and never lets more in than the usual one', async () => {
  const budget = new InFlightBudget(100);
  await budget.acquire(30, never);
  let taken = 0;
  const low = budget.acquire(30, never, 50).then(() => (taken += 1));
  await setImmediate();
  assert.equal(taken, 0);
  budget.release(30);
  await low;
  await budget.acquire(60, never);
  const high = budget.acquire(60, never, 1_000).then(() => (taken += 1));
  await setImmediate();
  assert.equal(taken, 1);
  budget.release(90);
  await high;
});
