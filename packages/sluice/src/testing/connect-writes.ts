import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  type Collection,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  type MongoClient,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb';

/** Documents of any `_id`. */
export interface AnyDocument {
  readonly _id?: unknown;
  readonly [field: string]: unknown;
}

const OBJECT_ID = '6b012bb81d9cffe770fcbfd0';
const BYTES = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const double = (value: number) => new Double(value);
const digits = (text: string) => Decimal128.fromString(text);

/** A document with every type that can be written today, and the values of each that are hard to write as text. */
export function everyType(): AnyDocument {
  return {
    _id: new ObjectId(OBJECT_ID),
    double: [1, 1.5, 0.1, 100, 9_999_999, 10_000_000, 12_345_678.9, 0.001, 0.000_999, 1e21, 1e-7, 2e-3].map(double),
    doubleOdd: [double(-0), double(5e-324), double(Number.MAX_VALUE), double(1 / 3), double(2 ** 53)],
    notFinite: [double(Number.NaN), double(Infinity), double(-Infinity)],
    string:
      'plain "quoted" back\\slash / \b\f\n\r\t\u0001\u001f\u007f\u0080\u00a0 é e\u0301 漢 ʰ 😀 \u2028\u200b\ufeff',
    document: { a: { b: {} } },
    array: [[], [1, 'x'], {}],
    binary: [0, 1, 3, 4, 5, 6, 128].map((subtype) => new Binary(BYTES, subtype)),
    binaryOdd: [new Binary(Buffer.alloc(0), 0), new Binary(Buffer.from('old'), 2)],
    uuid: new UUID(BYTES),
    objectId: new ObjectId('ffffffffffffffffffffffff'),
    boolean: [true, false],
    date: [0, 1_795_238_840_886, 1_795_238_840_010, 1_795_238_840_000, -1, 253_402_300_799_999].map(
      (ms) => new Date(ms),
    ),
    dateOdd: [new Date(253_402_300_800_000), new Date(-62_167_219_200_001)],
    null: null,
    regex: [new BSONRegExp('^a"b/$', 'imx'), /a/i],
    code: new Code('function () { return "x"; }'),
    codeWithScope: new Code('f(x)', { x: Long.fromNumber(1) }),
    symbol: new BSONSymbol('symbol'),
    int32: [new Int32(0), new Int32(-2147483648), new Int32(2147483647)],
    int64: [Long.fromNumber(1), Long.fromString('9007199254740993'), Long.MAX_VALUE, Long.MIN_VALUE],
    timestamp: [new Timestamp({ t: 1, i: 2 }), new Timestamp({ t: 4294967295, i: 4294967295 })],
    decimal: ['1.10', '-0E+3', '9.999999999999999999999999999999999E+6144', '1E-6176', 'NaN', '-Infinity'].map(digits),
    minKey: new MinKey(),
    maxKey: new MaxKey(),
    ref: new DBRef('customers', new ObjectId(OBJECT_ID)),
    'é "quoted" name': 1,
  };
}

/** Ids of every type that people use. */
function ids(): readonly unknown[] {
  return [
    new Int32(7),
    Long.fromNumber(8),
    double(2.5),
    double(3),
    digits('4.50'),
    'text "id" é',
    new ObjectId(),
    new UUID(BYTES),
    new Date(1_795_238_840_660),
    { a: 1, b: Long.fromNumber(2) },
    true,
  ];
}

/** What is there before the connectors start. */
export async function seed(collection: Collection<AnyDocument>): Promise<void> {
  await collection.insertMany([...ids().map((_id, n) => ({ _id, n })), { ...everyType(), _id: 'every' }] as never);
}

/**
 * The writes that are recorded: inserts, updates of all kinds, a replace, deletes, a transaction. `settled` is awaited
 * after each update, so that a document that is looked up later is still the one that the update made.
 */
export async function write(
  client: MongoClient,
  collection: Collection<AnyDocument>,
  settled: () => Promise<unknown>,
): Promise<void> {
  const any = collection as unknown as Collection;
  await any.insertOne(everyType() as never);
  for (const [n, _id] of ids().entries()) await any.insertOne({ _id: { at: n, id: _id }, n } as never);
  const _id = 'one' as never;
  await any.insertOne({ _id, list: [1, 2, 3, 4], nested: { a: 1, 'b.c': 2 }, gone: 1 });
  await any.updateOne({ _id }, { $set: { name: 'é', big: Long.MAX_VALUE, when: new Date(1_795_238_840_600) } });
  await settled();
  await any.updateOne({ _id }, { $set: { 'nested.a': double(2) }, $unset: { gone: 1 } });
  await settled();
  await any.updateOne({ _id }, { $push: { list: { $each: [5], $slice: -2 } } as never });
  await settled();
  await any.updateOne({ _id }, [{ $set: { list: { $slice: ['$list', 1] } } }]);
  await settled();
  await any.replaceOne({ _id }, { replaced: true });
  await any.deleteOne({ _id });
  await any.deleteOne({ _id: new ObjectId(OBJECT_ID) });
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await any.insertOne({ _id: 'tx1' as never, n: 1 }, { session });
      await any.updateOne({ _id: 'tx1' as never }, { $set: { n: 2 } }, { session });
    }),
  );
  await settled();
  for (const id of ids()) await any.deleteOne({ _id: id as never });
}
