import * as b from './bson-bytes.ts';

/*
 * Change events with every BSON type and every kind of operation, byte by byte as a server sends them. Only for tests.
 */

const OBJECT_ID = '6b012bb81d9cffe770fcbfd0';
const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const WALL_TIME = 1_795_238_840_886n;
const NS = b.embedded(['db', b.string('shop')], ['coll', b.string('orders')]);

/** A document with a field of every type, and the values of each that are hard to write. */
export const everyType = b.document(
  ['_id', b.objectId(OBJECT_ID)],
  [
    'double',
    b.array(
      b.double(1),
      b.double(-0),
      b.double(9.99),
      b.double(1e21),
      b.double(5e-324),
      b.double(1.7976931348623157e308),
    ),
  ],
  ['notFinite', b.array(b.double(Number.NaN), b.double(Infinity), b.double(-Infinity))],
  ['string', b.string('plain "quoted" back\\slash /\n\t\u0000\u001f\u007f é 漢 😀 \u2028')],
  ['document', b.embedded(['a', b.embedded(['b', b.embedded()])])],
  ['array', b.array(b.array(), b.array(b.int32(1), b.string('x')))],
  ['binary', b.array(...[0, 1, 3, 4, 5, 6, 7, 8, 9, 128].map((subtype) => b.binary(subtype, UUID)))],
  [
    'binaryOdd',
    b.array(
      b.binary(0, Buffer.alloc(0)),
      b.oldBinary(Buffer.from('old')),
      b.binary(2, Buffer.from('x')),
      b.binary(4, UUID.subarray(1)),
    ),
  ],
  ['undefined', b.undef],
  ['objectId', b.objectId('ffffffffffffffffffffffff')],
  ['boolean', b.array(b.boolean(true), b.boolean(false))],
  [
    'date',
    b.array(b.date(0n), b.date(WALL_TIME), b.date(1_795_238_840_000n), b.date(-1n), b.date(253_402_300_799_999n)),
  ],
  [
    'dateOdd',
    b.array(b.date(253_402_300_800_000n), b.date(-62_167_219_200_001n), b.date(2n ** 63n - 1n), b.date(-(2n ** 63n))),
  ],
  ['null', b.nothing],
  ['regex', b.array(b.regex('^a"b$', 'imx'), b.regex('(?i)a(', 'zxq'))],
  ['dbPointer', b.dbPointer('shop.customers', OBJECT_ID)],
  ['code', b.code('function () { return "x"; }')],
  ['symbol', b.symbol('symbol')],
  ['codeWithScope', b.codeWithScope('f(x)', b.document(['x', b.int64(1n)]))],
  ['int32', b.array(b.int32(0), b.int32(-2147483648), b.int32(2147483647))],
  ['timestamp', b.array(b.timestamp(0, 0), b.timestamp(4294967295, 4294967295))],
  ['int64', b.array(b.int64(1n), b.int64(9007199254740993n), b.int64(2n ** 63n - 1n), b.int64(-(2n ** 63n)))],
  [
    'decimal128',
    b.array(
      b.decimalOf(110n, -2),
      b.decimalOf(0n, 3, true),
      b.decimalOf(10n ** 34n - 1n, 6111),
      b.decimalOf(1n, -6176),
    ),
  ],
  [
    'decimalOdd',
    b.array(b.decimal128('7c000000000000000000000000000000'), b.decimal128('f8000000000000000000000000000000')),
  ],
  ['minKey', b.minKey],
  ['maxKey', b.maxKey],
  ['', b.string('empty name')],
  ['a.b', b.string('dotted')],
  ['$set', b.string('dollar')],
  ['__proto__', b.embedded(['polluted', b.boolean(true)])],
  ['"\n', b.string('quoted name')],
  ['twice', b.int32(1)],
  ['twice', b.int32(2)],
);

const small = b.embedded(['_id', b.int32(7)], ['status', b.string('paid')], ['total', b.double(12)]);
const before = b.embedded(['_id', b.int32(7)], ['status', b.string('new')], ['draft', b.boolean(true)]);
const updateDescription = b.embedded(
  [
    'updatedFields',
    b.embedded(['status', b.string('paid')], ['paidAt', b.date(WALL_TIME)], ['items.0.qty', b.int64(2n)]),
  ],
  ['removedFields', b.array(b.string('draft'), b.string('"odd"'))],
  ['truncatedArrays', b.array(b.embedded(['field', b.string('log')], ['newSize', b.int32(3)]))],
);
const emptyUpdate = b.embedded(
  ['updatedFields', b.embedded()],
  ['removedFields', b.array()],
  ['truncatedArrays', b.array()],
);

let increment = 0;

function event(op: string, ...fields: readonly b.Field[]): Buffer {
  increment++;
  const time = `826B012BB8${increment.toString(16).toUpperCase().padStart(8, '0')}`;
  return b.document(
    [
      '_id',
      b.embedded([
        '_data',
        b.string(`${time}2B022C0100296E5A1004A2FC3AF689654F58A0D94698B5D3DB0546645F6964002B0E0004`),
      ]),
    ],
    ['operationType', b.string(op)],
    ['clusterTime', b.timestamp(0x6b012bb8, increment)],
    ['wallTime', b.date(WALL_TIME)],
    ...fields,
  );
}

function keyed(id: b.Value): b.Field[] {
  return [
    ['ns', NS],
    ['documentKey', b.embedded(['_id', id])],
  ];
}

const seven = keyed(b.int32(7));
const TRANSACTION: b.Field[] = [
  ['lsid', b.embedded(['id', b.binary(4, UUID)], ['uid', b.binary(0, Buffer.alloc(32, 0xab))])],
  ['txnNumber', b.int64(9007199254740993n)],
];

/** Each sample by its name, in the order of the golden files. */
export const sampleEvents: ReadonlyMap<string, Buffer> = new Map([
  [
    'insert-every-type',
    event('insert', ['fullDocument', { type: 0x03, payload: everyType }], ...keyed(b.objectId(OBJECT_ID))),
  ],
  ['insert-in-transaction', event('insert', ...TRANSACTION, ['fullDocument', small], ...seven)],
  [
    'insert-sharded',
    event(
      'insert',
      ['fullDocument', small],
      ['ns', NS],
      ['documentKey', b.embedded(['region', b.string('eu')], ['_id', b.int32(7)])],
    ),
  ],
  ['insert-id-double', event('insert', ['fullDocument', b.embedded(['_id', b.double(7)])], ...keyed(b.double(7)))],
  ['insert-id-long', event('insert', ['fullDocument', b.embedded(['_id', b.int64(7n)])], ...keyed(b.int64(7n)))],
  [
    'insert-id-nan',
    event('insert', ['fullDocument', b.embedded(['_id', b.double(Number.NaN)])], ...keyed(b.double(Number.NaN))),
  ],
  ['insert-id-null', event('insert', ['fullDocument', b.embedded(['_id', b.nothing])], ...keyed(b.nothing))],
  [
    'insert-id-odd-text',
    event('insert', ['fullDocument', b.embedded(['_id', b.string('a/b "c"\n漢')])], ...keyed(b.string('a/b "c"\n漢'))),
  ],
  [
    'insert-id-document',
    event(
      'insert',
      ['fullDocument', b.embedded(['_id', b.embedded(['a', b.double(1)], ['b', b.date(0n)])])],
      ...keyed(b.embedded(['a', b.double(1)], ['b', b.date(0n)])),
    ),
  ],
  [
    'update-with-images',
    event(
      'update',
      ['fullDocument', small],
      ...seven,
      ['updateDescription', updateDescription],
      ['fullDocumentBeforeChange', before],
    ),
  ],
  ['update-without-document', event('update', ...seven, ['updateDescription', updateDescription])],
  ['update-document-gone', event('update', ['fullDocument', b.nothing], ...seven, ['updateDescription', emptyUpdate])],
  [
    'update-degraded',
    event(
      'update',
      ['fullDocument', b.nothing],
      ...seven,
      ['updateDescription', emptyUpdate],
      ['_sluice', b.embedded(['dropped', b.string('images')])],
    ),
  ],
  ['replace', event('replace', ['fullDocument', small], ...seven, ['fullDocumentBeforeChange', before])],
  ['delete', event('delete', ...seven)],
  ['delete-with-image', event('delete', ...seven, ['fullDocumentBeforeChange', before])],
  ['snapshot', event('snapshot', ['fullDocument', small], ...seven)],
  [
    'create',
    event(
      'create',
      ['collectionUUID', b.binary(4, UUID)],
      ['ns', NS],
      ['operationDescription', b.embedded(['idIndex', b.embedded(['v', b.int32(2)])])],
    ),
  ],
  [
    'rename',
    event('rename', ['ns', NS], ['to', b.embedded(['db', b.string('shop')], ['coll', b.string('old orders')])]),
  ],
  ['drop', event('drop', ['ns', NS])],
  ['dropDatabase', event('dropDatabase', ['ns', b.embedded(['db', b.string('shop')])])],
  ['invalidate', event('invalidate')],
  ['insert-without-key', event('insert', ['fullDocument', small], ['ns', NS])],
  [
    'insert-invalid-utf8',
    event(
      'insert',
      ['fullDocument', b.embedded(['_id', b.int32(7)], ['name', b.string(Buffer.from('caf\xe9', 'latin1'))])],
      ...seven,
    ),
  ],
  [
    'insert-invalid-utf8-name',
    event(
      'insert',
      ['fullDocument', b.embedded(['_id', b.int32(7)], [Buffer.from('caf\xe9', 'latin1'), b.nothing])],
      ...seven,
    ),
  ],
]);
