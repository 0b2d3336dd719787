import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderingKey, testEvent } from '../testing/events.ts';
import { testRandom } from '../testing/random.ts';
import { Lanes, type LanesOptions } from './lanes.ts';
import type { Prepared } from './run-steps.ts';

/** A write that is under way until the test ends it. */
interface OpenWrite {
  readonly ids: readonly string[];
  readonly end: (error?: Error) => void;
}

function items(...ids: readonly (number | 'drop')[]): Prepared[] {
  return ids.map((id) => {
    const event = testEvent({ sequence: sequence++, ...(id === 'drop' ? { op: 'drop' } : { id }) });
    return { envelope: { event, namespace: event.namespace } };
  });
}

let sequence = 0;

function bed(options: Partial<LanesOptions> = {}) {
  const open: OpenWrite[] = [];
  const write = (batch: readonly Prepared[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const ids = batch.map(({ envelope: { event } }) => (event.op === 'drop' ? 'drop' : event.id));
    open.push({ ids, end: (error) => (error === undefined ? resolve() : reject(error)) });
    return promise;
  };
  const limits = { records: 100, bytes: 1_000_000 };
  const key = ({ envelope }: Prepared) => orderingKey(envelope.event);
  return { open, lanes: new Lanes({ count: 4, limits, merge: true, orderingKey: key, write, ...options }) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('different keys are written at the same time, one key waits for itself', async () => {
  const { open, lanes } = bed();
  const first = lanes.deliver(items(...Array.from({ length: 40 }, (_, id) => id)));
  await turn();
  assert.equal(open.length, 4, 'every lane has its share');
  const again = lanes.deliver(items(1, 1));
  await turn();
  assert.equal(open.length, 4, 'the lane of the key is busy');
  for (const write of open.slice()) write.end();
  await first;
  await turn();
  assert.equal(open.length, 5);
  open[4]?.end();
  await again;
});

test('what waits in a lane is written together, up to the limits', async () => {
  const { open, lanes } = bed({ count: 1, limits: { records: 3, bytes: 1_000_000 } });
  const deliveries = [1, 2, 3, 4, 5].map((id) => lanes.deliver(items(id)));
  for (let write = 0; write < 3; write++) {
    await turn();
    open[write]?.end();
  }
  await Promise.all(deliveries);
  assert.deepEqual(
    open.map(({ ids }) => ids.length),
    [1, 3, 1],
  );
});

test('without merging every delivery is a write of its own', async () => {
  const { open, lanes } = bed({ count: 1, merge: false });
  const deliveries = [1, 2, 3].map((id) => lanes.deliver(items(id)));
  for (let write = 0; write < 3; write++) {
    await turn();
    assert.equal(open.length, write + 1);
    open[write]?.end();
  }
  await Promise.all(deliveries);
});

test('a DDL event is alone: after everything before it, before everything behind it', async () => {
  const { open, lanes } = bed();
  const before = lanes.deliver(items(1, 2, 3, 4, 5, 6, 7, 8));
  const ddl = lanes.deliver(items(9, 'drop', 10));
  await turn();
  const started = open.length;
  assert.ok(open.every(({ ids }) => !ids.includes('drop')));
  while (!open.some(({ ids }) => ids.includes('drop'))) {
    for (const write of open) write.end();
    await turn();
  }
  const drop = open.findIndex(({ ids }) => ids.includes('drop'));
  assert.ok(drop >= started);
  assert.deepEqual(open[drop]?.ids, ['drop']);
  assert.equal(open.length, drop + 1, 'nothing behind it has begun');
  open[drop]?.end();
  await before;
  await turn();
  assert.equal(open.length, drop + 2);
  open.at(-1)?.end();
  await ddl;
});

test('after a failure nothing more is written, and every delivery that waits fails', async () => {
  const { open, lanes } = bed({ count: 2 });
  const first = lanes.deliver(items(...Array.from({ length: 20 }, (_, id) => id)));
  const second = lanes.deliver(items(1, 'drop', 2));
  await turn();
  assert.equal(open.length, 2);
  open[0]?.end(new Error('the target is gone'));
  await assert.rejects(first, /the target is gone/);
  await assert.rejects(second, /the target is gone/);
  await assert.rejects(lanes.deliver(items(3)), /the target is gone/);
  let idle = false;
  const ended = lanes.idle().then(() => {
    idle = true;
  });
  await turn();
  assert.equal(idle, false, 'the other lane still writes');
  open[1]?.end();
  await ended;
  assert.equal(open.length, 2);
});

test('whatever takes how long, one key keeps its order', async (t) => {
  const random = testRandom(t);
  const written: number[] = [];
  const order = new Map<string, number>();
  let wrong = 0;
  const { lanes } = bed({
    count: 3,
    write: async (batch) => {
      for (let turns = random.int(3); turns > 0; turns--) await turn();
      for (const {
        envelope: { event },
      } of batch) {
        const key = orderingKey(event) ?? '';
        const at = event.position.clusterTime.t * 1000 + event.position.clusterTime.i;
        if ((order.get(key) ?? 0) >= at) wrong += 1;
        order.set(key, at);
        written.push(at);
      }
    },
  });
  const deliveries = Array.from({ length: 200 }, () =>
    lanes.deliver(items(...Array.from({ length: 1 + random.int(9) }, () => random.int(20)))),
  );
  await Promise.all(deliveries);
  assert.equal(wrong, 0);
  assert.equal(new Set(written).size, written.length);
});
