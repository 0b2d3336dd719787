import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2, partitionOf } from './murmur2.ts';

/** Hash and partition of 12, printed by `Utils.murmur2` and `Utils.toPositive` of kafka-clients 4.1.0. */
const JAVA: readonly (readonly [string, number, number])[] = [
  ['', 275646681, 9],
  ['a', -1563381124, 4],
  ['ab', 316155434, 2],
  ['abc', 479470107, 3],
  ['abcd', -1323649548, 8],
  ['21', -973932308, 0],
  ['foobar', -790332482, 6],
  ['a-little-bit-long-string', -985981536, 8],
  ['{"_id":1}', 1884572227, 7],
  ['{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"}}', -1437454985, 3],
  ['größe', 588164084, 8],
  ['日本語', 1431860170, 10],
];

test('the hash and the partition are those of the Java client', () => {
  for (const [text, hash, partition] of JAVA) {
    assert.equal(murmur2(Buffer.from(text)), hash, text);
    assert.equal(partitionOf(Buffer.from(text), 12), partition, text);
  }
  const bytes = Uint8Array.of(0xff, 0x80, 0, 0xfe, 0xc0, 0x81, 0x9f);
  assert.equal(murmur2(bytes), 960739007);
  assert.equal(partitionOf(bytes, 12), 11);
});

test('a record without a key goes to the first partition', () => {
  assert.equal(partitionOf(null, 12), 0);
});
