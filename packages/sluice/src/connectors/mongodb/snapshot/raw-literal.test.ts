import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialize } from 'bson';
import { findField } from '../../../bson/elements.ts';
import { idDocument, literal, literalList } from './raw-literal.ts';
import { KEY_KINDS } from './test-support/key-kinds.ts';

const KEYS = KEY_KINDS.map(({ type, payload }) => ({ type, bytes: payload }));

const plain = (value: { type: number; bytes: Uint8Array } | undefined) =>
  value && { type: value.type, bytes: Buffer.from(value.bytes).toString('hex') };

test('every kind of key keeps its type and bytes in a command, and so does what stands around it', () => {
  for (const key of KEYS) {
    const command = serialize({ before: 1, filter: literal(key), min: idDocument(key), behind: 'x' });
    const filter = findField(command, 'filter');
    const min = findField(command, 'min');
    assert.ok(filter !== undefined && min !== undefined);
    assert.deepEqual(plain(findField(filter.bytes, '$literal')), plain(key));
    assert.deepEqual(plain(findField(min.bytes, '_id')), plain(key));
    assert.equal(findField(command, 'before')?.bytes[0], 1);
    assert.equal(findField(command, 'behind')?.bytes.length, 6);
  }
});

test('so do all of them in one list', () => {
  const list = findField(serialize(literalList(KEYS)), '$literal');
  assert.equal(list?.type, 4);
  for (const [index, key] of KEYS.entries()) assert.deepEqual(plain(findField(list.bytes, String(index))), plain(key));
});

test('a raw value in another field than its own fails instead of destroying the command', () => {
  const { $literal } = literal(KEYS[0]!);
  assert.throws(() => serialize({ other_name: $literal }), /not in the field/);
});
