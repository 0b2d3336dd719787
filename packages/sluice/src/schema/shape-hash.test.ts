import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from '../bson/test-support/bson-bytes.ts';
import { corrupt, randomDocument } from '../bson/test-support/random-bson.ts';
import { everyType } from '../bson/test-support/sample-events.ts';
import { SluiceError } from '../core/failure.ts';
import { ANY_NAME, nameSegment } from '../core/field-path.ts';
import { seededRandom, testRandom } from '../testing/random.ts';
import { outlineOf } from './outline.ts';
import { ShapeHash } from './shape-hash.ts';

const hash = new ShapeHash();
const of = (document: Uint8Array, seed = 1) => {
  hash.of(document, seed);
  return `${hash.first}/${hash.second}`;
};

const context = { isMap: () => false, typesOf: () => 0 };

const SAME: readonly (readonly [title: string, one: Buffer, other: Buffer])[] = [
  ['values', b.document(['a', b.int32(1)], ['b', b.string('x')]), b.document(['a', b.int32(2)], ['b', b.string('yy')])],
  ['lengths of lists', b.document(['a', b.array(b.int32(1))]), b.document(['a', b.array(b.int32(1), b.int32(2))])],
  [
    'numbers of alike documents',
    b.document(['a', b.array(b.embedded(['x', b.int32(1)]))]),
    b.document(['a', b.array(b.embedded(['x', b.int32(1)]), b.embedded(['x', b.int32(3)]))]),
  ],
  ['binary data', b.document(['a', b.binary(0, Buffer.from('x'))]), b.document(['a', b.binary(4, Buffer.from('yyy'))])],
];

const IDS = ['0', '17', '66f000000000000000000aBc', '1b4e28ba-2fa1-11d2-883f-0016d3CCa427'];
const NO_IDS = [
  '',
  '2fa',
  '1.5',
  '-1',
  '66f000000000000000000abcd',
  '1b4e28ba-2fa1-11d2-883f-0016d3cca42',
  '1b4e28ba02fa1-11d2-883f-0016d3cca427',
];

test('names that are ids are one, others are not', () => {
  const named = (name: string) => of(b.document(['m', b.embedded([name, b.int32(1)])]));
  assert.equal(new Set(IDS.map(named)).size, 1);
  assert.equal(new Set([...NO_IDS, '0'].map(named)).size, NO_IDS.length + 1);
  assert.deepEqual(new Set(IDS.map(nameSegment)), new Set([ANY_NAME]));
  for (const name of NO_IDS) assert.notEqual(nameSegment(name), ANY_NAME, name);
  assert.equal(nameSegment('aBc066f00000000000000000'), ANY_NAME, 'such a name only has a shape of its own');
});

for (const [title, one, other] of SAME) {
  test(`${title} make no other shape`, () => assert.equal(of(one), of(other)));
}

test('what differs in names, types or nesting has another hash', () => {
  const one = b.int32(1);
  const documents = [
    b.document(),
    b.document(['a', one]),
    b.document(['b', one]),
    b.document(['', one]),
    b.document(['a', b.int64(1n)]),
    b.document(['a', b.double(1)]),
    b.document(['ab', one]),
    b.document(['a', one], ['b', one]),
    b.document(['b', one], ['a', one]),
    b.document(['a', b.embedded()]),
    b.document(['a', b.array()]),
    b.document(['a', b.embedded(['b', one])]),
    b.document(['a', b.embedded()], ['b', one]),
    b.document(['a', b.embedded(['b', one])], ['c', one]),
    b.document(['a', b.embedded(['b', one], ['c', one])]),
    b.document(['a', b.array(one)]),
    b.document(['a', b.array(b.int64(1n))]),
    b.document(['a', b.array(one, b.int64(1n))]),
    b.document(['a', b.array(b.array(one))]),
    b.document(['a', b.array(b.array(), one)]),
    b.document(['a', b.array(b.embedded(['b', one]))]),
    b.document(['a', b.array(b.embedded(['b', one]), b.embedded(['c', one]))]),
  ];
  assert.equal(new Set(documents.map((document) => of(document))).size, documents.length);
  assert.notEqual(of(b.document(), 1), of(b.document(), 2), 'seeds are kept apart');
});

test('a hash stands for one outline, and is stable', (t) => {
  const random = testRandom(t);
  const outlines = new Map<string, string>();
  for (let n = 0; n < 5_000; n++) {
    const document = n === 0 ? everyType : randomDocument(random, { libraryTypes: false });
    const outline = JSON.stringify([...outlineOf(document, context)]);
    const known = outlines.get(of(document));
    assert.equal(of(document), of(Buffer.from(document)));
    assert.ok(known === undefined || known === outline, `${known} and ${outline} have one hash`);
    outlines.set(of(document), outline);
  }
  assert.ok(outlines.size > 1_000);
});

test('damaged bytes are refused or hashed, and nothing is read beyond the document', () => {
  const random = seededRandom(7);
  let refused = 0;
  for (let n = 0; n < 5_000; n++) {
    const bytes = corrupt(random, randomDocument(random, { libraryTypes: false }));
    for (const look of [() => of(bytes), () => outlineOf(bytes, context)]) {
      try {
        look();
      } catch (error) {
        assert.ok(error instanceof SluiceError && error.code === 'bson.malformed', String(error));
        refused += 1;
      }
    }
  }
  assert.ok(refused > 1_000);
});

test('what can be outlined has a hash', () => {
  const random = seededRandom(11);
  let outlined = 0;
  for (let n = 0; n < 5_000; n++) {
    const document = randomDocument(random, { libraryTypes: false });
    const bytes = n % 2 === 0 ? document : corrupt(random, document);
    try {
      outlineOf(bytes, context);
    } catch {
      continue;
    }
    outlined += 1;
    assert.doesNotThrow(() => of(bytes), bytes.toString('hex'));
  }
  assert.ok(outlined > 2_500);
});

test('documents that are nested without end are looked at down to a level', () => {
  const nested = (levels: number, inner: b.Value): Buffer =>
    levels === 0 ? b.document(['x', inner]) : b.document(['x', { type: 3, payload: nested(levels - 1, inner) }]);
  assert.equal(of(nested(2_000, b.int32(1))), of(nested(2_000, b.string(''))));
  assert.notEqual(of(nested(20, b.int32(1))), of(nested(20, b.string(''))));
  assert.ok(outlineOf(nested(2_000, b.int32(1)), context).size < 50);
});
