import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BsonValue } from '../core/change-event.ts';
import { testRandom } from '../testing/random.ts';
import { compareBson } from './compare.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';

function compare(left: b.Value, right: b.Value): number {
  return compareBson(of(left), of(right));
}

function of({ type, payload }: b.Value): BsonValue {
  return { type, bytes: payload };
}

function show({ type, payload }: b.Value): string {
  return `${type.toString(16)}:${payload.toString('hex')}`;
}

/** Checks that each value comes before all later ones. */
function assertAscending(values: readonly b.Value[]): void {
  values.forEach((left, i) => {
    values.forEach((right, j) => {
      assert.equal(Math.sign(compare(left, right)), Math.sign(i - j), `${i} ${show(left)} and ${j} ${show(right)}`);
    });
  });
}

test('the types come in their order', () => {
  assertAscending([
    b.minKey,
    b.undef,
    b.nothing,
    b.double(Infinity),
    b.string(''),
    b.embedded(),
    b.array(),
    b.binary(0, Buffer.alloc(0)),
    b.objectId('00'.repeat(12)),
    b.boolean(false),
    b.date(-(2n ** 63n)),
    b.timestamp(0, 0),
    b.regex('', ''),
    b.dbPointer('', '00'.repeat(12)),
    b.code(''),
    b.codeWithScope('', b.document()),
    b.maxKey,
  ]);
});

test('numbers compare by their exact values across their types', () => {
  const nan = b.double(Number.NaN);
  assertAscending([
    nan,
    b.double(-Infinity),
    b.decimalOf(10n ** 34n - 1n, 6111, true),
    b.double(-Number.MAX_VALUE),
    b.double(-(2 ** 64)),
    b.int64(-(2n ** 63n)),
    b.int64(-(2n ** 53n) - 1n),
    b.double(-(2 ** 53)),
    b.int32(-1),
    b.double(-0.5),
    b.double(-Number.MIN_VALUE),
    b.decimalOf(1n, -6176, true),
    b.double(-0),
    b.decimalOf(1n, -6176),
    b.decimalOf(4_940_656_458_412_465_441_765_687_928_682_213n, -357),
    b.double(Number.MIN_VALUE),
    b.decimalOf(4_940_656_458_412_465_441_765_687_928_682_214n, -357),
    b.decimalOf(1n, -1),
    b.double(0.1),
    b.int32(1),
    b.double(2 ** 53),
    b.int64(2n ** 53n + 1n),
    b.decimalOf(90_071_992_547_409_935n, -1),
    b.double(2 ** 53 + 2),
    b.int64(2n ** 63n - 1n),
    b.decimalOf(92_233_720_368_547_758_075n, -1),
    b.double(2 ** 63),
    b.double(1e23),
    b.decimalOf(1n, 23),
    b.double(1e300),
    b.double(Number.MAX_VALUE),
    b.decimalOf(10n ** 34n - 1n, 6111),
    b.double(Infinity),
  ]);
});

test('what the server takes for one value is equal', () => {
  const groups: readonly (readonly b.Value[])[] = [
    [b.int32(1), b.int64(1n), b.double(1), b.decimalOf(1n, 0), b.decimalOf(1000n, -3)],
    [b.int32(0), b.int64(0n), b.double(0), b.double(-0), b.decimalOf(0n, 9, true)],
    [b.int32(-5), b.int64(-5n), b.double(-5), b.decimalOf(50n, -1, true)],
    [b.double(2 ** 63), b.decimalOf(2n ** 63n, 0)],
    [b.double(1e22), b.decimalOf(1n, 22)],
    [b.double(Number.NaN), b.decimal128('7c000000000000000000000000000000')],
    [b.double(-Infinity), b.decimal128('f8000000000000000000000000000000')],
    [b.string('a'), b.symbol('a')],
    [b.embedded(['a', b.int32(1)]), b.embedded(['a', b.double(1)])],
    [b.array(b.string('a')), { type: 0x04, payload: b.document(['9', b.symbol('a')]) }],
  ];
  for (const group of groups) {
    for (const left of group) for (const right of group) assert.equal(compare(left, right) === 0, true, show(left));
  }
});

test('texts compare by their bytes', () => {
  assertAscending(['', '\0', 'A', 'Z', 'a', 'a\0', 'aa', 'b', 'é', '\uffff', '😀'].map((text) => b.string(text)));
  assertAscending([b.code(''), b.code('a'), b.code('a\0'), b.code('ab')]);
});

test('binary data compares by length, subtype, then bytes', () => {
  assertAscending([
    b.binary(0, Buffer.alloc(0)),
    b.binary(255, Buffer.alloc(0)),
    b.binary(0, Buffer.from([2])),
    b.binary(0, Buffer.from([255])),
    b.binary(4, Buffer.from([1])),
    b.binary(0, Buffer.from([0, 0])),
  ]);
});

test('dates are signed, timestamps are not', () => {
  assertAscending([-(2n ** 63n), -(2n ** 32n), -1n, 0n, 1n, 2n ** 32n, 2n ** 63n - 1n].map(b.date));
  assertAscending([b.timestamp(0, 2 ** 32 - 1), b.timestamp(1, 0), b.timestamp(1, 2 ** 31), b.timestamp(2 ** 31, 0)]);
});

test('documents compare by type, then name, then value, field after field', () => {
  assertAscending([
    b.embedded(),
    b.embedded(['z', b.minKey]),
    b.embedded(['z', b.nothing]),
    b.embedded(['a', b.int32(1)]),
    b.embedded(['a', b.int32(1)], ['a', b.nothing]),
    b.embedded(['a', b.int32(1)], ['b', b.int32(1)]),
    b.embedded(['a', b.int32(2)]),
    b.embedded(['aa', b.int32(0)]),
    b.embedded(['b', b.int32(0)]),
    b.embedded(['a', b.string('')]),
  ]);
  assertAscending([
    b.array(),
    b.array(b.minKey),
    b.array(b.int32(1)),
    b.array(b.int32(1), b.int32(1)),
    b.array(b.int32(2)),
    b.array(b.string('')),
    b.array(b.array()),
  ]);
});

test('a regex compares by pattern, then options; a pointer by the length of its namespace first', () => {
  assertAscending([b.regex('', 'i'), b.regex('a', ''), b.regex('a', 'i'), b.regex('ab', '')]);
  const zero = '00'.repeat(12);
  assertAscending([b.dbPointer('b', zero), b.dbPointer('aa', zero), b.dbPointer('aa', 'ff'.repeat(12))]);
  assertAscending([
    b.codeWithScope('a', b.document()),
    b.codeWithScope('a', b.document(['x', b.int32(1)])),
    b.codeWithScope('a', b.document(['y', b.int32(0)])),
    b.codeWithScope('b', b.document()),
  ]);
});

test('property: a total order', (t) => {
  const random = testRandom(t);
  const values = [...edgeIds, ...Array.from({ length: 250 }, () => randomId(random))];
  const signs = values.map((left) => values.map((right) => Math.sign(compare(left, right))));
  const at = (i: number, j: number): number => signs[i]?.[j] ?? Number.NaN;
  const both = (i: number, j: number) => `${show(values[i] as b.Value)} and ${show(values[j] as b.Value)}`;
  for (let i = 0; i < values.length; i++) {
    assert.ok(at(i, i) === 0, both(i, i));
    for (let j = 0; j < values.length; j++) {
      assert.ok(at(i, j) + at(j, i) === 0, `antisymmetry: ${both(i, j)}`);
      if (at(i, j) > 0) continue;
      for (let k = 0; k < values.length; k++) {
        if (at(j, k) > 0) continue;
        const expected = at(i, j) === 0 && at(j, k) === 0 ? 0 : -1;
        if (at(i, k) !== expected) assert.fail(`transitivity: ${both(i, j)} and ${show(values[k] as b.Value)}`);
      }
    }
  }
});

test('what is no BSON value is rejected', () => {
  const good = of(b.int32(1));
  const bad: readonly BsonValue[] = [
    { type: 0x10, bytes: Buffer.alloc(3) },
    { type: 0x10, bytes: Buffer.alloc(5) },
    { type: 0x00, bytes: Buffer.alloc(0) },
    { type: 0x20, bytes: Buffer.alloc(0) },
    { type: 0x02, bytes: Buffer.from([2, 0, 0, 0, 0x61]) },
    { type: 0x02, bytes: Buffer.from([1, 0, 0, 0, 0x61]) },
    { type: 0x03, bytes: Buffer.from([6, 0, 0, 0, 0x10, 0]) },
    { type: 0x05, bytes: Buffer.from([9, 0, 0, 0, 0, 1]) },
    { type: 0x0f, bytes: b.framed(Buffer.alloc(4)) },
    { type: 0x07, bytes: Buffer.alloc(13) },
    of(Array.from({ length: 201 }).reduce<b.Value>((inner) => b.embedded(['a', inner]), b.int32(1))),
  ];
  for (const value of bad) {
    const attempts = [() => compareBson(value, value)];
    if (value.type !== 0x03 && value.type !== 0x0f) {
      attempts.push(
        () => compareBson(value, good),
        () => compareBson(good, value),
      );
    }
    for (const attempt of attempts) {
      assert.throws(attempt, { kind: 'rejected', code: 'bson.malformed' }, Buffer.from(value.bytes).toString('hex'));
    }
  }
});

test('fuzz: damaged values are compared or rejected, never anything else', (t) => {
  const random = testRandom(t);
  for (let i = 0; i < 20_000; i++) {
    const { type, payload } = randomId(random);
    const damaged = { type, bytes: corrupt(random, payload.length < 4 ? Buffer.alloc(4) : payload) };
    const pairs: readonly [BsonValue, BsonValue][] = [
      [of({ type, payload }), damaged],
      [damaged, of(randomId(random))],
      [damaged, damaged],
    ];
    for (const [left, right] of pairs) {
      try {
        assert.ok(Number.isFinite(compareBson(left, right)));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'bson.malformed', `case ${i}: ${String(error)}`);
      }
    }
  }
});
