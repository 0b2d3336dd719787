import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayoutStep } from './columns/layout.ts';
import { PostponedSteps } from './postponed-steps.ts';

const added = (name: string): LayoutStep => ({
  kind: 'add-column',
  child: undefined,
  column: { name, path: name, type: 'text' },
});

test('a refused step is held, alone, for pauses that double up to half an hour', () => {
  let now = 1_000;
  const postponed = new PostponedSteps(() => now);
  const pauses: number[] = [];
  for (let tries = 0; tries < 8; tries++) {
    assert.equal(postponed.refused(1, 'orders', added('a')), tries === 0);
    assert.equal(postponed.isHeld(1, 'orders', added('b')), false);
    const from = now;
    while (postponed.isHeld(1, 'orders', added('a'))) now += 60_000;
    pauses.push((now - from) / 60_000);
    assert.equal(postponed.isDue(1), true);
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('a relation that is in use holds all of its steps, and no others', () => {
  let now = 0;
  const postponed = new PostponedSteps(() => now);
  assert.equal(postponed.busy(1, 'orders'), true);
  assert.equal(postponed.isHeld(1, 'orders', added('a')), true);
  assert.equal(postponed.isHeld(1, 'orders_lines', added('a')), false);
  assert.equal(postponed.isHeld(2, 'orders', added('a')), false);
  now = 2_000;
  assert.equal(postponed.isHeld(1, 'orders', added('a')), false);
});

test('what was tried and not postponed again is forgotten with the values that wanted it', () => {
  let now = 0;
  const postponed = new PostponedSteps(() => now);
  const misfit = { child: undefined, path: 'a', types: ['string'], count: 1, wants: 'text' } as const;
  postponed.settle(1, [misfit]);
  assert.deepEqual(postponed.misfits(1), []);
  postponed.busy(1, 'orders');
  postponed.settle(1, [misfit]);
  postponed.settle(1, [misfit]);
  assert.deepEqual(postponed.misfits(1), [misfit]);
  assert.equal(postponed.isDue(1), false);
  now = 2_000;
  assert.equal(postponed.isDue(1), true);
  postponed.settle(1, []);
  assert.equal(postponed.isDue(1), false);
  assert.deepEqual(postponed.misfits(1), []);
});
