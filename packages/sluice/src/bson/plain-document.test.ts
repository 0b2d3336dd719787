import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, Decimal128, deserialize } from 'bson';
import { SluiceError } from '../core/failure.ts';
import { testRandom } from '../testing/random.ts';
import { JsonBuffer } from './json-buffer.ts';
import { PlainDocumentWriter, type PlainOptions } from './plain-document.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt, randomDocument } from './test-support/random-bson.ts';

const OPTIONS: PlainOptions = { nonFinite: 'text', decimals: 'number', nul: 'keep' };
const OBJECT_ID = '0123456789abcdef01234567';
const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const { Binary, BSONRegExp, BSONSymbol, Code, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } = BSON;

function write(document: Buffer, options: Partial<PlainOptions> = {}, chunkBytes?: number): string {
  const buffer = new JsonBuffer(chunkBytes);
  const writer = new PlainDocumentWriter(buffer, { ...OPTIONS, ...options });
  buffer.begin(16);
  writer.document(document);
  return buffer.end().toString();
}

/** The form of one value. */
function form(value: b.Value, options: Partial<PlainOptions> = {}): string {
  return write(b.document(['v', value]), options).slice('{"v":'.length, -1);
}

function decimal(text: string): b.Value {
  return { type: 0x13, payload: Buffer.from(Decimal128.fromString(text).bytes) };
}

function rejected(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SluiceError && error.kind === 'rejected' && error.code === code;
}

test('every type has its plain form', () => {
  const scope = b.document(['n', b.int32(1)]);
  const cases: readonly (readonly [b.Value, string])[] = [
    [b.string('a "b"\n漢😀'), '"a \\"b\\"\\n漢😀"'],
    [b.int32(-2147483648), '-2147483648'],
    [b.int64(2n ** 63n - 1n), '9223372036854775807'],
    [b.int64(-(2n ** 63n)), '-9223372036854775808'],
    [b.int64(9007199254740993n), '9007199254740993'],
    [b.double(0.1), '0.1'],
    [b.double(1), '1.0'],
    [b.double(1e300), '1e+300'],
    [b.double(5e-324), '5e-324'],
    [b.boolean(true), 'true'],
    [b.boolean(false), 'false'],
    [b.nothing, 'null'],
    [b.undef, 'null'],
    [b.objectId(OBJECT_ID), `"${OBJECT_ID}"`],
    [b.binary(0, Buffer.from('ab')), '"YWI="'],
    [b.binary(0, Buffer.alloc(0)), '""'],
    [b.binary(4, UUID), '"00112233-4455-6677-8899-aabbccddeeff"'],
    [b.binary(3, UUID), `"${UUID.toString('base64')}"`],
    [b.binary(4, UUID.subarray(1)), `"${UUID.subarray(1).toString('base64')}"`],
    [b.oldBinary(Buffer.from('ab')), '"YWI="'],
    [b.timestamp(4294967295, 7), '{"t":4294967295,"i":7}'],
    [b.regex('^a/"b', 'ix'), '"/^a/\\"b/ix"'],
    [b.regex('', ''), '"//"'],
    [b.code('f("x")'), '"f(\\"x\\")"'],
    [b.codeWithScope('f()', scope), '"f()"'],
    [b.symbol('s'), '"s"'],
    [b.dbPointer('d.c', OBJECT_ID), `{"$ref":"d.c","$id":"${OBJECT_ID}"}`],
    [b.minKey, '"MinKey"'],
    [b.maxKey, '"MaxKey"'],
    [b.array(b.int32(1), b.array(), b.embedded()), '[1,[],{}]'],
    [{ type: 0x04, payload: b.document(['7', b.int32(1)], ['7', b.nothing]) }, '[1,null]'],
  ];
  for (const [value, text] of cases) {
    assert.equal(form(value), text);
    assert.equal(form(b.array(value)), `[${text}]`);
    const buffer = new JsonBuffer();
    buffer.begin(0);
    new PlainDocumentWriter(buffer, OPTIONS).value(value.type, value.payload);
    assert.equal(buffer.end().toString(), text);
  }
});

test('dates are ISO texts with milliseconds, years outside of four digits with a sign', () => {
  const texts: readonly (readonly [bigint, string])[] = [
    [0n, '1970-01-01T00:00:00.000Z'],
    [-1n, '1969-12-31T23:59:59.999Z'],
    [253_402_300_799_999n, '9999-12-31T23:59:59.999Z'],
    [253_402_300_800_000n, '+010000-01-01T00:00:00.000Z'],
    [-62_167_219_200_000n, '0000-01-01T00:00:00.000Z'],
    [-62_167_219_200_001n, '-000001-12-31T23:59:59.999Z'],
    [8_640_000_000_000_000n, '+275760-09-13T00:00:00.000Z'],
    [8_640_000_000_000_001n, '+275760-09-13T00:00:00.001Z'],
    [-8_640_000_000_000_000n, '-271821-04-20T00:00:00.000Z'],
    [-8_640_000_000_000_001n, '-271821-04-19T23:59:59.999Z'],
    [2n ** 63n - 1n, '+292278994-08-17T07:12:55.807Z'],
    [-(2n ** 63n), '-292275055-05-16T16:47:04.192Z'],
  ];
  for (const [ms, text] of texts) assert.equal(form(b.date(ms)), `"${text}"`);
});

test('property: dates are those of the language wherever it has them', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 20_000; round++) {
    const range = random.pick([8.64e15, 3e14, 1e12, 1e6]);
    const ms = Math.round((random.next() * 2 - 1) * range);
    assert.equal(form(b.date(BigInt(ms))), `"${new Date(ms).toISOString()}"`);
  }
});

test('numbers that are not finite are texts or null', () => {
  const values: readonly (readonly [b.Value, string])[] = [
    [b.double(Number.NaN), 'NaN'],
    [b.double(Infinity), 'Infinity'],
    [b.double(-Infinity), '-Infinity'],
    [decimal('NaN'), 'NaN'],
    [decimal('Infinity'), 'Infinity'],
    [decimal('-Infinity'), '-Infinity'],
  ];
  for (const [value, text] of values) {
    assert.equal(form(value), `"${text}"`);
    assert.equal(form(value, { decimals: 'text' }), `"${text}"`);
    assert.equal(form(value, { nonFinite: 'null' }), 'null');
    assert.equal(form(value, { nonFinite: 'null', decimals: 'text' }), 'null');
  }
});

test('a negative zero keeps its sign', () => {
  assert.equal(form(b.double(-0)), '-0.0');
  assert.equal(form(decimal('-0')), '-0');
  assert.ok(Object.is(JSON.parse(form(b.double(-0))), -0));
});

test('decimals are JSON numbers with every digit, or texts', () => {
  const texts = ['0', '-0', '1.10', '-0.000001', '1E+3', '1E+6111', '1E-6176', '0E-6176', '-0E+3', '1.5E-7'];
  const long = ['1234567890123456789012345678901234', '9.999999999999999999999999999999999E+6144'];
  for (const text of [...texts, ...long]) {
    assert.equal(form(decimal(text)), text);
    assert.equal(JSON.parse(form(decimal(text))), Number(text));
    assert.equal(form(decimal(text), { decimals: 'text' }), `"${text}"`);
  }
});

test('NUL characters are kept, stripped or a reason to reject', () => {
  const values: readonly (readonly [b.Value, string, string])[] = [
    [b.string('a\0b'), '"a\\u0000b"', '"ab"'],
    [b.string('\0'), '"\\u0000"', '""'],
    [b.string('\0\0"\n\u0001é漢😀\\\0'), '"\\u0000\\u0000\\"\\n\\u0001é漢😀\\\\\\u0000"', '"\\"\\n\\u0001é漢😀\\\\"'],
    [b.symbol('s\0'), '"s\\u0000"', '"s"'],
    [b.code('f\0()'), '"f\\u0000()"', '"f()"'],
    [b.codeWithScope('f\0()', b.document()), '"f\\u0000()"', '"f()"'],
    [b.dbPointer('d\0c', OBJECT_ID), `{"$ref":"d\\u0000c","$id":"${OBJECT_ID}"}`, `{"$ref":"dc","$id":"${OBJECT_ID}"}`],
  ];
  for (const [value, kept, stripped] of values) {
    const document = b.document(['a', b.string('"')], ['v', value], ['z', b.int32(1)]);
    assert.equal(write(document), `{"a":"\\"","v":${kept},"z":1}`);
    assert.equal(write(document, { nul: 'strip' }), `{"a":"\\"","v":${stripped},"z":1}`);
    assert.throws(() => write(document, { nul: 'reject' }), rejected('bson.nul-character'));
  }
  const clean = b.document(['a', b.string('"\u0001é')], ['b', b.string('plain')], ['c', b.binary(0, Buffer.alloc(9))]);
  assert.equal(write(clean, { nul: 'reject' }), write(clean));
});

test('property: NUL characters are stripped wherever a text outgrows its chunk', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 3000; round++) {
    const pieces = ['a', '\0', '"', 'é', '\u0002', 'b'.repeat(50), '\n', 'plain '];
    const text = Array.from({ length: random.int(60) }, () => random.pick(pieces)).join('');
    const before = 'x'.repeat(random.int(700));
    const document = b.document(['x', b.string(before)], ['v', b.string(text)], ['z', b.nothing]);
    const expected = JSON.stringify({ x: before, v: text.replaceAll('\0', ''), z: null });
    assert.equal(write(document, { nul: 'strip' }, random.int(2000)), expected);
    assert.equal(write(document, {}, random.int(2000)), JSON.stringify({ x: before, v: text, z: null }));
  }
});

test('NUL characters are seen when their escapes are as long as what a move to another chunk leaves behind', () => {
  const buffer = new JsonBuffer(1024);
  const writer = new PlainDocumentWriter(buffer, { ...OPTIONS, nul: 'strip' });
  const start = 500;
  buffer.begin(0);
  writer.document(b.document(['x', b.string('x'.repeat(start - '{"x":""}'.length))]));
  assert.equal(buffer.end().length, start);
  buffer.begin(0);
  writer.document(b.document(['v', b.string('\0'.repeat(start / 5) + 'a'.repeat(1000))]));
  assert.equal(buffer.end().toString(), JSON.stringify({ v: 'a'.repeat(1000) }));
});

test('names stay as they are: empty, twice, with quotes and dots', () => {
  const names = ['', 'a', 'a', '$set', 'a.b', '"', '\u0001', '__proto__', 'ключ'];
  const document = b.document(...names.map((name): b.Field => [name, b.nothing]));
  assert.equal(write(document), `{${names.map((name) => `${JSON.stringify(name)}:null`).join(',')}}`);
});

test('the field to leave out is left out at the top only, wherever and however often it stands', () => {
  const id: b.Field = ['_id', b.embedded(['_id', b.int32(1)])];
  const other: b.Field = ['o', b.embedded(['_id', b.int32(2)])];
  const longer: b.Field = ['_idx', b.int32(3)];
  const shorter: b.Field = ['_i', b.int32(4)];
  const omit = (...fields: readonly b.Field[]) => write(b.document(...fields), { omitTop: '_id' });
  assert.equal(omit(id, other), '{"o":{"_id":2}}');
  assert.equal(omit(other, id), '{"o":{"_id":2}}');
  assert.equal(omit(longer, id, shorter, id), '{"_idx":3,"_i":4}');
  assert.equal(omit(id), '{}');
  assert.equal(omit(), '{}');
  assert.equal(write(b.document(['é', b.nothing], id), { omitTop: 'é' }), '{"_id":{"_id":1}}');
  assert.equal(write(b.document(['', b.nothing], id), { omitTop: '' }), '{"_id":{"_id":1}}');
});

test('nothing is left out of a value that is written alone', () => {
  const buffer = new JsonBuffer();
  const writer = new PlainDocumentWriter(buffer, { ...OPTIONS, omitTop: '_id' });
  const { type, payload } = b.embedded(['_id', b.int32(1)]);
  buffer.begin(0);
  writer.document(payload);
  writer.value(type, payload);
  assert.equal(buffer.end().toString(), '{}{"_id":1}');
});

test('what is not UTF-8 is rejected, and the writer goes on with the next document', () => {
  const buffer = new JsonBuffer();
  const writer = new PlainDocumentWriter(buffer, { ...OPTIONS, nul: 'strip' });
  const broken = [Buffer.from('caf\xe9', 'latin1'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xc0, 0x80])];
  for (const bytes of broken) {
    for (const field of [
      ['v', b.string(bytes)],
      [bytes, b.nothing],
    ] as const) {
      buffer.begin(0);
      assert.throws(() => writer.document(b.document(field)), rejected('bson.invalid-utf8'));
    }
  }
  buffer.begin(0);
  writer.document(b.document(['v', b.int32(1)]));
  assert.equal(buffer.end().toString(), '{"v":1}');
});

test('nesting is followed to 200 levels', () => {
  const nested = (levels: number) => {
    let value = b.embedded();
    for (let level = 2; level < levels; level++) value = level % 2 === 0 ? b.array(value) : b.embedded(['a', value]);
    return b.document(['a', value]);
  };
  assert.ok(write(nested(200)).startsWith('{"a":'));
  assert.throws(() => write(nested(201)), rejected('bson.too-deep'));
});

test('property: a document is what its values are in plain JSON', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 3000; round++) {
    const document = randomDocument(random, { libraryTypes: true });
    const expected = plain(deserialize(document, { promoteValues: false, bsonRegExp: true }));
    assert.deepEqual(JSON.parse(write(document, { decimals: 'text' })), expected, document.toString('hex'));
  }
});

test('property: broken documents are rejected or written as JSON, and nothing is read outside of them', (t) => {
  const random = testRandom(t);
  let broken = 0;
  for (let round = 0; round < 10_000; round++) {
    const bytes = corrupt(random, randomDocument(random, { libraryTypes: false }));
    // Behind the document stands what must not appear in it.
    const source = Buffer.concat([bytes, Buffer.from('OUTSIDE\0OUTSIDE\0')]).subarray(0, bytes.length);
    try {
      const text = write(source, { nul: 'strip', omitTop: 'a' });
      assert.ok(!text.includes('OUTSIDE'));
      JSON.parse(text);
    } catch (error) {
      assert.ok(
        error instanceof SluiceError && error.kind === 'rejected',
        `${source.toString('hex')}: ${String(error)}`,
      );
      broken++;
    }
  }
  t.diagnostic(`${broken} rejected`);
  assert.ok(broken > 1000);
});

/** What the library's value is in plain JSON once it is parsed. */
function plain(value: unknown): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Int32) return Number(value);
  if (value instanceof Double) return Number.isFinite(value.value) ? value.value : String(value.value);
  // Before Long, which it extends.
  if (value instanceof Timestamp) return { t: value.t, i: value.i };
  if (value instanceof Long) return Number(value.toBigInt());
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof Decimal128) return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof BSONRegExp) return `/${value.pattern}/${value.options}`;
  if (value instanceof BSONSymbol) return value.value;
  if (value instanceof Code) return value.code;
  if (value instanceof MinKey) return 'MinKey';
  if (value instanceof MaxKey) return 'MaxKey';
  if (value instanceof Binary) {
    const uuid = value.sub_type === Binary.SUBTYPE_UUID && value.position === 16;
    return uuid ? value.toUUID().toHexString() : Buffer.from(value.value()).toString('base64');
  }
  return Object.fromEntries(Object.entries(value as object).map(([name, field]) => [name, plain(field)]));
}
