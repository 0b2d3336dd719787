import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../core/change-event.ts';
import { testRandom } from '../testing/random.ts';
import { NamespaceCache } from './namespace-cache.ts';
import { parseChangeEvent } from './raw-change-event.ts';
import { clusterTimeOfToken, decodeResumeToken } from './resume-token.ts';
import { SNAPSHOT_ORDINAL, type SnapshotChunkContext, SnapshotRow } from './snapshot-row.ts';
import * as b from './test-support/bson-bytes.ts';
import { corrupt } from './test-support/random-bson.ts';
import { edgeIds, randomId } from './test-support/random-ids.ts';

const EVENT_TOKEN =
  '826B013105000000022B022C01002B046E5A1004B38613FFBA2F48DEA50A68986F1E0686463C5F6964003C332D32000004';
const POSITION = { token: EVENT_TOKEN, clusterTime: { t: 0x6b013105, i: 2 } };

function chunkOf(changes: Partial<SnapshotChunkContext> = {}): SnapshotChunkContext {
  return {
    namespace: { db: 'shop', coll: 'orders' },
    clusterTime: { t: 0x6b013105, i: 2 },
    readAtMs: 1_795_239_173_456,
    positionOf: () => POSITION,
    ...changes,
  };
}

function rowOf(id: b.Value, changes: Partial<SnapshotChunkContext> = {}): SnapshotRow {
  return new SnapshotRow(chunkOf(changes), b.document(['_id', id], ['a', b.string('x')]));
}

function parsed(row: SnapshotRow): ChangeEvent {
  return parseChangeEvent(row.raw, new NamespaceCache());
}

test('a row is an event of its document at the time of its chunk', () => {
  const chunk = chunkOf();
  const document = b.document(['_id', b.int32(7)], ['a', b.string('x')]);
  const row: ChangeEvent = new SnapshotRow(chunk, document);
  assert.equal(row.op, 'snapshot');
  assert.equal(row.namespace, chunk.namespace);
  assert.deepEqual(row.version, { clusterTime: { t: 0x6b013105, i: 2 }, ordinal: SNAPSHOT_ORDINAL });
  assert.equal(row.sourceTimeMs, 1_795_239_173_456);
  assert.deepEqual(row.key(), b.document(['_id', b.int32(7)]));
  assert.equal(row.after(), document);
  assert.equal(row.before(), undefined);
  assert.equal(row.update(), undefined);
  assert.equal(row.degraded, undefined);
  assert.ok(Math.abs(row.size - row.raw.length) < 100, `${row.size} and ${row.raw.length}`);
});

test('the position is asked for once, when it is needed', () => {
  let asked = 0;
  const row = rowOf(b.int32(1), {
    positionOf: (of) => {
      asked++;
      assert.equal(of, row);
      return POSITION;
    },
  });
  assert.ok(row.id !== '' && row.version.ordinal > 0 && row.raw.length > 0);
  assert.equal(asked, 0);
  assert.equal(row.position, POSITION);
  assert.equal(row.position, POSITION);
  assert.equal(asked, 1);
});

test('the raw event is a whole event in the form of the server', () => {
  const row = rowOf(b.objectId('6b012bb81d9cffe770fcbfd0'));
  const fields = b.document(
    ['_id', b.embedded(['_data', b.string(row.id)])],
    ['operationType', b.string('snapshot')],
    ['clusterTime', b.timestamp(0x6b013105, 2)],
    ['wallTime', b.date(1_795_239_173_456n)],
    ['ns', b.embedded(['db', b.string('shop')], ['coll', b.string('orders')])],
    ['documentKey', b.embedded(['_id', b.objectId('6b012bb81d9cffe770fcbfd0')])],
    ['fullDocument', b.embedded(['_id', b.objectId('6b012bb81d9cffe770fcbfd0')], ['a', b.string('x')])],
  );
  assert.deepEqual(row.raw, fields);
  assert.equal(row.raw, row.raw);
  assert.deepEqual(row.field('wallTime'), { type: 0x09, bytes: b.date(1_795_239_173_456n).payload });
  assert.equal(row.field('txnNumber'), undefined);
});

test('parsing the raw event gives an equal event, for every kind of id', (t) => {
  const random = testRandom(t);
  for (const id of [...edgeIds, ...Array.from({ length: 500 }, () => randomId(random))]) {
    const row = rowOf(id, { namespace: { db: 'магазин', coll: 'a.b' }, readAtMs: -1.5 });
    const event = parsed(row);
    assert.equal(event.id, row.id);
    assert.equal(event.op, row.op);
    assert.deepEqual(event.key(), row.key());
    assert.deepEqual(event.after(), row.after());
    assert.deepEqual(event.namespace, row.namespace);
    assert.deepEqual(event.version, row.version);
    assert.equal(event.sourceTimeMs, -1);
    assert.equal(event.size, event.raw.length);
    assert.deepEqual([event.before(), event.update(), event.degraded], [undefined, undefined, undefined]);
    assert.deepEqual(row.idValue(), { type: id.type, bytes: id.payload });
  }
});

test('the id is stable, and another one for another key, time or namespace', () => {
  const ids = new Map<string, string>();
  const distinct = new Map(edgeIds.map((id) => [`${id.type}:${id.payload.toString('hex')}`, id]));
  const contexts: Partial<SnapshotChunkContext>[] = [
    {},
    { clusterTime: { t: 0x6b013105, i: 3 } },
    { clusterTime: { t: 1, i: 2 } },
    { namespace: { db: 'shop', coll: 'order' } },
    { namespace: { db: 'shop2', coll: 'orders' } },
  ];
  for (const [number, changes] of contexts.entries()) {
    for (const [text, id] of distinct) {
      const row = rowOf(id, changes);
      assert.ok(row.id.length <= 512 && /^82[0-9A-F]{16}s[0-9a-f-]+$/.test(row.id), row.id);
      assert.equal(ids.get(row.id), undefined, `${row.id} of ${text}`);
      ids.set(row.id, `${number} ${text}`);
      const again = new SnapshotRow(chunkOf({ ...changes, readAtMs: 5 }), b.document(['x', b.nothing], ['_id', id]));
      assert.equal(again.id, row.id);
    }
  }
  const long = rowOf(b.string('x'.repeat(100_000))).id;
  assert.notEqual(rowOf(b.string(`${'x'.repeat(99_999)}y`)).id, long);
  assert.match(long, /-[0-9a-f]{64}$/);
});

test('the id sorts behind the events of its time, and is no resume token', () => {
  const { id } = rowOf(b.minKey);
  assert.ok(id > EVENT_TOKEN && id < '826B01310500000003');
  assert.deepEqual(clusterTimeOfToken(id), { t: 0x6b013105, i: 2 });
  assert.throws(() => decodeResumeToken(id), { code: 'mongodb.bad-token' });
});

test('a document without an _id, or that is not BSON, is rejected when its key is needed', () => {
  for (const document of [
    b.document(),
    b.document(['id', b.int32(1)]),
    Buffer.from('zz'),
    b.framed(Buffer.from('z')),
  ]) {
    const row = new SnapshotRow(chunkOf(), document);
    assert.equal(row.op, 'snapshot');
    assert.equal(row.after(), document);
    for (const ask of [() => row.id, () => row.key(), () => row.raw, () => row.idValue()]) {
      assert.throws(ask, { kind: 'rejected', code: 'bson.malformed' });
    }
  }
});

test('fuzz: damaged documents make events or are rejected', (t) => {
  const random = testRandom(t);
  for (let i = 0; i < 5000; i++) {
    const document = corrupt(random, b.document(['_id', randomId(random)], ['a', randomId(random)]));
    const row = new SnapshotRow(chunkOf(), document);
    try {
      assert.equal(parsed(row).id, row.id);
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, 'rejected', `case ${i}: ${String(error)}`);
    }
  }
});
