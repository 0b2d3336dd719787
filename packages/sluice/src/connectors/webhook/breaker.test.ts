import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLogger } from '../../core/logger.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Breaker } from './breaker.ts';
import { Outage } from './classify.ts';

const NEVER = new AbortController().signal;
const outage = () => new Outage('it is away', { code: 'webhook.server-error', hint: undefined });

/** Work that is under way until the test ends it, each time it is begun. */
function work() {
  const begun: PromiseWithResolvers<string>[] = [];
  const run = () => {
    begun.push(Promise.withResolvers());
    return begun.at(-1)!.promise;
  };
  return { begun, run };
}

test('work from before the breaker opened that fails late brings no second probe', async () => {
  const settings = { breaker: { failures: 1, wait: 1, maxWait: 1 }, retry: { min: 1, max: 1, retryAfterMax: 1 } };
  const breaker = new Breaker({ settings, logger: silentLogger, endpoint: 'here' });
  const [late, soon] = [work(), work()];
  const results = Promise.all([breaker.run(late.run, NEVER), breaker.run(soon.run, NEVER)]);
  await waitFor(() => soon.begun.length === 1, { timeoutMs: 30_000, message: 'both are under way' });
  soon.begun[0]?.reject(outage());
  await waitFor(() => soon.begun.length === 2, { timeoutMs: 30_000, message: 'the probe is under way' });
  late.begun[0]?.reject(outage());
  await delay(50);
  assert.equal(late.begun.length, 1, 'it waits for what becomes of the probe');
  soon.begun[1]?.resolve('soon');
  await waitFor(() => late.begun.length === 2, { timeoutMs: 30_000, message: 'the probe has closed the breaker' });
  late.begun[1]?.resolve('late');
  assert.deepEqual(await results, ['late', 'soon']);
});
