import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from './wait-for.ts';

test('it returns the first truthy answer', async () => {
  let looks = 0;
  const answer = await waitFor(() => (++looks === 3 ? 'here' : undefined), {
    timeoutMs: 1000,
    intervalMs: 1,
    message: 'it is here',
  });
  assert.equal(answer, 'here');
  assert.equal(looks, 3);
});

test('it says what it waited for', async () => {
  await assert.rejects(
    waitFor(() => false, { timeoutMs: 5, intervalMs: 1, message: 'pigs fly' }),
    /until pigs fly/,
  );
});

test('an error of the condition ends the wait, or becomes the cause of the time-out', async () => {
  const broken = () => Promise.reject(new Error('broken'));
  await assert.rejects(waitFor(broken, { timeoutMs: 1000, message: 'it works' }), /broken/);
  const patient = waitFor(broken, { timeoutMs: 5, intervalMs: 1, retryErrors: true, message: 'it works' });
  await assert.rejects(patient, (error: Error) => (error.cause as Error).message === 'broken');
});

test('an aborted signal ends it with its reason', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = waitFor(() => false, { timeoutMs: 60_000, intervalMs: 60_000, message: 'never', signal });
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, (error: Error) => error.name === 'AbortError' || error.message === 'enough');
});
