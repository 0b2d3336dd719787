import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, positionLost } from './position-lost.ts';

test('the error says what is gone and what can be done', () => {
  const error = positionLost({
    scope: { level: 'collection', db: 'shop', coll: 'orders' },
    from: { t: 1_700_000_000, i: 1 },
    oldest: { t: 1_700_003_600, i: 2 },
    nowMs: (1_700_000_000 + 7_384) * 1000,
    cause: undefined,
  });
  assert.equal(error.kind, 'position-lost');
  assert.equal(error.code, 'mongodb.position-lost');
  assert.match(error.message, /shop\.orders from 2023-11-14T22:13:20Z .* to 2023-11-14T23:13:20Z/);
  assert.match(error.message, /2 h 3 min old/);
  assert.match(error.hint ?? '', /resnapshot.*skip.*oplog/s);
});

test('without a look into the oplog the end of the gap is unknown', () => {
  const scope = { level: 'deployment', include: [], exclude: [] } as const;
  const error = positionLost({ scope, from: { t: 1, i: 1 }, oldest: undefined, nowMs: 2000, cause: undefined });
  assert.match(error.message, /to an unknown time/);
});

test('ages are said in two units', () => {
  assert.equal(formatAge(0), '0 s');
  assert.equal(formatAge(59_000), '59 s');
  assert.equal(formatAge(3_600_000), '1 h');
  assert.equal(formatAge(90_061_000), '1 d 1 h');
  assert.equal(formatAge(-5), '0 s');
});
