import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { itemResults, readAtMost, retryAfterMs } from './response.ts';

test('Retry-After is seconds or a date, never more than the cap', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const cases: readonly [unknown, number | undefined][] = [
    ['3', 3000],
    [' 3 ', 3000],
    ['0', 0],
    ['86400', 60_000],
    ['9'.repeat(400), 60_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
    [['5', '9'], 5000],
  ];
  for (const [value, expected] of cases) assert.equal(retryAfterMs(value, 60_000, now), expected, String(value));
});

test('answers without results say nothing about single events', () => {
  for (const text of ['', 'OK', '[]', 'null', '"results"', '{"ok":true}', '{broken']) {
    assert.deepEqual(itemResults(Buffer.from(text), 3), [], text);
  }
});

test('results name events by their index', () => {
  const answer = {
    results: [
      { index: 2, status: 'reject', reason: `no\n${'x'.repeat(500)}` },
      { index: 0, status: 'retry' },
    ],
  };
  const results = itemResults(Buffer.from(JSON.stringify(answer)), 3);
  assert.deepEqual(results[1], { index: 0, status: 'retry', reason: undefined });
  assert.match(results[0]?.reason ?? '', /^no x{197}$/);
});

test('results that mean nothing are an error, because nobody knows what was taken', () => {
  const entries = [
    '5',
    '[5]',
    '[null]',
    '[{"index":0}]',
    '[{"index":3,"status":"ok"}]',
    '[{"index":"0","status":"ok"}]',
  ];
  const twice = '[{"index":0,"status":"ok"},{"index":0,"status":"retry"}]';
  for (const results of [...entries, '[{"index":0,"status":"done"}]', '[{"index":-1,"status":"ok"}]', twice]) {
    assert.throws(() => itemResults(Buffer.from(`{"results":${results}}`), 3), { code: 'webhook.results' }, results);
  }
});

test('reading stops at the limit', async () => {
  const chunks = () => Readable.from([Buffer.alloc(6), Buffer.alloc(6)]);
  assert.equal((await readAtMost(chunks(), 12))?.length, 12);
  const body = chunks();
  assert.equal(await readAtMost(body, 11), undefined);
  assert.ok(body.destroyed);
});
