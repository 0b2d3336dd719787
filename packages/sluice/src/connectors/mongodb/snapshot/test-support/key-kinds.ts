import * as make from '../../../../bson/test-support/bson-bytes.ts';

/*
 * Keys of every type that the server stores as `_id` (all but undefined, arrays and regular expressions), in the
 * order of the server, with those among them that a decoder in JavaScript would change. Only for tests.
 */
const { string, symbol, double, int32, int64, decimalOf, embedded, array, document } = make;

const NUMBERS: readonly make.Value[] = [
  double(Number.NaN),
  double(-Infinity),
  int64(-(2n ** 63n)),
  decimalOf(15n, -1, true),
  double(-0),
  decimalOf(1n, -6176),
  int32(1),
  double(1.5),
  int32(2),
  int64(2n ** 53n),
  int64(2n ** 53n + 1n),
  double(1e300),
  decimalOf(1n, 6000),
  double(Infinity),
];

const TEXTS: readonly make.Value[] = [
  string(''),
  string('B'),
  string('a'),
  symbol('ab'),
  string('abc'),
  string('b\0b'),
  string('ä'),
  string(Buffer.from([0xff, 0xfe])),
];

const OBJECTS: readonly make.Value[] = [
  embedded(),
  embedded(['a', make.minKey]),
  embedded(['a', make.undef]),
  embedded(['a', make.nothing]),
  embedded(['a', int32(1)], ['a', int32(2)]),
  embedded(['a', int64(2n)]),
  embedded(['$ref', string('c')], ['$id', int32(1)]),
  embedded(['__proto__', string('x')]),
  embedded(['_bsontype', string('ObjectId')]),
  embedded(['b', string('x')], ['1', string('y')]),
  embedded(['a', embedded(['b', array(int32(1), string('x'))])]),
  embedded(['a', array(int32(1), make.undef)]),
  embedded(['a', make.date(-(2n ** 63n))]),
  embedded(['a', make.regex('^(?i)x(', 'imx')]),
  embedded(['a', make.dbPointer('db.c', '1123456789ab0123456789ab')]),
  embedded(['a', make.dbPointer('db.d', '0123456789ab0123456789ab')]),
];

const BINARIES: readonly make.Value[] = [
  make.binary(0, Buffer.alloc(0)),
  make.binary(0, Buffer.from([0])),
  make.binary(0x80, Buffer.from([0])),
  make.oldBinary(Buffer.from([1])),
  make.binary(4, Buffer.alloc(16, 7)),
];

/** In the order of the server. */
export const KEY_KINDS: readonly make.Value[] = [
  make.minKey,
  make.nothing,
  ...NUMBERS,
  ...TEXTS,
  ...OBJECTS,
  ...BINARIES,
  make.objectId('000000000000000000000000'),
  make.objectId('ffffffffffffffffffffffff'),
  make.boolean(false),
  make.boolean(true),
  make.date(-(2n ** 63n)),
  make.date(0n),
  make.date(2n ** 60n + 1n),
  make.timestamp(1, 2),
  make.timestamp(0xffff_ffff, 1),
  make.dbPointer('a', '1123456789ab0123456789ab'),
  make.dbPointer('b', '0123456789ab0123456789ab'),
  make.dbPointer('c', '0123456789ab0123456789ab'),
  make.code('a'),
  make.code('b'),
  make.codeWithScope('a', document()),
  make.codeWithScope('a', document(['x', make.undef])),
  make.codeWithScope('a', document(['x', make.dbPointer('a', '1123456789ab0123456789ab')])),
  make.codeWithScope('a', document(['x', make.dbPointer('b', '0123456789ab0123456789ab')])),
  make.maxKey,
];
