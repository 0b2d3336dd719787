import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Decimal128, serialize } from 'bson';
import { SluiceError } from '../core/failure.ts';
import { mixedId } from '../testing/mixed-ids.ts';
import { type Random, testRandom } from '../testing/random.ts';
import { compareBson } from './compare.ts';
import { idText, idTextOf } from './id-text.ts';
import * as b from './test-support/bson-bytes.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';

const OBJECT_ID = '6b012bb81d9cffe770fcbfd0';

function textOf({ type, payload }: b.Value): string {
  return idText(type, payload);
}

function hashed(text: string): string {
  return `~#${createHash('sha256').update(text).digest('hex')}`;
}

function decimal(text: string): b.Value {
  return { type: 0x13, payload: Buffer.from(Decimal128.fromString(text).bytes) };
}

test('ObjectIds are their digits, strings themselves, other ids marked JSON', () => {
  const long = 'x'.repeat(513);
  const cases: readonly (readonly [b.Value, string])[] = [
    [b.objectId(OBJECT_ID), OBJECT_ID],
    [b.string('order-17'), 'order-17'],
    [b.string('Zürich 漢 😀'), 'Zürich 漢 😀'],
    [b.string('"a"\n\\'), '"a"\n\\'],
    [b.string('1'), '1'],
    [b.symbol('order-17'), 'order-17'],
    [b.int32(1), '~1'],
    [b.int64(2n ** 63n - 1n), '~9223372036854775807'],
    [b.double(0.5), '~0.5'],
    [b.double(Number.NaN), '~{"$numberDouble":"NaN"}'],
    [decimal('0.1'), '~{"$numberDecimal":"0.1"}'],
    [b.nothing, '~null'],
    [b.boolean(true), '~true'],
    [b.date(0n), '~{"$date":"1970-01-01T00:00:00Z"}'],
    [b.minKey, '~{"$minKey":1}'],
    [b.timestamp(1, 2), '~{"$timestamp":{"t":1,"i":2}}'],
    [b.embedded(), '~{}'],
    [b.embedded(['a', b.double(1)], ['b', b.string('\0')]), '~{"a":1,"b":"\\u0000"}'],
    [b.string(''), '~""'],
    [b.string('~1'), '~"~1"'],
    [b.string(OBJECT_ID), `~"${OBJECT_ID}"`],
    [b.string(OBJECT_ID.toUpperCase()), `~"${OBJECT_ID.toUpperCase()}"`],
    [b.string(`${OBJECT_ID}0`), `${OBJECT_ID}0`],
    [b.string('a\0b'), '~"a\\u0000b"'],
    [b.string('é\0'), '~"é\\u0000"'],
    [b.string('x'.repeat(512)), 'x'.repeat(512)],
    [b.string(long), hashed(long)],
    [b.string('é'.repeat(256)), 'é'.repeat(256)],
    [b.string('é'.repeat(257)), hashed('é'.repeat(257))],
    [b.string(`~${long}`), hashed(`~"~${long}"`)],
    [b.embedded(['a', b.string(long)]), hashed(`~{"a":"${long}"}`)],
    [b.string(hashed(long)), `~"${hashed(long)}"`],
  ];
  for (const [id, text] of cases) assert.equal(textOf(id), text);
});

test('numbers that MongoDB takes for one id have one text', () => {
  const one = [b.int32(1), b.int64(1n), b.double(1), decimal('1'), decimal('1.000'), decimal('10E-1')];
  for (const id of one) assert.equal(textOf(id), '~1');
  for (const id of [b.int32(0), b.double(-0), decimal('-0E+3')]) assert.equal(textOf(id), '~0');
});

test('property: two ids have one text exactly when they are equal, and texts are short and clean', (t) => {
  const random = testRandom(t);
  const byText = new Map<string, b.Value>();
  const texts = new Map<b.Value, string>();
  for (const id of manyIds(random)) {
    const text = readableText(id);
    if (text === undefined) continue;
    assert.ok(Buffer.byteLength(text) <= 512 && text.length > 0 && !text.includes('\0') && text.isWellFormed(), text);
    const known = byText.get(text);
    if (known !== undefined) assert.equal(compare(known, id), 0, `${show(known)} and ${show(id)} have ${text}`);
    byText.set(text, id);
    texts.set(id, text);
  }
  const ordered = [...texts].toSorted(([a], [z]) => compare(a, z));
  for (const [index, [id, text]] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && compare(id, next[0]) === 0) assert.equal(next[1], text, `${show(id)} = ${show(next[0])}`);
  }
});

test('the text of a document key is that of its _id', () => {
  assert.equal(idTextOf(b.document(['region', b.string('eu')], ['_id', b.int32(7)])), '~7');
  assert.equal(idTextOf(Uint8Array.from(b.document(['_id', b.objectId(OBJECT_ID)]))), OBJECT_ID);
  assert.throws(() => idTextOf(b.document(['a', b.int32(7)])), rejected('change-event.incomplete'));
});

test('an id that cannot be read is rejected, and the next one has its text', () => {
  const broken = [Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('caf\xe9', 'latin1')];
  for (const bytes of broken) assert.throws(() => textOf(b.string(bytes)), rejected('bson.invalid-utf8'));
  const long = Buffer.concat([Buffer.alloc(600, 0x61), Buffer.from([0xff])]);
  assert.throws(() => textOf(b.string(long)), rejected('bson.invalid-utf8'));
  assert.throws(() => idText(0x02, Buffer.from([5, 0, 0, 0, 0x61])), rejected('bson.malformed'));
  assert.throws(() => idText(0x07, Buffer.alloc(11)), rejected('bson.malformed'));
  assert.throws(() => idText(0x42, Buffer.alloc(8)), rejected('bson.malformed'));
  assert.equal(textOf(b.boolean(false)), '~false');
});

function rejected(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SluiceError && error.kind === 'rejected' && error.code === code;
}

function manyIds(random: Random): b.Value[] {
  const mixed = Array.from({ length: 2000 }, (_, number) => ofLibrary(mixedId(number)));
  const texts = [...edgeIds, ...mixed].flatMap((id) => {
    const text = readableText(id);
    // The text of every id as a string id, which must not be taken for it.
    return text === undefined ? [] : [b.string(text), b.string(text.slice(1)), b.string(`~"${text}"`)];
  });
  return [...edgeIds, ...mixed, ...texts, ...Array.from({ length: 5000 }, () => randomId(random))];
}

function ofLibrary(id: unknown): b.Value {
  const document = Buffer.from(serialize({ _id: id }));
  return { type: document[4]!, payload: document.subarray(9, document.length - 1) };
}

/** Undefined for what is not UTF-8. */
function readableText(id: b.Value): string | undefined {
  try {
    return textOf(id);
  } catch (error) {
    assert.ok(rejected('bson.invalid-utf8')(error), String(error));
    return undefined;
  }
}

function compare(left: b.Value, right: b.Value): number {
  return compareBson({ type: left.type, bytes: left.payload }, { type: right.type, bytes: right.payload });
}

function show({ type, payload }: b.Value): string {
  return `${type.toString(16)}:${payload.toString('hex')}`;
}
