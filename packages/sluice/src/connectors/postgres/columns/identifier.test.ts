import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifier, MOST_NAME_BYTES } from './identifier.ts';

test('a name that fits stays as it is, with its case and its characters', () => {
  for (const name of ['total', 'Total', 'x y', '"q"', 'ключ', '漢字', '$set', 'a'.repeat(63), 'é'.repeat(31)]) {
    assert.equal(identifier(name), name);
  }
});

test('a longer name is cut to 63 bytes between characters and tells what it was by a hash', () => {
  for (const character of ['a', 'é', '漢', '😀']) {
    for (let length = 15; length < 80; length++) {
      const text = character.repeat(length);
      const name = identifier(text);
      assert.ok(Buffer.byteLength(name) <= MOST_NAME_BYTES, name);
      assert.ok(name.isWellFormed());
      if (name === text) continue;
      assert.match(name, /_[0-9a-f]{8}$/);
      assert.ok(Buffer.byteLength(name) > MOST_NAME_BYTES - 4, 'no more is cut off than has to be');
      assert.ok(text.startsWith(name.slice(0, -9)));
    }
  }
});

test('long names that begin alike stay apart, and are the same each time', () => {
  const names = Array.from({ length: 50 }, (_, number) => `${'a_rather_long_name_'.repeat(5)}${number}`);
  assert.equal(new Set(names.map((name) => identifier(name))).size, 50);
  assert.deepEqual(
    names.map((name) => identifier(name)),
    names.map((name) => identifier(name)),
  );
});

test('a name that is taken gets a number, also when there is no room for it', () => {
  const taken = new Set(['total', 'total_2']);
  assert.equal(
    identifier('total', (name) => taken.has(name)),
    'total_3',
  );
  for (const text of ['a'.repeat(63), 'é'.repeat(31), '漢'.repeat(40)]) {
    const used = new Set<string>();
    for (let count = 0; count < 12; count++) {
      const name = identifier(text, (candidate) => used.has(candidate));
      assert.ok(Buffer.byteLength(name) <= MOST_NAME_BYTES, name);
      used.add(name);
    }
    assert.equal(used.size, 12);
  }
});

test('what cannot be in a name is replaced', () => {
  assert.equal(identifier(''), '_');
  assert.equal(identifier('\0'), '_');
  assert.equal(identifier('a\0b'), 'ab');
  assert.equal(identifier('a\ud800'), 'a\ufffd');
});
