import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { BulkEncoder, type Refusal } from './bulk-encoder.ts';
import { type BulkItem, halves, pick } from './bulk-request.ts';

const VERSION = { value: 2n ** 62n + 1n, exact: true };

function itemOf(id: string, document: object | undefined, more: Partial<BulkItem> = {}): BulkItem {
  const bson = document === undefined ? {} : { bson: BSON.serialize(document) };
  return { index: 'items', id, version: VERSION, routing: undefined, ...bson, ...more };
}

function encode(items: readonly BulkItem[], { bytes = 1000, idField = undefined as string | undefined } = {}) {
  const refusals: Refusal[] = [];
  const requests: { lines: string[]; ids: string[]; index: string | undefined }[] = [];
  for (const { body, items: sent, ends, index } of new BulkEncoder({ bytes, idField }).requests(
    items,
    bytes,
    refusals,
  )) {
    assert.equal(ends.at(-1), body.length);
    requests.push({ lines: body.toString().split('\n'), ids: sent.map(({ id }) => id), index });
  }
  return { requests, refusals: refusals.map(({ item, error }) => [item.id, error.code]) };
}

test('each item is an action with its version and, unless it is deleted, its document without the _id', () => {
  const items = [
    itemOf('a"\\é', { _id: 1, n: 1, sub: { _id: 2 } }),
    itemOf('b', undefined, { routing: 'r"' }),
    itemOf('c', { n: BSON.Decimal128.fromString('1.10') }, { version: { value: 7n, exact: false } }),
    itemOf('d', undefined, { json: Buffer.from('{"x":1}') }),
  ];
  const { requests } = encode(items);
  assert.deepEqual(requests[0]?.lines, [
    '{"index":{"_id":"a\\"\\\\é","version":4611686018427387905,"version_type":"external"}}',
    '{"n":1,"sub":{"_id":2}}',
    '{"delete":{"_id":"b","routing":"r\\"","version":4611686018427387905,"version_type":"external"}}',
    '{"index":{"_id":"c","version":7,"version_type":"external_gte"}}',
    '{"n":"1.10"}',
    '{"index":{"_id":"d","pipeline":"_none","version":4611686018427387905,"version_type":"external"}}',
    '{"x":1}',
    '',
  ]);
  assert.deepEqual([requests.length, requests[0]?.index], [1, 'items']);
});

test('items of several indexes name theirs', () => {
  const { requests } = encode([itemOf('a', {}), itemOf('a', undefined, { index: 'other' })]);
  assert.match(requests[0]?.lines[0] ?? '', /"_id":"a","_index":"items"/);
  assert.match(requests[0]?.lines[2] ?? '', /"_id":"a","_index":"other"/);
  assert.equal(requests[0]?.index, undefined);
});

test('requests are cut at the limit in the bytes that are sent, and a larger document goes alone', () => {
  // Control characters take six bytes each as JSON.
  const wide = { t: '\u0001'.repeat(50) };
  const items = [
    itemOf('a', wide),
    itemOf('b', wide),
    itemOf('c', wide),
    itemOf('d', { t: 'x'.repeat(200_000) }),
    itemOf('e', {}),
    itemOf('f', {}),
  ];
  const { requests } = encode(items);
  assert.deepEqual(
    requests.map(({ ids }) => ids),
    [['a', 'b'], ['c'], ['d'], ['e', 'f']],
  );
  assert.deepEqual(requests[3]?.lines[1], '{}');
});

test('an item that cannot be written is refused and leaves nothing in the request', () => {
  const broken = Buffer.from(BSON.serialize({ a: 1, t: 'xx' }));
  broken[broken.indexOf('xx')] = 0xff;
  const { requests, refusals } = encode([itemOf('a', {}), itemOf('b', undefined, { bson: broken }), itemOf('c', {})]);
  assert.deepEqual(refusals, [['b', 'bson.invalid-utf8']]);
  assert.deepEqual(requests[0]?.ids, ['a', 'c']);
  assert.equal(requests[0]?.lines.length, 5);
});

test('an id field gets the id as text, and a document that has the field is refused', () => {
  const items = [itemOf('~1', { _id: 1 }), itemOf('~2', { _id: 2, n: 1 }), itemOf('~3', { key: 1 })];
  const { requests, refusals } = encode(items, { idField: 'key' });
  assert.deepEqual([requests[0]?.lines[1], requests[0]?.lines[3]], ['{"key":"~1"}', '{"n":1,"key":"~2"}']);
  assert.deepEqual(refusals, [['~3', 'search.id-field-taken']]);
});

test('parts of a request have the bytes of their items', () => {
  const items = [itemOf('a', { n: 1 }), itemOf('b', undefined), itemOf('c', { n: 3 })];
  const [request] = new BulkEncoder({ bytes: 1000 }).requests(items, 1000, []);
  assert.ok(request);
  assert.deepEqual(
    pick(request, [0, 2])
      .body.toString()
      .match(/"_id":"."|"n":\d/g),
    ['"_id":"a"', '"n":1', '"_id":"c"', '"n":3'],
  );
  const [first, second] = halves(request);
  assert.equal(
    Buffer.concat([first?.body ?? Buffer.alloc(0), second?.body ?? Buffer.alloc(0)]).compare(request.body),
    0,
  );
  assert.deepEqual([first?.items.length, second?.items.length], [2, 1]);
});
