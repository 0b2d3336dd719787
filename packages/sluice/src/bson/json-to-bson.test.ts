import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { SluiceError } from '../core/failure.ts';
import { seededRandom } from '../testing/random.ts';
import { JsonBuffer } from './json-buffer.ts';
import { DocumentWriter } from './json-document.ts';
import type { JsonStyle } from './json-scalars.ts';
import { JsonToBson } from './json-to-bson.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt, randomDocument } from './test-support/random-bson.ts';
import { everyType } from './test-support/sample-events.ts';

const strict = new JsonToBson({ legacy: false });
const legacy = new JsonToBson({ legacy: true });

function write(document: Buffer, style: JsonStyle): Buffer {
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style });
  buffer.begin(document.length * 2);
  writer.document(document);
  return Buffer.from(buffer.end());
}

/** The element that the value of a field becomes: type and payload. */
function element(json: string, reader = strict): string {
  const document = reader.document(Buffer.from(`{"v":${json}}`));
  return document.toString('hex', 4, document.length - 1);
}

function expected({ type, payload }: b.Value): string {
  return Buffer.concat([Buffer.from([type]), Buffer.from('v\0'), payload]).toString('hex');
}

const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const OID = '6b012bb81d9cffe770fcbfd0';
const text = (value: string): string => JSON.stringify(value);

const VALUES: readonly (readonly [json: string, value: b.Value])[] = [
  ['0', b.int32(0)],
  ['2147483647', b.int32(2147483647)],
  ['-2147483648', b.int32(-2147483648)],
  ['2147483648', b.int64(2147483648n)],
  ['-2147483649', b.int64(-2147483649n)],
  ['9007199254740993', b.int64(9007199254740993n)],
  ['-9007199254740993', b.int64(-9007199254740993n)],
  ['9223372036854775807', b.int64(2n ** 63n - 1n)],
  ['-9223372036854775808', b.int64(-(2n ** 63n))],
  ['9223372036854775808', b.double(2 ** 63)],
  ['123456789012345678901234567890', b.double(Number('123456789012345678901234567890'))],
  ['-0', b.double(-0)],
  ['1.0', b.double(1)],
  ['-0.0', b.double(-0)],
  ['9.99', b.double(9.99)],
  ['1e3', b.double(1000)],
  ['1E-7', b.double(1e-7)],
  ['4.9E-324', b.double(5e-324)],
  ['0.30000000000000004', b.double(0.1 + 0.2)],
  ['NaN', b.double(Number.NaN)],
  ['Infinity', b.double(Infinity)],
  ['-Infinity', b.double(-Infinity)],
  ['null', b.nothing],
  ['true', b.boolean(true)],
  ['""', b.string('')],
  [String.raw`"a\"\\\/\b\f\n\r\té漢"`, b.string('a"\\/\b\f\n\r\té漢')],
  [String.raw`"\u0000\u00e9\u6f22\ud83d\ude00"`, b.string('\0é漢😀')],
  ['"😀 und ü"', b.string('😀 und ü')],
  [' [ 1 , [ ] , {} ] ', b.array(b.int32(1), b.array(), b.embedded())],
  [`{"$oid":"${OID}"}`, b.objectId(OID)],
  [`{"$oid":"${OID.toUpperCase()}"}`, b.objectId(OID)],
  ['{"$numberInt":"-7"}', b.int32(-7)],
  ['{"$numberLong":"9223372036854775807"}', b.int64(2n ** 63n - 1n)],
  ['{"$numberLong":"7"}', b.int64(7n)],
  ['{"$numberDouble":"-0.0"}', b.double(-0)],
  ['{"$numberDouble":"NaN"}', b.double(Number.NaN)],
  ['{"$numberDouble":"1E+300"}', b.double(1e300)],
  ['{"$numberDecimal":"1.10"}', b.decimalOf(110n, -2)],
  ['{"$numberDecimal":"-0E+3"}', b.decimalOf(0n, 3, true)],
  ['{"$numberDecimal":"NaN"}', b.decimal128('7c000000000000000000000000000000')],
  ['{"$numberDecimal":"-Infinity"}', b.decimal128('f8000000000000000000000000000000')],
  ['{"$date":"2026-11-21T05:27:20.886Z"}', b.date(1_795_238_840_886n)],
  ['{"$date":"2026-11-21T05:27:20.6Z"}', b.date(1_795_238_840_600n)],
  ['{"$date":"2026-11-21T06:27:20+01:00"}', b.date(1_795_238_840_000n)],
  ['{"$date":"0001-01-01T00:00:00Z"}', b.date(-62_135_596_800_000n)],
  ['{"$date":{"$numberLong":"-1"}}', b.date(-1n)],
  ['{"$date":{"$numberLong":"9223372036854775807"}}', b.date(2n ** 63n - 1n)],
  ['{"$timestamp":{"t":4294967295,"i":1}}', b.timestamp(4294967295, 1)],
  ['{"$timestamp":{"i":1,"t":2}}', b.timestamp(2, 1)],
  ['{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}', b.binary(4, UUID)],
  ['{"$binary":{"subType":"80","base64":""}}', b.binary(0x80, Buffer.alloc(0))],
  ['{"$binary":{"base64":"b2xk","subType":"02"}}', b.oldBinary(Buffer.from('old'))],
  ['{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"}', b.binary(4, UUID)],
  [String.raw`{"$regularExpression":{"pattern":"^a\"","options":"ix"}}`, b.regex('^a"', 'ix')],
  ['{"$symbol":"s"}', b.symbol('s')],
  ['{"$code":"f()"}', b.code('f()')],
  ['{"$code":"f()","$scope":{"x":1}}', b.codeWithScope('f()', b.document(['x', b.int32(1)]))],
  ['{"$scope":{},"$code":""}', b.codeWithScope('', b.document())],
  [`{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"${OID}"}}}`, b.dbPointer('a.b', OID)],
  ['{"$undefined":true}', b.undef],
  ['{"$minKey":1}', b.minKey],
  ['{"$maxKey":1}', b.maxKey],
];

test('every value of Extended JSON v2 becomes its BSON', () => {
  for (const [json, value] of VALUES) {
    assert.equal(element(json), expected(value), json);
    assert.equal(element(json, legacy), expected(value), `legacy ${json}`);
  }
});

test('the wrappers of version 1 are read where they are asked for, elsewhere they are documents', () => {
  const cases: readonly (readonly [string, b.Value, b.Value])[] = [
    ['{"$date":-1}', b.date(-1n), b.embedded(['$date', b.int32(-1)])],
    [
      '{"$binary":"AQ==","$type":"80"}',
      b.binary(0x80, Buffer.from([1])),
      b.embedded(['$binary', b.string('AQ==')], ['$type', b.string('80')]),
    ],
    [
      '{"$regex":"^a","$options":"i"}',
      b.regex('^a', 'i'),
      b.embedded(['$regex', b.string('^a')], ['$options', b.string('i')]),
    ],
  ];
  for (const [json, old, now] of cases) {
    assert.equal(element(json, legacy), expected(old), json);
    assert.equal(element(json), expected(now), json);
  }
});

test('what only looks like a wrapper stays a document', () => {
  const documents = [
    '{"$oid":"6b"}',
    `{"$oid":"${'g'.repeat(24)}"}`,
    `{"$oid":"${OID}","x":1}`,
    '{"$numberLong":"9223372036854775808"}',
    '{"$numberLong":"1.5"}',
    '{"$numberInt":"2147483648"}',
    '{"$numberDouble":"1e999"}',
    '{"$numberDecimal":"12345678901234567890123456789012345"}',
    '{"$date":"2026-02-30T00:00:00Z"}',
    '{"$date":"yesterday"}',
    '{"$timestamp":{"t":-1,"i":0}}',
    '{"$timestamp":{"t":1}}',
    '{"$timestamp":{"t":1,"i":1,"x":1}}',
    '{"$binary":{"base64":"A","subType":"00"}}',
    '{"$binary":{"base64":"AQ==","subType":"xyz"}}',
    String.raw`{"$regularExpression":{"pattern":"\u0000","options":""}}`,
    '{"$code":1}',
    '{"$code":"f()","$scope":1}',
    '{"$undefined":false}',
    '{"$minKey":2}',
    '{"$set":{"a":1}}',
    '{"$ref":"c","$id":1}',
  ];
  for (const json of documents) {
    const [type, value] = [element(json).slice(0, 2), strict.document(Buffer.from(`{"v":${json}}`))];
    assert.equal(type, '03', json);
    const back = BSON.deserialize(value, { promoteValues: true, raw: true, fieldsAsRaw: {} })['v'] as Uint8Array;
    assert.ok(back.length > 5, json);
  }
});

test('a reference to a document of another collection stays one', () => {
  const json = `{"$ref":"customers","$id":{"$oid":"${OID}"}}`;
  const reference = b.embedded(['$ref', b.string('customers')], ['$id', b.objectId(OID)]);
  assert.equal(element(json), expected(reference));
  assert.equal(element(json, legacy), expected(reference));
});

test('fields keep their order, duplicates and odd names included', () => {
  const document = strict.document(Buffer.from('{"b":1,"":2,"__proto__":{"x":1},"b":3,"10":4,"2":5}'));
  assert.equal(
    document.toString('hex'),
    b
      .document(
        ['b', b.int32(1)],
        ['', b.int32(2)],
        ['__proto__', b.embedded(['x', b.int32(1)])],
        ['b', b.int32(3)],
        ['10', b.int32(4)],
        ['2', b.int32(5)],
      )
      .toString('hex'),
  );
});

test('canonical JSON of our own comes back byte for byte', () => {
  const valid = b.document(['v', { type: 0x03, payload: everyType }]);
  // A value of subtype 2 without its inner length is written like one that has it.
  const repaired = strict.document(write(valid, 'canonical'));
  assert.deepEqual(strict.document(write(repaired, 'canonical')), repaired);
  const random = seededRandom(77);
  for (let i = 0; i < 3000; i++) {
    const document = randomDocument(random, { libraryTypes: true });
    assert.equal(strict.document(write(document, 'canonical')).toString('hex'), document.toString('hex'), `case ${i}`);
  }
});

test('JSON of our own in any style is written again as it was', () => {
  const random = seededRandom(78);
  for (let i = 0; i < 3000; i++) {
    const document = randomDocument(random, { libraryTypes: false });
    for (const style of ['canonical', 'relaxed'] as const) {
      const json = write(document, style);
      assert.equal(write(strict.document(json), style).toString(), json.toString(), `case ${i} ${style}`);
    }
  }
});

test('one value alone is read with its type', () => {
  assert.deepEqual(strict.value(Buffer.from(' 7 ')), { type: 0x10, bytes: b.int32(7).payload });
  assert.deepEqual(strict.value(Buffer.from(`{"$oid":"${OID}"}`)), { type: 0x07, bytes: b.objectId(OID).payload });
  assert.deepEqual(strict.value(Buffer.from('null')), { type: 0x0a, bytes: Buffer.alloc(0) });
  assert.equal(strict.document(Buffer.from(`{"$oid":"${OID}"}`))[4], 0x02, 'a whole document is no wrapper');
});

test('what it has handed out stays as it is', () => {
  const first = strict.document(Buffer.from('{"a":"first"}'));
  const copy = Buffer.from(first);
  const large = strict.document(Buffer.from(`{"a":${text('x'.repeat(300_000))}}`));
  for (let i = 0; i < 5000; i++) strict.document(Buffer.from(`{"a":"number ${i}"}`));
  assert.deepEqual(first, copy);
  assert.equal(large.length, 300_013);
});

const rejected = (code: string) => (error: unknown) =>
  error instanceof SluiceError && error.kind === 'rejected' && error.code === code && !error.message.includes('secret');

test('what is not JSON is rejected, without its content in the message', () => {
  const broken = [
    '',
    ' ',
    '{',
    '}',
    '[',
    '{"a"',
    '{"a":',
    '{"a":}',
    '{"a":1',
    '{"a":1,}',
    '{,}',
    '{"a":1}}',
    '{"a":1} x',
    '{a:1}',
    "{'a':1}",
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":1e}',
    '{"a":+1}',
    '{"a":0x1}',
    '{"a":tru}',
    '{"a":nul',
    '{"a":"secret}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\n"}',
    '{"a":1e999}',
    `{"a":${'9'.repeat(400)}}`,
    '[1',
    '{"a":[1}',
    '{"a":undefined}',
    '\ufeff{}',
    '{"a":-Inf}',
  ];
  for (const json of broken) assert.throws(() => strict.document(Buffer.from(json)), rejected('json.malformed'), json);
  assert.throws(
    () => strict.document(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    rejected('json.malformed'),
  );
  assert.throws(() => strict.document(Buffer.from('{"a":"caf\xe9"}', 'latin1')), rejected('json.malformed'));
});

test('text that BSON cannot hold is rejected', () => {
  for (const json of [
    String.raw`{"a":"\ud800"}`,
    String.raw`{"a":"\udc00\ud800"}`,
    String.raw`{"a":"\ud83dx"}`,
    String.raw`{"a\u0000b":1}`,
  ]) {
    assert.throws(() => strict.document(Buffer.from(json)), rejected('json.no-bson-form'), json);
  }
});

test('depth is bounded, and nesting that looks like wrappers takes no longer', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  strict.document(Buffer.from(nested(200)));
  assert.throws(() => strict.document(Buffer.from(nested(201))), rejected('json.malformed'));
  assert.throws(() => strict.document(Buffer.from(`{"a":${'['.repeat(1_000_000)}`)), rejected('json.malformed'));
  const codes = `${'{"$code":"x","$scope":'.repeat(150)}{}${',"y":1}'.repeat(150)}`;
  strict.document(Buffer.from(codes));
});

test('fuzz: mutated JSON and random bytes are read or rejected, never anything else', () => {
  const random = seededRandom(4711);
  const seeds: Buffer[] = VALUES.map(([json]) => Buffer.from(`{"v":${json}}`));
  for (const style of ['canonical', 'relaxed', 'legacy', 'plain'] as const) seeds.push(write(everyType, style));
  for (let i = 0; i < 20_000; i++) {
    const json: Buffer = corrupt(random, random.pick(seeds));
    const reader = random.pick([strict, legacy]);
    try {
      const document = reader.document(json);
      // Whatever comes out is BSON that can be written.
      write(document, 'canonical');
    } catch (error) {
      assert.ok(
        error instanceof SluiceError && error.kind === 'rejected',
        `case ${i} ${json.toString('hex')}: ${String(error)}`,
      );
    }
  }
});
