import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, readRecordsBatch } from '@platformatic/kafka';
import type { ChangeEvent } from '../../core/change-event.ts';
import { testEvent } from '../../testing/events.ts';
import { BufferPool } from './buffer-pool.ts';
import { RecordBatchBuilder, writeBatchHeader } from './record-batch.ts';
import { type HeaderOptions, HeaderWriter } from './record-headers.ts';

interface Wanted {
  readonly event: ChangeEvent;
  readonly extra?: Readonly<Record<string, string>>;
  readonly withValue?: boolean;
}

function headersOf(options: Partial<HeaderOptions>, wanted: readonly Wanted[]): Record<string, string>[] {
  const format = { name: 'change', contentType: 'application/json' };
  const writer = new HeaderWriter({ enabled: true, prefix: 'sluice.', format, ...options });
  const builder = new RecordBatchBuilder(new BufferPool(0));
  for (const { event, extra, withValue = true } of wanted) {
    const headers = writer.write({ event, namespace: event.namespace }, extra, withValue);
    builder.append({ key: null, value: null, headers });
  }
  const batch = builder.batch();
  writeBatchHeader(batch, { count: builder.count, codec: 0, timeMs: 0 });
  return readRecordsBatch(Reader.from(batch)).records.map(({ headers }) =>
    Object.fromEntries(headers.map(([name, value]) => [String(name), String(value)])),
  );
}

test('every record says what happened, where, when and under which id', () => {
  const event = { ...testEvent({ sequence: 5 }), id: 'test.items/1/8265' };
  assert.deepEqual(headersOf({}, [{ event }]), [
    {
      'sluice.op': 'insert',
      'sluice.ns': 'test.items',
      'sluice.ts': '1700000000,6',
      'sluice.id': 'test.items/1/8265',
      'content-type': 'application/json',
    },
  ]);
});

test('runs of events share their constant part, and it changes when they do', () => {
  const other = { db: 'test', coll: 'others' };
  const events = [
    testEvent({ sequence: 1 }),
    testEvent({ sequence: 2 }),
    testEvent({ sequence: 3, op: 'delete' }),
    testEvent({ sequence: 4, op: 'delete', namespace: other }),
    testEvent({ sequence: 5, op: 'dropDatabase', namespace: { db: 'test', coll: '' } }),
  ];
  const found = headersOf(
    {},
    events.map((event) => ({ event })),
  );
  assert.deepEqual(
    found.map((headers) => [headers['sluice.op'], headers['sluice.ns'], headers['sluice.id']]),
    [
      ['insert', 'test.items', events[0]?.id],
      ['insert', 'test.items', events[1]?.id],
      ['delete', 'test.items', events[2]?.id],
      ['delete', 'test.others', events[3]?.id],
      ['dropDatabase', 'test', events[4]?.id],
    ],
  );
});

test('text outside ASCII keeps its length', () => {
  const event = { ...testEvent({ namespace: { db: 'größe', coll: '日本😀' } }), id: 'ключ😀'.repeat(50) };
  const [headers] = headersOf({}, [{ event }]);
  assert.equal(headers?.['sluice.ns'], 'größe.日本😀');
  assert.equal(headers?.['sluice.id'], event.id);
});

test('a long id makes the block grow without losing its start', () => {
  const short = testEvent({ sequence: 1 });
  const long = { ...testEvent({ sequence: 2 }), id: 'x'.repeat(5000) };
  const found = headersOf({}, [{ event: short }, { event: long }, { event: short }]);
  assert.deepEqual(found[0], found[2]);
  assert.equal(found[1]?.['sluice.id'], long.id);
  assert.equal(found[1]?.['sluice.ns'], 'test.items');
});

test('a tombstone has no content type', () => {
  const [headers] = headersOf({}, [{ event: testEvent({ op: 'delete' }), withValue: false }]);
  assert.deepEqual(Object.keys(headers ?? {}), ['sluice.op', 'sluice.ns', 'sluice.ts', 'sluice.id']);
});

test('the attributes of CloudEvents get the prefix of their Kafka binding', () => {
  const format = { name: 'cloudevents', contentType: 'application/json' };
  const extra = { specversion: '1.0', type: 'io.sluice.mongodb.insert.v1' };
  const [headers] = headersOf({ enabled: false, format }, [{ event: testEvent(), extra }]);
  assert.deepEqual(headers, {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_type: 'io.sluice.mongodb.insert.v1',
  });
});

test('the prefix is what the settings say', () => {
  const [headers] = headersOf({ prefix: '' }, [{ event: testEvent() }]);
  assert.equal(headers?.['op'], 'insert');
});
