import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryAfterMs } from './retry-after.ts';

test('a wait is read in seconds or as a date, and is a minute at most', () => {
  const nowMs = Date.parse('2026-01-31T12:00:00Z');
  const cases: readonly (readonly [unknown, number | undefined])[] = [
    ['7', 7_000],
    [['2', '9'], 2_000],
    ['Sat, 31 Jan 2026 12:00:05 GMT', 5_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['86400', 60_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [value, expected] of cases) assert.equal(retryAfterMs(value, nowMs), expected, String(value));
});
