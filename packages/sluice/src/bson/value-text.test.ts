import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRandom } from '../testing/random.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';
import { decodeValue, encodeValue } from './value-text.ts';

function textOf({ type, payload }: b.Value): string {
  return encodeValue({ type, bytes: payload });
}

test('every value comes back as it was, from a text that fits anywhere', (t) => {
  const random = testRandom(t);
  for (const value of [...edgeIds, ...Array.from({ length: 1000 }, () => randomId(random))]) {
    const text = textOf(value);
    assert.match(text, /^[\w-]+$/);
    const { type, bytes } = decodeValue(text);
    assert.equal(type, value.type);
    assert.deepEqual(Buffer.from(bytes), value.payload);
  }
});

test('the text is short and never changes: checkpoints hold it', () => {
  assert.equal(textOf(b.objectId('6b012bb81d9cffe770fcbfd0')), 'B2sBK7gdnP_ncPy_0A');
  assert.equal(textOf(b.int32(7)), 'EAcAAAA');
  assert.equal(textOf(b.minKey), '_w');
});

test('what is not such a text is refused', () => {
  const good = textOf(b.int32(7));
  const cut = Buffer.from(good, 'base64url').subarray(0, -1).toString('base64url');
  const broken = encodeValue({ type: 0x03, bytes: b.framed(Buffer.from('zz')) });
  for (const text of ['', '*', ` ${good}`, `${good}=`, `${good}AA`, cut, broken, 'AA', 'IA']) {
    assert.throws(() => decodeValue(text), { kind: 'config', code: 'bson.bad-value-text' }, text);
  }
});

test('fuzz: damaged values are refused or well-formed', (t) => {
  const random = testRandom(t);
  let refused = 0;
  for (let i = 0; i < 5000; i++) {
    const { type, payload } = randomId(random);
    const text = encodeValue({ type, bytes: corrupt(random, payload.length < 4 ? Buffer.alloc(4) : payload) });
    try {
      assert.equal(encodeValue(decodeValue(text)), text);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'bson.bad-value-text', `case ${i}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > 500, `${refused} refused`);
});
