import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceBatch } from '../core/source.ts';
import { testEvent, testPosition } from '../testing/events.ts';
import { Batcher } from './batcher.ts';

const never = new AbortController().signal;

function batch(from: number, count: number, position = from + count - 1): SourceBatch {
  const events = Array.from({ length: count }, (_, n) => testEvent({ sequence: from + n }));
  return { events, position: testPosition(position), bytes: 0, caughtUp: false };
}

async function takeAll(batcher: Batcher): Promise<{ first: number | undefined; count: number; resume: string }[]> {
  const groups: { first: number | undefined; count: number; resume: string }[] = [];
  for (;;) {
    const group = await batcher.take(never);
    if (group === undefined) return groups;
    const [first] = group.events;
    groups.push({
      first: first && Number.parseInt(first.position.token, 16),
      count: group.events.length,
      resume: group.position.token,
    });
  }
}

test('small batches become one group, heartbeats move its position', async () => {
  const batcher = new Batcher({ records: 100, bytes: 1e9 });
  batcher.push(batch(0, 3));
  batcher.push(batch(3, 2));
  batcher.push(batch(5, 0, 40));
  batcher.close();
  assert.deepEqual(await takeAll(batcher), [{ first: 0, count: 5, resume: testPosition(40).token }]);
});

test('a large batch is cut, each piece resumes at its last event, the last one at the batch', async () => {
  const batcher = new Batcher({ records: 4, bytes: 1e9 });
  batcher.push(batch(0, 10, 15));
  batcher.push(batch(16, 3));
  batcher.close();
  assert.deepEqual(await takeAll(batcher), [
    { first: 0, count: 4, resume: testPosition(3).token },
    { first: 4, count: 4, resume: testPosition(7).token },
    { first: 8, count: 4, resume: testPosition(17).token },
    { first: 18, count: 1, resume: testPosition(18).token },
  ]);
});

test('groups are cut by bytes, and one event above the limit comes alone', async () => {
  const small = testEvent({ sequence: 0 }).raw.byteLength;
  const large = testEvent({ sequence: 2, document: { pad: 'x'.repeat(10_000) } });
  const events = [testEvent({ sequence: 0 }), testEvent({ sequence: 1 }), large, testEvent({ sequence: 3 })];
  const batcher = new Batcher({ records: 100, bytes: small * 2 });
  batcher.push({ events, position: testPosition(3), bytes: 0, caughtUp: false });
  batcher.close();
  assert.deepEqual(
    (await takeAll(batcher)).map(({ count }) => count),
    [2, 1, 1],
  );
});

test('only a heartbeat is a group without events', async () => {
  const batcher = new Batcher({ records: 4, bytes: 1e9 });
  batcher.push(batch(7, 0, 7));
  const group = await batcher.take(never);
  assert.deepEqual([group?.events.length, group?.position], [0, testPosition(7)]);
});

test('the oldest event is the first that was not taken', async () => {
  const batcher = new Batcher({ records: 2, bytes: 1e9 });
  const oldest = () => batcher.oldest?.position;
  assert.equal(oldest(), undefined);
  batcher.push(batch(0, 0, 0));
  batcher.push(batch(1, 3));
  assert.deepEqual(oldest(), testPosition(1));
  await batcher.take(never);
  assert.deepEqual(oldest(), testPosition(3));
});

test('a waiting take is woken by a push, by close and by an abort', async () => {
  const batcher = new Batcher({ records: 2, bytes: 1e9 });
  const first = batcher.take(never);
  batcher.push(batch(0, 1));
  assert.equal((await first)?.events.length, 1);
  const controller = new AbortController();
  const aborted = batcher.take(controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, /enough/);
  const closed = batcher.take(never);
  batcher.close();
  assert.equal(await closed, undefined);
});

test('the state of a batch goes with the events it is cut behind, unless they bring their own', async () => {
  const state = (revision: number) => ({ revision, text: '' });
  const own = { ...testEvent({ sequence: 1 }), position: { ...testPosition(1), state: state(8) } };
  const events = [testEvent({ sequence: 0 }), own, testEvent({ sequence: 2 })];
  const batcher = new Batcher({ records: 1, bytes: 1e9 });
  batcher.push({ events, position: { ...testPosition(2), state: state(9) }, bytes: 0, caughtUp: false });
  batcher.close();
  const revisions: (number | undefined)[] = [];
  for (let group = await batcher.take(never); group !== undefined; group = await batcher.take(never)) {
    revisions.push(group.position.state?.revision);
  }
  assert.deepEqual(revisions, [9, 8, 9]);
});
