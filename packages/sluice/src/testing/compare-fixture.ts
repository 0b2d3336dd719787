import { randomUUID } from 'node:crypto';
import { BSON, type Document, MongoClient } from 'mongodb';
import { idTextOf } from '../bson/id-text.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../bson/plain-document.ts';
import type { ComparedCollection } from './compare-documents.ts';
import { mixedId } from './mixed-ids.ts';
import { testMongo } from './servers/mongo.ts';

const {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} = BSON;

/** A value of every BSON type that can be stored, with the edges of those that lose digits easily. */
const EVERY_TYPE: Document = {
  double: new Double(0.1),
  whole: new Double(3),
  big: new Double(1e300),
  minusZero: new Double(-0),
  nan: new Double(Number.NaN),
  infinity: new Double(Number.NEGATIVE_INFINITY),
  string: 'a "b"\n漢😀',
  object: { a: { b: new Int32(1) } },
  array: [new Int32(1), 'x', [], {}],
  binary: new Binary(Buffer.from([0, 255, 1])),
  uuid: new UUID('00112233-4455-6677-8899-aabbccddeeff'),
  objectId: new ObjectId('6b012bb81d9cffe770fcbfd0'),
  true: true,
  false: false,
  date: new Date(1_795_238_840_886),
  distantDate: new Date(253_402_300_800_000),
  null: null,
  regex: new BSONRegExp('^a/b', 'i'),
  code: new Code('f()'),
  codeWithScope: new Code('f()', { x: new Int32(1) }),
  symbol: new BSONSymbol('s'),
  int32: new Int32(-7),
  timestamp: new Timestamp({ t: 7, i: 9 }),
  int64: Long.fromString('9007199254740993'),
  decimal: Decimal128.fromString('1234567890.12345678901234567890'),
  decimalNan: Decimal128.fromString('NaN'),
  minKey: new MinKey(),
  maxKey: new MaxKey(),
};

/** How many documents the fixture's collection has. */
export const FIXTURE_COUNT = 60;

/** A document as a target holds it. */
export interface WrittenDocument {
  readonly id: string;
  readonly json: string;
}

/** A collection with ids and values of every type, and how the sinks write its documents. */
export interface CompareFixture extends AsyncDisposable {
  readonly source: ComparedCollection;
  readonly written: readonly WrittenDocument[];
}

/**
 * Makes the collection. Documents 0 to 9 are `{_id: "d<n>", n, deep: {list: [1, 2], big: 2^53 + 1}}`, the others have ids
 * and values of every type.
 */
export async function compareFixture(
  options: ConstructorParameters<typeof PlainDocumentWriter>[1],
): Promise<CompareFixture> {
  const uri = await testMongo();
  const client = await MongoClient.connect(uri);
  const source = { uri, db: `compare_${randomUUID().slice(0, 8)}`, coll: 'a' };
  const coll = client.db(source.db).collection<{ _id: never }>(source.coll);
  const documents = Array.from({ length: FIXTURE_COUNT }, (_, n) => (n < 10 ? plainDocument(n) : typed(n)));
  await coll.insertMany(documents as never[]);
  const stored = coll.find({}, { raw: true }) as unknown as AsyncIterable<Uint8Array>;
  const written: WrittenDocument[] = [];
  for await (const bytes of stored) {
    const document = Buffer.from(bytes);
    const buffer = new JsonBuffer();
    buffer.begin(document.length);
    new PlainDocumentWriter(buffer, options).document(document);
    written.push({ id: idTextOf(document), json: buffer.end().toString() });
  }
  return {
    source,
    written,
    async [Symbol.asyncDispose]() {
      await client.db(source.db).dropDatabase();
      await client.close();
    },
  };
}

function plainDocument(n: number): Document {
  const deep = { list: [new Int32(1), new Int32(2)], big: Long.fromString('9007199254740993') };
  return { _id: `d${n}`, n: new Int32(n), deep };
}

function typed(n: number): Document {
  return { _id: mixedId(n - 10), ...EVERY_TYPE };
}
