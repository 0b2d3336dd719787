import assert from 'node:assert/strict';
import { test } from 'node:test';
import { looksLikeToken, parseClusterTime } from './start-at.ts';

test('cluster times as people write them', () => {
  assert.deepEqual(parseClusterTime('1700000000,3'), { t: 1_700_000_000, i: 3 });
  assert.deepEqual(parseClusterTime('2023-11-14T22:13:20Z'), { t: 1_700_000_000, i: 0 });
  assert.deepEqual(parseClusterTime('2023-11-14T23:13:20.999+01:00'), { t: 1_700_000_000, i: 0 });
});

for (const text of [
  '',
  '1700000000',
  '0,1',
  '99999999999,1',
  '5000000000,1',
  '2023-11-14',
  '2023-11-14T22:13:20',
  '2023-13-99T00:00Z',
]) {
  test(`"${text}" is no cluster time`, () => assert.equal(parseClusterTime(text), undefined));
}

test('tokens are whole bytes of hex that begin with a cluster time', () => {
  assert.equal(looksLikeToken('826B01326B000000052B0229296E04'), true);
  assert.equal(looksLikeToken('826b01326b000000052b0229296e04'), true);
  for (const text of [
    '',
    '82',
    'zz',
    '826B01326B000000052B0229296E0',
    '926B01326B000000052B0229296E04',
    '826B01326B00000005',
  ]) {
    assert.equal(looksLikeToken(text), false, text);
  }
});
