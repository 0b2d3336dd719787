import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../core/change-event.ts';
import { SluiceError } from '../core/failure.ts';
import { seededRandom } from '../testing/random.ts';
import { NamespaceCache } from './namespace-cache.ts';
import { parseChangeEvent } from './raw-change-event.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';

const TOKEN = '826B013105000000022B022C01002B046E5A1004B38613FFBA2F48DEA50A68986F1E0686463C5F6964003C332D32000004';
const KEY = b.embedded(['_id', b.int32(7)]);
const AFTER = b.embedded(['_id', b.int32(7)], ['a', b.string('x')]);

const FIELDS: Record<string, b.Value> = {
  _id: b.embedded(['_data', b.string(TOKEN)]),
  operationType: b.string('update'),
  clusterTime: b.timestamp(0x6b013105, 2),
  lsid: b.embedded(['id', b.binary(4, Buffer.alloc(16))]),
  txnNumber: b.int64(3n),
  wallTime: b.date(1_795_239_173_456n),
  fullDocument: AFTER,
  ns: b.embedded(['db', b.string('shop')], ['coll', b.string('orders')]),
  documentKey: KEY,
  updateDescription: b.embedded(['updatedFields', b.embedded(['a', b.string('x')])]),
  fullDocumentBeforeChange: b.embedded(['_id', b.int32(7)]),
};

function eventOf(changes: Record<string, b.Value | undefined> = {}, cache = new NamespaceCache()): ChangeEvent {
  const fields = Object.entries({ ...FIELDS, ...changes }).filter(
    (entry): entry is [string, b.Value] => entry[1] !== undefined,
  );
  return parseChangeEvent(b.document(...fields), cache);
}

test('every part of an event is found', () => {
  const event = eventOf();
  assert.equal(event.id, TOKEN);
  assert.equal(event.op, 'update');
  assert.deepEqual(event.namespace, { db: 'shop', coll: 'orders' });
  assert.deepEqual(event.position, { token: TOKEN, clusterTime: { t: 0x6b013105, i: 2 } });
  assert.deepEqual(event.version, { clusterTime: { t: 0x6b013105, i: 2 }, ordinal: 2 });
  assert.equal(event.sourceTimeMs, 1_795_239_173_456);
  assert.equal(event.degraded, undefined);
  assert.deepEqual(event.key(), KEY.payload);
  assert.deepEqual(event.after(), AFTER.payload);
  assert.deepEqual(event.before(), FIELDS['fullDocumentBeforeChange']?.payload);
  assert.deepEqual(event.update(), FIELDS['updateDescription']?.payload);
  assert.deepEqual(event.field('txnNumber'), { type: 0x12, bytes: FIELDS['txnNumber']?.payload });
  assert.equal(event.field('nothing'), undefined);
});

test('what is missing or null is undefined; times fall back to the token and the cluster time', () => {
  const event = eventOf({
    fullDocument: b.nothing,
    fullDocumentBeforeChange: undefined,
    updateDescription: undefined,
    documentKey: undefined,
    wallTime: undefined,
    clusterTime: undefined,
    operationType: b.string('drop'),
  });
  assert.equal(event.after(), undefined);
  assert.equal(event.before(), undefined);
  assert.equal(event.update(), undefined);
  assert.equal(event.key(), undefined);
  assert.deepEqual(event.position.clusterTime, { t: 0x6b013105, i: 2 });
  assert.equal(event.sourceTimeMs, 0x6b013105 * 1000);
});

test('operations: the common ones, DDL and names that do not exist yet', () => {
  for (const op of [
    'insert',
    'update',
    'replace',
    'delete',
    'drop',
    'rename',
    'shardCollection',
    'insertx',
    'somethingNew',
  ]) {
    assert.equal(eventOf({ operationType: b.string(op) }).op, op);
  }
});

test('namespaces: one object for one namespace, none for an invalidate, no collection for a database', () => {
  const cache = new NamespaceCache();
  const other = b.embedded(['db', b.string('shop')], ['coll', b.string('ordersx')]);
  const first = eventOf({}, cache).namespace;
  assert.equal(eventOf({}, cache).namespace, first);
  assert.deepEqual(eventOf({ ns: other }, cache).namespace, { db: 'shop', coll: 'ordersx' });
  assert.equal(eventOf({}, cache).namespace, first);
  const sameLength = b.embedded(['db', b.string('shop')], ['coll', b.string('orderz')]);
  assert.deepEqual(eventOf({ ns: sameLength }, cache).namespace, { db: 'shop', coll: 'orderz' });
  assert.deepEqual(eventOf({ ns: undefined, operationType: b.string('invalidate') }).namespace, { db: '', coll: '' });
  const database = b.embedded(['db', b.string('shop')]);
  assert.deepEqual(eventOf({ ns: database, operationType: b.string('dropDatabase') }).namespace, {
    db: 'shop',
    coll: '',
  });
  const foreign = b.embedded(['db', b.string('магазин')], ['coll', b.string('a.b')]);
  assert.deepEqual(eventOf({ ns: foreign }).namespace, { db: 'магазин', coll: 'a.b' });
});

test('a long token becomes a short id that keeps its time and is unique', () => {
  const long = TOKEN + 'AB'.repeat(300);
  const id = eventOf({ _id: b.embedded(['_data', b.string(long)]) }).id;
  assert.match(id, /^826B01310500000002-[0-9a-f]{64}$/);
  assert.notEqual(eventOf({ _id: b.embedded(['_data', b.string(`${long}CD`)]) }).id, id);
  const exact = TOKEN.padEnd(512, '0');
  assert.equal(eventOf({ _id: b.embedded(['_data', b.string(exact)]) }).id, exact);
  assert.equal(eventOf({ _id: b.embedded(['x', b.nothing], ['_data', b.string(TOKEN)]) }).id, TOKEN);
});

test('the mark of a projection that dropped the images is seen', () => {
  assert.equal(eventOf({ _sluice: b.embedded(['dropped', b.string('images')]) }).degraded, 'images-dropped');
  assert.equal(eventOf({ _sluice: b.embedded(['dropped', b.string('nothing')]) }).degraded, undefined);
  assert.equal(eventOf({ _sluice: b.embedded() }).degraded, undefined);
});

test('what the pipeline has removed is reported when it is asked for, not before', () => {
  const bare = eventOf({ _id: undefined, operationType: undefined, ns: undefined, clusterTime: undefined });
  const asks = [() => bare.id, () => bare.op, () => bare.namespace, () => bare.position, () => bare.version];
  for (const ask of asks)
    assert.throws(ask, (error) => error instanceof SluiceError && error.code === 'change-event.incomplete');
  const odd = eventOf({ _id: b.embedded(['_data', b.string('not a token')]) });
  assert.throws(
    () => odd.version,
    (error) => error instanceof SluiceError && error.kind === 'rejected',
  );
});

test('fields of a wrong type or a similar name are not taken for the real ones', () => {
  const event = eventOf({
    fullDocument: b.string('x'),
    fullDocumentX: AFTER,
    fullDocumenT: AFTER,
    documentKey: b.int32(1),
    nS: KEY,
  });
  assert.equal(event.after(), undefined);
  assert.equal(event.key(), undefined);
});

test('a frame that cannot be walked is rejected at once', () => {
  const raw = b.document(['_id', KEY]);
  for (const bytes of [Buffer.alloc(0), raw.subarray(0, -1), Buffer.concat([raw, raw]), b.framed(Buffer.from('zz'))]) {
    assert.throws(
      () => parseChangeEvent(bytes, new NamespaceCache()),
      (error) => error instanceof SluiceError && error.kind === 'rejected',
    );
  }
});

test('fuzz: accessors return or reject, never anything else', () => {
  const random = seededRandom(31);
  const raw = Buffer.from(eventOf().raw);
  const cache = new NamespaceCache();
  for (let i = 0; i < 20_000; i++) {
    const bytes = corrupt(random, raw);
    try {
      const event = parseChangeEvent(bytes, cache);
      for (const part of [event.key(), event.after(), event.before(), event.update(), event.field('lsid')?.bytes]) {
        assert.ok(part === undefined || part.length <= bytes.length);
      }
      assert.ok(event.degraded === undefined && event.sourceTimeMs !== undefined);
      assert.ok(
        event.id.length <= 512 && event.op !== '' && event.namespace.db !== undefined && event.version.ordinal >= 0,
      );
    } catch (error) {
      assert.equal(
        (error as { kind?: string }).kind,
        'rejected',
        `case ${i} ${bytes.toString('hex')}: ${String(error)}`,
      );
    }
  }
});
