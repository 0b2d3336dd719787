import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../testing/random.ts';
import { describeEvent, type EventDescription } from './describe-event.ts';
import { keyText, shownId } from './key-text.ts';
import { NamespaceCache } from './namespace-cache.ts';
import { parseChangeEvent } from './raw-change-event.ts';
import { cut, printable } from './readable-text.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';
import { sampleEvents } from './test-support/sample-events.ts';

function describe(raw: Uint8Array, width = 200): EventDescription {
  return describeEvent(parseChangeEvent(raw, new NamespaceCache()), { width });
}

function sample(name: string, width?: number): string {
  const { op, namespace, key, details } = describe(sampleEvents.get(name)!, width);
  return `${op} ${namespace} ${key} | ${details.map((segment) => segment.text).join('')}`;
}

function insertOf(...fields: b.Field[]): Buffer {
  return b.document(['operationType', b.string('insert')], ['fullDocument', b.embedded(...fields)]);
}

test('an event reads as one line', () => {
  assert.equal(sample('insert-in-transaction'), 'insert shop.orders 7 | status: "paid", total: 12.0');
  assert.equal(
    sample('update-with-images'),
    'update shop.orders 7 | status: "paid", paidAt: "2026-11-21T05:27:20.886Z", items.0.qty: 2, -draft, -"odd", -log[3…]',
  );
  assert.equal(sample('delete'), 'delete shop.orders 7 | ');
  assert.equal(sample('delete-with-image'), 'delete shop.orders 7 | status: "new", draft: true');
  assert.equal(sample('rename'), 'rename shop.orders  | to shop.old orders');
  assert.equal(sample('drop'), 'drop shop.orders  | ');
  assert.equal(sample('dropDatabase'), 'dropDatabase shop  | ');
  assert.equal(sample('create'), 'create shop.orders  | idIndex: {"v":2}');
  assert.equal(sample('update-degraded'), 'update shop.orders 7 | images left out: event too large');
  assert.match(sample('insert-sharded'), /^insert shop\.orders \{"region":"eu","_id":7\} \|/);
});

test('the details are cut to the width', () => {
  for (let width = 0; width < 90; width++) {
    const { details } = describe(sampleEvents.get('update-with-images')!, width);
    const text = details.map((segment) => segment.text).join('');
    assert.ok(Array.from(text).length <= width, `${width}: ${text}`);
  }
  assert.equal(sample('insert-in-transaction', 12), 'insert shop.orders 7 | status: "pa…');
});

test('large and broken values are named, not written out', () => {
  const text = (raw: Buffer) =>
    describe(raw)
      .details.map((segment) => segment.text)
      .join('');
  assert.equal(text(insertOf(['a', b.string('x'.repeat(1_000_000))])).length, 63);
  assert.equal(text(insertOf(['a', b.array(b.string('x'.repeat(100_000)))])), 'a: [… 98 kB]');
  assert.equal(text(insertOf(['a', b.binary(0, Buffer.alloc(5000))])), 'a: <5 kB>');
  assert.equal(
    text(insertOf(['a', b.embedded(['b', b.string(Buffer.from([0xff]))])], ['c', b.int32(1)])),
    'a: <not readable>, c: 1',
  );
});

test('nothing in a description can act on a terminal', () => {
  const nasty = '\u001b[31m\u009b31m\r\n\u202e\u2066\u2028\0';
  const raw = b.document(
    ['operationType', b.string('insert')],
    ['ns', b.embedded(['db', b.string(nasty)], ['coll', b.string(nasty)])],
    ['documentKey', b.embedded(['_id', b.string(nasty)])],
    ['fullDocument', b.embedded([nasty.replaceAll('\0', ''), b.string(nasty)])],
  );
  const { op, namespace, key, details } = describe(raw);
  for (const text of [op, namespace, key, ...details.map((segment) => segment.text)])
    assert.equal(printable(text), text);
});

test('key text: Extended JSON, cut, and readable whatever the key is', () => {
  const id = '6b012bb81d9cffe770fcbfd0';
  assert.equal(keyText(b.document(['_id', b.objectId(id)])), `{"_id":{"$oid":"${id}"}}`);
  assert.equal(keyText(undefined), '');
  assert.equal(keyText(b.document(['_id', b.string('x'.repeat(500))]), 20), '{"_id":"xxxxxxxxxxx…');
  assert.equal(keyText(b.document(['_id', b.string(Buffer.from([0xff]))])), '<not readable, 16 bytes>');
  assert.equal(shownId(b.document(['_id', b.objectId(id)])), id);
  assert.equal(shownId(b.document(['_id', b.string('customer 7')])), 'customer 7');
  assert.equal(shownId(b.document(['_id', b.string('x'.repeat(1_000_000))]), 5), 'xxxx…');
  assert.equal(shownId(b.document(['_id', b.double(7)])), '7');
  assert.equal(shownId(b.document(['_id', b.embedded(['a', b.int32(1)])])), '{"a":1}');
  assert.equal(shownId(b.document(['region', b.string('eu')], ['_id', b.int32(7)])), '{"region":"eu","_id":7}');
  assert.equal(shownId(Buffer.from('broken')), '<not readable, 6 bytes>');
});

test('a cut never splits a character', () => {
  assert.equal(cut('a😀b😀c', 4), 'a😀b…');
  assert.equal(cut('😀😀', 2), '😀😀');
  assert.equal(cut('abc', 0), '');
});

test('fuzz: a broken event is described as far as it goes', () => {
  const random = seededRandom(12);
  const raws = [...sampleEvents.values()];
  for (let i = 0; i < 5000; i++) {
    const raw = corrupt(random, random.pick(raws));
    let event: ReturnType<typeof parseChangeEvent>;
    try {
      event = parseChangeEvent(raw, new NamespaceCache());
    } catch {
      continue;
    }
    describeEvent(event, { width: 80 });
    keyText(raw);
    shownId(raw);
  }
});
