import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { testPosition } from '../testing/events.ts';
import { Checkpointer } from './checkpointer.ts';

function recorder(settings: { intervalMs: number; idleIntervalMs: number }, save?: () => Promise<void>) {
  const saved: string[] = [];
  const checkpointer = new Checkpointer(settings, async (position) => {
    await save?.();
    saved.push(position.token);
  });
  const stop = new AbortController();
  return { saved, checkpointer, stop, running: checkpointer.run(stop.signal) };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'waited too long');
    await delay(1);
  }
}

test('the first floor is saved at once, later ones coalesce to the newest', async () => {
  const { saved, checkpointer, stop, running } = recorder({ intervalMs: 30, idleIntervalMs: 10_000 });
  checkpointer.advance(testPosition(1), true);
  await until(() => saved.length === 1);
  for (const n of [2, 3, 4]) checkpointer.advance(testPosition(n), true);
  await until(() => saved.length === 2);
  assert.deepEqual(saved, [testPosition(1).token, testPosition(4).token]);
  stop.abort();
  await running;
});

test('events make an idle wait short', async () => {
  const { saved, checkpointer, stop, running } = recorder({ intervalMs: 1, idleIntervalMs: 60_000 });
  checkpointer.advance(testPosition(1), false);
  await until(() => saved.length === 1);
  checkpointer.advance(testPosition(2), false);
  await delay(20);
  assert.equal(saved.length, 1, 'an idle position waits');
  checkpointer.advance(testPosition(3), true);
  await until(() => saved.length === 2);
  assert.equal(saved[1], testPosition(3).token);
  stop.abort();
  await running;
});

test('what the sink stored is not saved again', async () => {
  const { saved, checkpointer, stop, running } = recorder({ intervalMs: 1, idleIntervalMs: 1 });
  checkpointer.stored(testPosition(1));
  await delay(10);
  stop.abort();
  await running;
  await checkpointer.flush();
  assert.deepEqual(saved, []);
});

test('flush saves what is pending', async () => {
  const { saved, checkpointer, stop, running } = recorder({ intervalMs: 60_000, idleIntervalMs: 60_000 });
  checkpointer.advance(testPosition(1), true);
  await until(() => saved.length === 1);
  checkpointer.advance(testPosition(2), true);
  stop.abort();
  await running;
  await checkpointer.flush();
  assert.deepEqual(saved, [testPosition(1).token, testPosition(2).token]);
});

test('flush waits for the save that is under way, and saves what came after it', async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const { saved, checkpointer, stop } = recorder({ intervalMs: 1, idleIntervalMs: 1 }, async () => {
    most = Math.max(most, ++running);
    await gate.promise;
    running -= 1;
  });
  checkpointer.advance(testPosition(1), true);
  await until(() => running === 1);
  checkpointer.advance(testPosition(2), true);
  let flushed = false;
  const flush = checkpointer.flush().then(() => (flushed = true));
  await delay(10);
  assert.equal(flushed, false);
  gate.resolve();
  await flush;
  assert.deepEqual(saved, [testPosition(1).token, testPosition(2).token]);
  assert.equal(most, 1, 'one save at a time');
  stop.abort();
});

test('a failing save ends the run', async () => {
  const { checkpointer, running } = recorder({ intervalMs: 1, idleIntervalMs: 1 }, () =>
    Promise.reject(new Error('no')),
  );
  checkpointer.advance(testPosition(1), true);
  await assert.rejects(running, /no/);
});
