import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonbArray, ordinalArray, textArray, timeArray, timeText } from './binary-array.ts';

const FIRST_SECOND = 1_577_836_800;
const at = (t: number, i: number, ordinal = 0) => ({ clusterTime: { t, i }, ordinal });

/** The elements of an array behind its head of 20 bytes; null for nulls. */
function elementsOf(array: Buffer): readonly (Buffer | null)[] {
  const elements: (Buffer | null)[] = [];
  for (let offset = 20; offset < array.length; ) {
    const length = array.readInt32BE(offset);
    offset += 4;
    elements.push(length < 0 ? null : array.subarray(offset, offset + length));
    offset += Math.max(0, length);
  }
  return elements;
}

test('texts and documents stand behind their lengths in bytes', () => {
  const texts = textArray(['', 'ä€😀', null]);
  assert.deepEqual(elementsOf(texts), [Buffer.from(''), Buffer.from('ä€😀'), null]);
  assert.deepEqual(
    [texts.readInt32BE(0), texts.readInt32BE(4), texts.readInt32BE(8), texts.readInt32BE(12)],
    [1, 1, 25, 3],
  );
  assert.equal(textArray(['a']).readInt32BE(4), 0, 'it says that there are no nulls');
  assert.deepEqual(elementsOf(jsonbArray([Buffer.from('{}')])), [Buffer.from('\x01{}')]);
  assert.equal(textArray([]).readInt32BE(0), 0);
});

test('times are exact, in their order, from 1970 to 2088', () => {
  const versions = [at(0, 0), at(1, 2 ** 32 - 1), at(FIRST_SECOND - 1, 5), at(FIRST_SECOND, 0), at(FIRST_SECOND, 1)];
  versions.push(at(1_800_000_000, 2 ** 32 - 1), at(1_800_000_001, 0), at(FIRST_SECOND + 2 ** 31 - 1, 7));
  const times = elementsOf(timeArray(versions)).map((bytes) => bytes?.readBigInt64BE() ?? 0n);
  assert.deepEqual(
    times,
    versions.map((version) => BigInt(timeText(version))),
  );
  for (let index = 1; index < times.length; index++) assert.ok((times[index] ?? 0n) > (times[index - 1] ?? 0n));
  assert.equal(timeText(at(FIRST_SECOND + 1, 3)), String(2n ** 32n + 3n));
  assert.equal(timeText(at(2 ** 32 - 1, 0)), timeText(at(FIRST_SECOND + 2 ** 31 - 1, 0)));
});

test('ordinals are whole numbers of up to 53 bits', () => {
  const ordinals = [0, 1, 2 ** 31 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];
  const found = elementsOf(ordinalArray(ordinals.map((ordinal) => at(0, 0, ordinal))));
  assert.deepEqual(
    found.map((bytes) => Number(bytes?.readBigInt64BE())),
    ordinals,
  );
});
