import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionsAlgorithms } from '@platformatic/kafka';
import { decompressLz4, decompressSnappy } from './decompress.ts';
import { seededRandom } from './random.ts';

const random = seededRandom(5);
const words = Array.from({ length: 50 }, () => random.text(1 + random.int(9)));

/** Texts that compress well, hardly, and not at all; short and longer than a block. */
const SAMPLES = [
  'a',
  'ab'.repeat(40_000),
  'x'.repeat(300),
  random.text(70_000),
  Array.from({ length: 60_000 }, () => random.pick(words)).join(' '),
].map((text) => Buffer.from(text));

test('what an lz4 compressor made is read back', () => {
  for (const sample of SAMPLES) {
    assert.ok(decompressLz4(compressionsAlgorithms.lz4.compressSync(sample)).equals(sample), `${sample.length} bytes`);
  }
  assert.throws(() => decompressLz4(Buffer.from('not a frame at all')), /not an lz4 frame/);
});

test('what a snappy compressor made is read back, also in the frames of snappy-java', () => {
  for (const sample of SAMPLES) {
    const packed = compressionsAlgorithms.snappy.compressSync(sample);
    assert.ok(decompressSnappy(packed).equals(sample), `${sample.length} bytes`);
    const header = Buffer.from('82534e41505059000000000100000001', 'hex');
    const size = Buffer.alloc(4);
    size.writeUInt32BE(packed.length);
    const framed = Buffer.concat([header, size, packed, size, packed]);
    assert.ok(decompressSnappy(framed).equals(Buffer.concat([sample, sample])), `${sample.length} bytes, framed`);
  }
});

test('the published example of an lz4 block with a match that overlaps itself', () => {
  // Literal "a", then a match of 9 at distance 1, then the literals "bcdef".
  const block = Buffer.from([0x15, 0x61, 0x01, 0x00, 0x50, ...Buffer.from('bcdef')]);
  const frame = Buffer.concat([
    Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x00]),
    Buffer.from([block.length, 0, 0, 0]),
    block,
    Buffer.alloc(4),
  ]);
  assert.equal(decompressLz4(frame).toString(), 'aaaaaaaaaabcdef');
});
