import * as b from './bson-bytes.ts';
import { type RandomSource, randomBytes, randomDocument } from './random-bson.ts';

/*
 * Values as they stand in an `_id`, chosen so that many are equal or differ by little. Only for tests.
 */

const OBJECT_ID = '6b012bb81d9cffe770fcbfd0';
const DECIMAL_NAN = b.decimal128('7c000000000000000000000000000000');
const DECIMAL_INFINITY = b.decimal128('78000000000000000000000000000000');
const DECIMAL_MINUS_INFINITY = b.decimal128('f8000000000000000000000000000000');
const MAX_COEFFICIENT = 10n ** 34n - 1n;

const numbers: readonly b.Value[] = [
  ...[0, 1, -1, 2, 10, 2147483647, -2147483648].map(b.int32),
  ...[0n, 1n, -1n, 2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 53n - 1n, 2n ** 54n + 2n].map(b.int64),
  ...[2n ** 63n - 1n, 2n ** 63n - 512n, -(2n ** 63n), -(2n ** 63n) + 1n, -(2n ** 53n) - 1n].map(b.int64),
  ...[0, -0, 0.1, 0.5, 1, 1.5, -1.5, 2 ** 53, 2 ** 53 + 2, 2 ** 63, -(2 ** 63), 2 ** 64, 1e22, 1e23].map(b.double),
  ...[1e300, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2 ** -1022].map(b.double),
  ...[Number.NaN, Infinity, -Infinity].map(b.double),
  DECIMAL_NAN,
  DECIMAL_INFINITY,
  DECIMAL_MINUS_INFINITY,
  b.decimalOf(0n, 0),
  b.decimalOf(0n, 5, true),
  b.decimalOf(1n, 0),
  b.decimalOf(1000n, -3),
  b.decimalOf(1n, -1),
  // 0.1 as a double has 55 places: these are its neighbours with 34 digits.
  b.decimalOf(1_000_000_000_000_000_055_511_151_231_257_827n, -34),
  b.decimalOf(1_000_000_000_000_000_055_511_151_231_257_828n, -34),
  b.decimalOf(5n, -1),
  b.decimalOf(15n, -1, true),
  b.decimalOf(1n, 23),
  b.decimalOf(1n, 300),
  b.decimalOf(1n, -6176),
  b.decimalOf(1n, -6176, true),
  b.decimalOf(10n, -6176),
  b.decimalOf(MAX_COEFFICIENT, 6111),
  b.decimalOf(MAX_COEFFICIENT, 6111, true),
  b.decimalOf(MAX_COEFFICIENT, 0),
  b.decimalOf(MAX_COEFFICIENT, -34),
  b.decimalOf(99_999_999_999_999_991_611_392n, 0),
  b.decimalOf(9_007_199_254_740_993n, 0),
  b.decimalOf(90_071_992_547_409_935n, -1),
  b.decimalOf(9_223_372_036_854_775_807n, 0),
  b.decimalOf(9_223_372_036_854_775_808n, 0),
  b.decimalOf(92_233_720_368_547_758_075n, -1),
  b.decimalOf(4_940_656_458_412_465_441_765_687_928_682_213n, -357),
  b.decimalOf(4_940_656_458_412_465_441_765_687_928_682_214n, -357),
  b.decimalOf(1_797_693_134_862_315_708_145_274_237_317_043n, 275),
  b.decimalOf(1_797_693_134_862_315_708_145_274_237_317_044n, 275),
  // More than 34 digits: these count as zero.
  b.decimal128('6c10000000000000ffffffffffffffff'),
];

const texts = ['', 'a', 'A', 'b', 'aa', 'ab', 'a\0', 'a\0b', '\0', 'é', '\uffff', '😀', '$a', 'a'.repeat(300)];

const others: readonly b.Value[] = [
  b.minKey,
  b.maxKey,
  b.undef,
  b.nothing,
  ...texts.map((text) => b.string(text)),
  ...texts.slice(0, 5).map((text) => b.symbol(text)),
  b.string(Buffer.from('caf\xe9', 'latin1')),
  b.string(Buffer.from([0xff])),
  ...[0, 1, 2, 3, 4, 5, 6, 128, 255].flatMap((subtype) => [
    b.binary(subtype, Buffer.alloc(16, 1)),
    b.binary(subtype, Buffer.from([subtype])),
  ]),
  b.binary(0, Buffer.alloc(0)),
  b.binary(0, Buffer.from([0xff])),
  b.binary(0, Buffer.alloc(300)),
  b.oldBinary(Buffer.alloc(0)),
  b.oldBinary(Buffer.from('x')),
  ...['00'.repeat(12), 'ff'.repeat(12), OBJECT_ID, '6b012bb81d9cffe770fcbfd1'].map(b.objectId),
  b.boolean(false),
  b.boolean(true),
  ...[0n, 1n, -1n, 2n ** 32n, -(2n ** 32n), 2n ** 63n - 1n, -(2n ** 63n), 1_795_238_840_886n].map(b.date),
  b.timestamp(0, 1),
  b.timestamp(1, 0),
  b.timestamp(2 ** 31, 0),
  b.timestamp(2 ** 32 - 1, 2 ** 32 - 1),
  b.timestamp(1, 2 ** 32 - 1),
  b.regex('', ''),
  b.regex('a', ''),
  b.regex('a', 'i'),
  b.regex('ab', ''),
  b.dbPointer('b', OBJECT_ID),
  b.dbPointer('aa', OBJECT_ID),
  b.dbPointer('aa', 'ff'.repeat(12)),
  b.code(''),
  b.code('a'),
  b.code('a\0b'),
  b.codeWithScope('', b.document()),
  b.codeWithScope('a', b.document()),
  b.codeWithScope('a', b.document(['x', b.int32(1)])),
  b.codeWithScope('a', b.document(['x', b.double(1)])),
  b.codeWithScope('a', b.document(['y', b.int32(0)])),
];

const nested: readonly b.Value[] = [
  b.embedded(),
  b.embedded(['', b.nothing]),
  b.embedded(['a', b.int32(1)]),
  b.embedded(['a', b.double(1)]),
  b.embedded(['b', b.int32(0)]),
  b.embedded(['aa', b.int32(0)]),
  b.embedded(['z', b.minKey]),
  b.embedded(['a', b.maxKey]),
  b.embedded(['a', b.int32(1)], ['b', b.int32(2)]),
  b.embedded(['b', b.int32(2)], ['a', b.int32(1)]),
  b.embedded(['a', b.int32(1)], ['a', b.int32(2)]),
  b.embedded(['a', b.int32(1)], ['a', b.int32(3)]),
  b.embedded(['a', b.array()], ['a', b.int32(2)]),
  b.embedded(['a', b.array()], ['a', b.int32(3)]),
  b.embedded(['a', b.embedded(['b', b.array(b.int32(1))])]),
  b.embedded(['z', b.int32(1)]),
  b.embedded(['a', b.string('')]),
  b.array(),
  b.array(b.nothing),
  b.array(b.undef),
  b.array(b.minKey),
  b.array(b.maxKey),
  b.array(b.int32(1)),
  b.array(b.int64(1n), b.int32(2)),
  b.array(b.array()),
  b.array(b.array(b.int32(1)), b.int32(1)),
  { type: 0x04, payload: b.document(['7', b.int32(1)]) },
];

/** A value of every type with its edges. Not all may be stored as an `_id`; nested in one they may. */
export const edgeIds: readonly b.Value[] = [...numbers, ...others, ...nested];

/** A random value: an edge, a close neighbour of another number, or anything, alone or nested in small documents. */
export function randomId(random: RandomSource, depth = 0): b.Value {
  switch (random.int(depth < 4 ? 8 : 5)) {
    case 0:
    case 1:
      return random.pick(edgeIds);
    case 2:
      return randomNumber(random);
    case 3:
      return b.string(Array.from({ length: random.int(4) }, () => random.pick(['a', 'b', '\0', 'é'])).join(''));
    case 4:
      return anyValue(random);
    case 5:
      return b.array(...Array.from({ length: random.int(3) }, () => randomId(random, depth + 1)));
    default: {
      const count = random.int(3);
      return b.embedded(
        ...Array.from({ length: count }, (): b.Field => [random.pick(['a', 'b', 'ab']), randomId(random, depth + 1)]),
      );
    }
  }
}

/** One value in one of the types that can hold it, or a neighbour of it. */
function randomNumber(random: RandomSource): b.Value {
  const bits = random.int(64);
  const value = (random.int(2) === 0 ? 1n : -1n) * ((1n << BigInt(bits)) + BigInt(random.int(3)) - 1n);
  switch (random.int(5)) {
    case 0:
      return b.int64(BigInt.asIntN(64, value));
    case 1:
      return b.double(Number(value));
    case 2:
      return b.double(Number(value) / 2 ** random.int(80));
    case 3:
      return decimalNear(random, 1n << BigInt(bits), random.int(80));
    default:
      return b.decimalOf(value < 0n ? -value : value, random.int(5) - 3, value < 0n);
  }
}

/** The decimal of 34 digits below the positive numerator / 2^halvings (which a double may hold), or the one above. */
function decimalNear(random: RandomSource, numerator: bigint, halvings: number): b.Value {
  const digits = (numerator * 5n ** BigInt(halvings)).toString();
  const leading = digits.slice(0, 34);
  const exponent = digits.length - leading.length - halvings;
  return b.decimalOf(BigInt(leading) + BigInt(random.int(2)), exponent, random.int(2) === 0);
}

function anyValue(random: RandomSource): b.Value {
  const whole = b.embedded(['a', { type: 0x03, payload: randomDocument(random, { libraryTypes: false }) }]);
  return random.pick([whole, b.binary(0, randomBytes(random, random.int(4)))]);
}
