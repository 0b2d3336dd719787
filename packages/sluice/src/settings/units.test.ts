import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

test('what is written is what was read', () => {
  for (const text of ['100ms', '5s', '90s', '2h', '1d']) assert.equal(formatDuration(parseDuration(text) ?? -1), text);
  for (const text of ['1B', '3KiB', '64MiB', '2GiB']) assert.equal(formatBytes(parseBytes(text) ?? -1), text);
  assert.equal(formatDuration(0), '0ms');
  assert.equal(formatDuration(60_000), '1m');
  assert.equal(formatBytes(1500), '1500B');
});
