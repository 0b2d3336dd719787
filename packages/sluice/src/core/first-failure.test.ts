import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FirstFailure } from './first-failure.ts';

const { signal } = new AbortController();

test('after a failure nothing runs any more, and everything fails with that error', async () => {
  const failures = new FirstFailure();
  assert.equal(await failures.unlessFailed(signal, async () => 1), 1);
  const slow = Promise.withResolvers<number>();
  const beside = failures.unlessFailed(signal, () => slow.promise);
  const first = new Error('first');
  await assert.rejects(
    failures.unlessFailed(signal, () => Promise.reject(first)),
    first,
  );
  let ran = false;
  await assert.rejects(
    failures.unlessFailed(signal, async () => {
      ran = true;
    }),
    first,
  );
  assert.equal(ran, false);
  const second = new Error('second');
  slow.reject(second);
  await assert.rejects(beside, second, 'what ran beside it keeps its own error');
  await assert.rejects(
    failures.unlessFailed(signal, async () => 1),
    first,
  );
});

test('an abort counts as a failure, and comes out unchanged', async () => {
  const failures = new FirstFailure();
  const reason = new Error('stop');
  await assert.rejects(
    failures.unlessFailed(AbortSignal.abort(reason), async () => 1),
    reason,
  );
  await assert.rejects(
    failures.unlessFailed(signal, async () => 1),
    reason,
  );
});
