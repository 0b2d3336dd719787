import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';

const checkpoint: Checkpoint = {
  partition: 'orders/0',
  epoch: 3,
  position: { token: '8265A1', clusterTime: { t: 1_700_000_000, i: 7 } },
  deployment: 'rs0/6571f0',
  fingerprint: 'abc',
  savedAtMs: 1_700_000_001_234,
};

test('the text is stable: older versions must be read by newer ones', () => {
  const text =
    '{"v":1,"partition":"orders/0","epoch":3,"token":"8265A1","clusterTime":[1700000000,7],' +
    '"deployment":"rs0/6571f0","fingerprint":"abc","savedAtMs":1700000001234,"sum":"9fc76490ea28ba50"}';
  assert.equal(encodeCheckpoint(checkpoint), text);
  assert.deepEqual(decodeCheckpoint(text, 'orders/0', 'a test'), checkpoint);
});

test('a state of the source makes it the second format, and comes back', () => {
  const state = { revision: 7, text: '{"v":1}' };
  const stateful = { ...checkpoint, position: { ...checkpoint.position, state } };
  const text =
    '{"v":2,"partition":"orders/0","epoch":3,"token":"8265A1","clusterTime":[1700000000,7],' +
    '"deployment":"rs0/6571f0","fingerprint":"abc","savedAtMs":1700000001234,"state":[7,"{\\"v\\":1}"],' +
    '"sum":"SUM"}';
  const encoded = encodeCheckpoint(stateful);
  assert.equal(encoded.replace(/"sum":"[0-9a-f]{16}"/, '"sum":"SUM"'), text);
  assert.deepEqual(decodeCheckpoint(encoded, 'orders/0', 'a test'), stateful);
});

test('any changed character is found out', () => {
  const text = encodeCheckpoint(checkpoint);
  for (let index = 0; index < text.length; index++) {
    const changed = text.slice(0, index) + (text[index] === '1' ? '2' : '1') + text.slice(index + 1);
    if (changed === text) continue;
    assert.throws(() => decodeCheckpoint(changed, 'orders/0', 'a test'), /in a test (is damaged|was written)/, changed);
  }
  assert.throws(() => decodeCheckpoint(text.slice(0, -10), 'orders/0', 'a test'), { code: 'checkpoint.damaged' });
  assert.throws(() => decodeCheckpoint('null', 'orders/0', 'a test'), { code: 'checkpoint.damaged' });
});

test('a checkpoint of another pipeline is refused', () => {
  assert.throws(() => decodeCheckpoint(encodeCheckpoint(checkpoint), 'users/0', 'a test'), {
    code: 'checkpoint.other-pipeline',
    message: 'the checkpoint in a test belongs to "orders/0", not to "users/0"',
  });
});

test('a newer format is refused with advice', () => {
  const text = encodeCheckpoint(checkpoint).replace('"v":1', '"v":3');
  assert.throws(() => decodeCheckpoint(text, 'orders/0', 'a test'), { code: 'checkpoint.newer-format' });
});
