import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentile, round } from './statistics.ts';

test('medians', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('percentiles', () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n);
  assert.equal(percentile(values, 0.5), 50);
  assert.equal(percentile(values, 0.99), 99);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('rounding', () => assert.equal(round(1.23456, 2), 1.23));
