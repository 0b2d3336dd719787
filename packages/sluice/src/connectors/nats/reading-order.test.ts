import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePositions } from '../../core/position.ts';
import { ReadingOrder } from './reading-order.ts';

class Part {
  acknowledged = 0;

  acknowledge(count: number): void {
    this.acknowledged += count;
  }
}

function handOut(order: ReadingOrder<Part>, part: Part, count: number) {
  const positions = Array.from({ length: count }, (_, index) => order.next(1000 * index));
  order.handOut(part, count);
  return positions;
}

test('an acknowledged position says how many messages of each part are done', () => {
  const order = new ReadingOrder<Part>();
  const [a, b] = [new Part(), new Part()];
  const first = handOut(order, a, 3);
  handOut(order, b, 2);
  const third = handOut(order, a, 4);
  order.acknowledge(first[1] ?? assert.fail());
  assert.deepEqual([a.acknowledged, b.acknowledged], [2, 0]);
  order.acknowledge(third[0] ?? assert.fail());
  assert.deepEqual([a.acknowledged, b.acknowledged], [4, 2]);
  order.acknowledge(first[0] ?? assert.fail());
  assert.deepEqual([a.acknowledged, b.acknowledged], [4, 2], 'an older position changes nothing');
  order.acknowledge(order.position);
  order.acknowledge(order.position);
  assert.deepEqual([a.acknowledged, b.acknowledged], [7, 2]);
});

test('positions only grow, whatever the times of the messages are', () => {
  const order = new ReadingOrder<Part>();
  const times = [5000, 3000, Date.now() + 86_400_000, 6000];
  const positions = times.map((time) => order.next(time));
  assert.ok(positions.every((each, index) => index === 0 || comparePositions(positions[index - 1] ?? each, each) < 0));
  assert.ok(order.time.t <= Date.now() / 1000, 'a time in the future counts as now');
});
