import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, EJSON, serialize } from 'bson';
import { SluiceError } from '../core/failure.ts';
import { seededRandom } from '../testing/random.ts';
import { JavaJsonBuffer } from './foreign-text.ts';
import { JsonBuffer } from './json-buffer.ts';
import { DocumentWriter } from './json-document.ts';
import type { JsonDialect, JsonStyle } from './json-scalars.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt, randomDocument } from './test-support/random-bson.ts';

const STYLES: readonly JsonStyle[] = ['plain', 'relaxed', 'canonical', 'legacy', 'simplified'];

function transcode(document: Buffer, style: JsonStyle = 'relaxed', dialect?: JsonDialect): string {
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style, dialect });
  buffer.begin(16);
  writer.document(document);
  return buffer.end().toString();
}

/** The form of one value in each style. */
function forms(value: b.Value): Record<JsonStyle, string> {
  const of = (style: JsonStyle) => transcode(b.document(['v', value]), style).slice('{"v":'.length, -1);
  const [plain, relaxed] = [of('plain'), of('relaxed')];
  return { plain, relaxed, canonical: of('canonical'), legacy: of('legacy'), simplified: of('simplified') };
}

function rejectedCode(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.kind, 'rejected');
    return error.code;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
}

test('int64 keeps every digit, also where a double would round', () => {
  const form = forms(b.int64(9007199254740993n));
  assert.equal(form.plain, '9007199254740993');
  assert.equal(form.relaxed, '9007199254740993');
  assert.equal(form.canonical, '{"$numberLong":"9007199254740993"}');
  assert.equal(form.legacy, '{"$numberLong":"9007199254740993"}');
  assert.equal(forms(b.int64(-(2n ** 63n))).relaxed, '-9223372036854775808');
});

test('doubles stay doubles: 1.0 and -0.0 keep their point', () => {
  assert.equal(forms(b.double(1)).relaxed, '1.0');
  assert.equal(forms(b.double(-0)).relaxed, '-0.0');
  assert.equal(forms(b.double(0.1)).canonical, '{"$numberDouble":"0.1"}');
  assert.equal(forms(b.double(1e21)).canonical, '{"$numberDouble":"1e+21"}');
  assert.equal(forms(b.double(Number.NaN)).relaxed, '{"$numberDouble":"NaN"}');
  assert.equal(forms(b.double(Number.NEGATIVE_INFINITY)).legacy, '{"$numberDouble":"-Infinity"}');
  assert.equal(forms(b.double(Number.NaN)).plain, 'null');
});

test('dates are ISO text where RFC 3339 can say them, else milliseconds', () => {
  assert.equal(forms(b.date(0n)).relaxed, '{"$date":"1970-01-01T00:00:00Z"}');
  assert.equal(forms(b.date(253402300799999n)).relaxed, '{"$date":"9999-12-31T23:59:59.999Z"}');
  assert.equal(forms(b.date(253402300800000n)).relaxed, '{"$date":{"$numberLong":"253402300800000"}}');
  assert.equal(forms(b.date(-1n)).relaxed, '{"$date":{"$numberLong":"-1"}}');
  assert.equal(forms(b.date(2n ** 63n - 1n)).canonical, '{"$date":{"$numberLong":"9223372036854775807"}}');
  assert.equal(forms(b.date(123n)).legacy, '{"$date":123}');
  assert.equal(forms(b.date(-1n)).plain, '"1969-12-31T23:59:59.999Z"');
  assert.equal(forms(b.date(253402300800000n)).plain, '253402300800000');
});

test('every day of the calendar agrees with the language', () => {
  const random = seededRandom(7);
  for (let i = 0; i < 5000; i++) {
    const ms = Math.floor((random.int(2 ** 32) / 2 ** 32) * 315_569_520_000_000) - 62_167_219_200_000;
    assert.equal(forms(b.date(BigInt(ms))).plain, `"${new Date(ms).toISOString()}"`);
  }
  for (const ms of [-62_167_219_200_000, 951_782_400_000, 4_107_542_400_000]) {
    assert.equal(forms(b.date(BigInt(ms))).plain, `"${new Date(ms).toISOString()}"`);
  }
});

test('binary data: base64 in Extended JSON, UUIDs readable in plain style', () => {
  const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  assert.equal(forms(b.binary(4, uuid)).plain, '"00112233-4455-6677-8899-aabbccddeeff"');
  assert.equal(forms(b.binary(4, uuid.subarray(1))).plain, `"${uuid.subarray(1).toString('base64')}"`);
  assert.equal(forms(b.binary(0x80, Buffer.from('ab'))).canonical, '{"$binary":{"base64":"YWI=","subType":"80"}}');
  assert.equal(forms(b.binary(0x0a, Buffer.alloc(0))).legacy, '{"$binary":"","$type":"0A"}');
  assert.equal(forms(b.oldBinary(Buffer.from('ab'))).relaxed, '{"$binary":{"base64":"YWI=","subType":"02"}}');
});

test('odd but storable types have the forms of their specification', () => {
  assert.equal(forms(b.regex('(?i)a(', 'zxq')).relaxed, '{"$regularExpression":{"pattern":"(?i)a(","options":"zxq"}}');
  assert.equal(forms(b.regex('a"b', 'i')).legacy, '{"$regex":"a\\"b","$options":"i"}');
  assert.equal(forms(b.undef).canonical, '{"$undefined":true}');
  assert.equal(forms(b.undef).plain, 'null');
  assert.equal(forms(b.symbol('s')).relaxed, '{"$symbol":"s"}');
  assert.equal(forms(b.symbol('s')).plain, '"s"');
  assert.equal(forms(b.minKey).relaxed, '{"$minKey":1}');
  assert.equal(forms(b.timestamp(4294967295, 7)).relaxed, '{"$timestamp":{"t":4294967295,"i":7}}');
  const id = '0123456789abcdef01234567';
  assert.equal(forms(b.dbPointer('d.c', id)).canonical, `{"$dbPointer":{"$ref":"d.c","$id":{"$oid":"${id}"}}}`);
  assert.equal(forms(b.dbPointer('d.c', id)).legacy, `{"$ref":"d.c","$id":{"$oid":"${id}"}}`);
  const scope = b.document(['n', b.int32(1)]);
  assert.equal(forms(b.codeWithScope('f()', scope)).canonical, '{"$code":"f()","$scope":{"n":{"$numberInt":"1"}}}');
});

test('the Java driver has spaces behind colons, and behind commas unless it is compact', () => {
  const document = b.document(['a', b.int32(1)], ['b', b.array(b.int32(1), b.objectId('00'.repeat(12)))]);
  const oid = `{"$oid": "${'00'.repeat(12)}"}`;
  assert.equal(transcode(document, 'legacy', 'java-spaced'), `{"a": 1, "b": [1, ${oid}]}`);
  assert.equal(transcode(document, 'legacy', 'java-compact'), `{"a": 1,"b": [1,${oid}]}`);
});

test('numbers and times in the style of Java', () => {
  const java = (value: b.Value, style: JsonStyle) =>
    transcode(b.document(['v', value]), style, 'java-compact').slice(6, -1);
  const doubles: readonly (readonly [number, string])[] = [
    [0, '0.0'],
    [-0, '-0.0'],
    [100, '100.0'],
    [9_999_999, '9999999.0'],
    [1e7, '1.0E7'],
    [-12_345_678.9, '-1.23456789E7'],
    [0.001, '0.001'],
    [0.000999, '9.99E-4'],
    [5e-324, '4.9E-324'],
    [2e23, '2.0E23'],
  ];
  for (const [value, text] of doubles) assert.equal(java(b.double(value), 'legacy'), text);
  assert.equal(java(b.double(Number.NaN), 'legacy'), 'NaN');
  assert.equal(java(b.double(Number.NaN), 'relaxed'), '{"$numberDouble": "NaN"}');
  assert.equal(java(b.date(1_795_238_840_660n), 'relaxed'), '{"$date": "2026-11-21T05:27:20.66Z"}');
  assert.equal(java(b.date(253_402_300_800_000n), 'simplified'), '"+10000-01-01T00:00:00Z"');
  assert.equal(java(b.date(-62_167_219_200_001n), 'simplified'), '"-0001-12-31T23:59:59.999Z"');
});

test('numbers in the style of Go', () => {
  const go = (value: number) => transcode(b.document(['v', b.double(value)]), 'relaxed', 'go').slice(5, -1);
  const texts = [-0, 100_000, 1e6, 9_999_999, 0.0001, 0.000_012, 1e21, 5e-324, 1 / 3].map(go);
  const expected = '-0.0 100000.0 1E+06 9.999999E+06 0.0001 1.2E-05 1E+21 5E-324 0.3333333333333333';
  assert.equal(texts.join(' '), expected);
});

test('texts are escaped as the Java driver does', () => {
  const buffer = new JavaJsonBuffer();
  const bytes = Buffer.from('a"\u00e9e\u0301 \u6f22\u02b0\u{1f600}\u2028\u007f');
  buffer.begin(8);
  buffer.text(bytes, 0, bytes.length);
  assert.equal(buffer.end().toString(), '"a\\"\u00e9e\\u0301 \u6f22\\u02b0\\ud83d\\ude00\\u2028\\u007f"');
  assert.throws(() => buffer.text(Buffer.from([0xff]), 0, 1), { code: 'bson.invalid-utf8' });
});

test('field order, duplicates, empty and dangerous names are kept as they are', () => {
  const document = b.document(
    ['b', b.int32(1)],
    ['a', b.int32(2)],
    ['b', b.int32(3)],
    ['', b.int32(4)],
    ['__proto__', b.int32(5)],
    ['2', b.int32(6)],
    ['1', b.int32(7)],
  );
  assert.equal(transcode(document), '{"b":1,"a":2,"b":3,"":4,"__proto__":5,"2":6,"1":7}');
});

test('text: control characters and quotes are escaped, the rest is copied', () => {
  const all = Array.from({ length: 0x250 }, (_, codePoint) => String.fromCharCode(codePoint)).join('') + '\u2028漢😀';
  for (const length of [1, 31, 32, 33, all.length]) {
    const part = all.slice(0, length);
    assert.deepEqual(JSON.parse(transcode(b.document(['v', b.string(part)], [part.replaceAll('\0', ''), b.nothing]))), {
      v: part,
      [part.replaceAll('\0', '')]: null,
    });
  }
  assert.equal(forms(b.string('\b\t\n\f\r\u0001"\\/\u007f')).relaxed, '"\\b\\t\\n\\f\\r\\u0001\\"\\\\/\u007f"');
});

test('invalid UTF-8 in a value or a name is rejected, in every style', () => {
  const broken = [
    '80',
    'c0af',
    'c1bf',
    'e08080',
    'eda080',
    'f08080af',
    'f4908080',
    'f8888080',
    'e282',
    'c3',
    'ff',
    '61c328',
  ];
  for (const hex of broken) {
    const bytes = Buffer.from(hex, 'hex');
    for (const style of STYLES) {
      assert.equal(
        rejectedCode(() => transcode(b.document(['v', b.string(bytes)]), style)),
        'bson.invalid-utf8',
        hex,
      );
      assert.equal(
        rejectedCode(() => transcode(b.document([bytes, b.nothing]), style)),
        'bson.invalid-utf8',
        hex,
      );
    }
    assert.equal(
      rejectedCode(() => transcode(b.document(['v', b.string(Buffer.concat([Buffer.alloc(40, 0x61), bytes]))]))),
      'bson.invalid-utf8',
    );
  }
});

test('a writer is as good as new after a document that it rejected', () => {
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style: 'relaxed' });
  const deep = nest(150);
  for (let i = 0; i < 3; i++) {
    buffer.begin(16);
    assert.throws(() => writer.document(b.document(['v', b.embedded(['x', b.string(Buffer.from([0xff]))])])));
    buffer.begin(deep.length * 10);
    writer.document(deep);
    JSON.parse(buffer.end().toString());
  }
});

test('nesting is followed to 200 levels and rejected beyond', () => {
  assert.equal(JSON.stringify(JSON.parse(transcode(nest(199)))).length, 199 * 6 + 2);
  assert.equal(
    rejectedCode(() => transcode(nest(200))),
    'bson.too-deep',
  );
  assert.equal(
    rejectedCode(() => transcode(nest(100_000))),
    'bson.too-deep',
  );
});

test('siblings do not count as depth', () => {
  const many = Array.from({ length: 500 }, () => b.embedded(['x', b.array(b.embedded())]));
  assert.equal(JSON.parse(transcode(b.document(['v', b.array(...many)]))).v.length, 500);
});

test('what does not fit its frame is malformed', () => {
  const cases: Record<string, Buffer> = {
    'a name without an end': b.framed(Buffer.from([0x0a, 0x61])),
    'a type without a name': b.framed(Buffer.from([0x0a])),
    'a type that does not exist': b.document(['v', { type: 0x20, payload: Buffer.alloc(8) }]),
    'a boolean that is neither': b.document(['v', { type: 0x08, payload: Buffer.from([2]) }]),
    'a value that is cut off': b.framed(Buffer.from([0x12, 0x61, 0, 1, 2, 3])),
    'a string of length zero': b.document(['v', { type: 0x02, payload: Buffer.alloc(4) }]),
    'code and scope with a gap': b.document(['v', withLength(b.codeWithScope('f()', b.document()), 1)]),
    'a negative binary': b.document(['v', { type: 0x05, payload: Buffer.from([0xff, 0xff, 0xff, 0xff, 0]) }]),
    'a regular expression without an end': b.framed(Buffer.from([0x0b, 0x61, 0, 0x62, 0, 0x63])),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    for (const style of STYLES)
      assert.equal(
        rejectedCode(() => transcode(bytes, style)),
        'bson.malformed',
        name,
      );
  }
});

test('a string that reaches out of its document is malformed, although a zero byte stands there', () => {
  const inner = b.document(['v', b.string('x')]);
  inner.writeInt32LE(3, 7);
  assert.equal(
    rejectedCode(() => transcode(b.document(['a', { type: 0x03, payload: inner }], ['b', b.int32(0)]))),
    'bson.malformed',
  );
});

test('records that were handed out are never touched again', () => {
  const buffer = new JsonBuffer();
  const writer = new DocumentWriter(buffer, { style: 'canonical' });
  const random = seededRandom(3);
  const kept: { text: string; bytes: Buffer }[] = [];
  for (let i = 0; i < 300; i++) {
    const document = randomDocument(random, { libraryTypes: false });
    buffer.begin(8);
    writer.document(document);
    kept.push({ text: transcode(document, 'canonical'), bytes: buffer.end() });
  }
  for (const { text, bytes } of kept) assert.equal(bytes.toString(), text);
});

test('a record grows out of its chunk wherever the end of the chunk falls', () => {
  const wide = Array.from({ length: 200 }, (_, index) => String.fromCodePoint(0x20 + index)).join('');
  const last = [
    b.objectId('ab'.repeat(12)),
    b.date(-(2n ** 63n)),
    b.double(-1.7976931348623157e308),
    b.codeWithScope('f()', b.document()),
    b.binary(4, Buffer.alloc(16)),
    b.dbPointer('d.c', '00'.repeat(12)),
    b.decimalOf(10n ** 34n - 1n, -6176, true),
  ];
  const document = (fill: number) =>
    b.document(
      ['fill', b.string('x'.repeat(fill))],
      [wide.slice(0, fill % 200), b.string(wide)],
      ['base64', b.binary(0, Buffer.alloc(fill))],
      ['numbers', b.array(...Array.from({ length: 300 }, () => b.int32(2147483647)))],
      ['deep', { type: 0x03, payload: nest(195, last[fill % last.length]) }],
    );
  for (let fill = 0; fill < 1200; fill++) {
    const style = STYLES[fill % STYLES.length]!;
    const small = new JsonBuffer(1);
    small.begin(0);
    new DocumentWriter(small, { style }).document(document(fill));
    const large = new JsonBuffer(100_000);
    large.begin(0);
    new DocumentWriter(large, { style }).document(document(fill));
    assert.ok(small.end().equals(large.end()), `fill ${fill}`);
  }
});

test('property: canonical and relaxed agree with the library wherever it keeps the type', () => {
  const random = seededRandom(20_260_101);
  for (let i = 0; i < 3000; i++) {
    const document = randomDocument(random, { libraryTypes: true });
    const canonical = transcode(document, 'canonical');
    const decoded = deserialize(document, { promoteValues: false, bsonRegExp: true });
    assert.equal(canonical, EJSON.stringify(decoded, { relaxed: false }), `document ${i}: ${document.toString('hex')}`);
    assert.deepEqual(
      Buffer.from(serialize(EJSON.parse(canonical, { relaxed: false }))),
      document,
      `document ${i}: ${canonical}`,
    );
  }
});

test('property: whatever is valid BSON becomes valid JSON in every style', () => {
  const random = seededRandom(42);
  for (let i = 0; i < 2000; i++) {
    const document = randomDocument(random, { libraryTypes: false });
    for (const style of STYLES) JSON.parse(transcode(document, style));
    for (const style of ['relaxed', 'canonical', 'simplified'] as const)
      JSON.parse(transcode(document, style, 'java-spaced'));
  }
});

test('fuzz: broken bytes are rejected or read, never anything else', () => {
  const random = seededRandom(99);
  let rejected = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = corrupt(random, randomDocument(random, { libraryTypes: false }));
    try {
      JSON.parse(transcode(bytes, random.pick(STYLES)));
    } catch (error) {
      assert.ok(
        error instanceof SluiceError && error.kind === 'rejected',
        `case ${i} ${bytes.toString('hex')}: ${String(error)}`,
      );
      rejected++;
    }
  }
  assert.ok(rejected > 5000 && rejected < 20_000, `${rejected} rejected`);
});

test('nothing outside the document is read or shown', () => {
  const secret = Buffer.from('secret secret secret secret\0');
  const random = seededRandom(5);
  for (let i = 0; i < 3000; i++) {
    const document = corrupt(random, randomDocument(random, { libraryTypes: false }));
    const around = Buffer.concat([secret, document, secret]);
    const inside = around.subarray(secret.length, secret.length + document.length);
    let text = '';
    try {
      text = transcode(inside);
    } catch {}
    assert.ok(!text.includes('secret'));
  }
});

/** A document in a document, so many levels deep, with a value in the innermost. */
function nest(levels: number, value?: b.Value): Buffer {
  const inner = value === undefined ? b.document() : b.document(['v', value]);
  const heads: Buffer[] = [];
  for (let inside = levels; inside > 0; inside--) {
    const head = Buffer.from([0, 0, 0, 0, 0x03, 0x76, 0]);
    head.writeInt32LE(inside * 8 + inner.length);
    heads.push(head);
  }
  return Buffer.concat([...heads, inner, Buffer.alloc(levels)]);
}

/** Code with scope whose length says that `extra` bytes follow the scope. */
function withLength(value: b.Value, extra: number): b.Value {
  const payload = Buffer.concat([value.payload, Buffer.alloc(extra)]);
  payload.writeInt32LE(payload.length);
  return { type: value.type, payload };
}
