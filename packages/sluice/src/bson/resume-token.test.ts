import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { clusterTimeOfToken, decodeResumeToken, isHighWaterMark } from './resume-token.ts';

// Tokens of mongod 6.0.5: operations of transactions with 3, 200 and 1000 inserts, and a post-batch token.
const HEAD = '826B013105000000CD2B022C0100';
const TAIL = '6E5A1004B38613FFBA2F48DEA50A68986F1E0686463C5F6964003C313030302D30000004';
const HIGH_WATER_MARK = '826B013105000004B82B0229296E04';

test('the ordinal is the index in the transaction', () => {
  const encoded: readonly [string, number][] = [
    ['29', 0],
    ['2B02', 1],
    ['2B04', 2],
    ['2B30', 24],
    ['2B7E', 63],
    ['2B80', 64],
    ['2BFE', 127],
    ['2C0100', 128],
    ['2C0102', 129],
    ['2C018E', 199],
    ['2C01FE', 255],
    ['2C0200', 256],
    ['2C04A8', 596],
    ['2C07CE', 999],
    ['2D020000', 65536],
    ['2E01FFFFFE', 16777215],
  ];
  for (const [hex, ordinal] of encoded) {
    const parts = decodeResumeToken(HEAD + hex + TAIL);
    assert.equal(parts.ordinal, ordinal, hex);
    assert.equal(parts.highWaterMark, false);
    assert.deepEqual(parts.clusterTime, { t: 0x6b013105, i: 0xcd });
  }
});

test('a post-batch token is a high-water mark, an event token is not', () => {
  assert.equal(isHighWaterMark(HIGH_WATER_MARK), true);
  assert.equal(isHighWaterMark(`${HEAD}29${TAIL}`), false);
  assert.deepEqual(clusterTimeOfToken(HIGH_WATER_MARK), { t: 0x6b013105, i: 0x4b8 });
});

test('tokens of version 0 have no type', () => {
  assert.deepEqual(decodeResumeToken('825C1234560000000129292B0A'.replace('29292B0A', '292B0A5A')).ordinal, 5);
});

test('lower-case hex is read too, and what is no token is refused', () => {
  assert.equal(decodeResumeToken(HIGH_WATER_MARK.toLowerCase()).highWaterMark, true);
  for (const text of [
    '',
    'zz',
    '82',
    '826B0131050000',
    '926B013105000004B82B0229296E04',
    HEAD,
    `${HEAD}2`,
    `${HEAD}30FFFF`,
    `${HEAD}xx`,
  ]) {
    assert.throws(
      () => decodeResumeToken(text),
      (error) => error instanceof SluiceError && error.code === 'mongodb.bad-token',
      text,
    );
  }
});
