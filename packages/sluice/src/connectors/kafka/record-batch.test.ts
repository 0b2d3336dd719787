import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsCRC32C, Reader, readRecordsBatch } from '@platformatic/kafka';
import { BufferPool } from './buffer-pool.ts';
import {
  BATCH_HEADER_BYTES,
  NO_HEADERS,
  RecordBatchBuilder,
  recordLength,
  sealBatch,
  writeBatchHeader,
} from './record-batch.ts';
import { varintLength, writeVarint } from './varint.ts';

/** A batch decoded by the client library, which is not the code that encoded it. */
function decode(batch: Buffer) {
  return readRecordsBatch(Reader.from(batch));
}

function builderOf(records: readonly (readonly [string | null, string | null])[]): RecordBatchBuilder {
  const builder = new RecordBatchBuilder(new BufferPool(0));
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  for (const [key, value] of records) builder.append({ key: bytes(key), value: bytes(value), headers: NO_HEADERS });
  return builder;
}

test('varints are what the protocol says, up to 32 bits', () => {
  const target = Buffer.alloc(5);
  for (const [value, hex] of [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [64, '8001'],
    [8191, 'fe7f'],
    [8192, '808001'],
    [2147483647, 'feffffff0f'],
    [-2147483648, 'ffffffff0f'],
  ] as const) {
    const end = writeVarint(target, 0, value);
    assert.equal(target.toString('hex', 0, end), hex);
    assert.equal(varintLength(value), end);
  }
});

test('records come out as they went in: keys, values, tombstones, empty and large ones', () => {
  const large = 'x'.repeat(300_000);
  const records: [string | null, string | null][] = [
    ['k', 'v'],
    [null, 'no key'],
    ['gone', null],
    ['', ''],
    ['größe', '日本😀'],
    ['big', large],
    ...Array.from({ length: 200 }, (_, i): [string, string] => [`k${i}`, `v${i}`]),
  ];
  const batch = builderOf(records).batch();
  writeBatchHeader(batch, { count: records.length, codec: 0, timeMs: 1_700_000_000_123 });
  const decoded = decode(batch);
  assert.deepEqual(
    decoded.records.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]),
    records,
  );
  assert.deepEqual(
    decoded.records.map(({ offsetDelta }) => offsetDelta),
    records.map((_, index) => index),
  );
  assert.equal(decoded.lastOffsetDelta, records.length - 1);
  assert.equal(decoded.firstTimestamp, 1_700_000_000_123n);
  assert.equal(decoded.maxTimestamp, 1_700_000_000_123n);
  assert.equal(decoded.length, batch.length - 12);
});

test('the length of a record is known before it is written', () => {
  const builder = new RecordBatchBuilder(new BufferPool(0));
  for (let index = 0; index < 200; index++) {
    const record = {
      key: Buffer.alloc(index),
      value: index % 3 === 0 ? null : Buffer.alloc(index * 7),
      headers: NO_HEADERS,
    };
    const before = builder.length;
    const expected = recordLength(record, index);
    builder.append(record);
    assert.equal(builder.length - before, expected);
  }
});

test('sealing fills in the producer and a checksum over everything behind it', () => {
  const batch = builderOf([['k', 'v']]).batch();
  writeBatchHeader(batch, { count: 1, codec: 4, timeMs: 1 });
  const producer = { producerId: 2n ** 40n, producerEpoch: 7, firstSequence: 2 ** 31 - 1 };
  sealBatch(batch, { ...producer, transactional: true });
  assert.equal(batch.readInt16BE(21), 4 | 16);
  assert.equal(batch.readUInt32BE(17), jsCRC32C(batch.subarray(21)));
  // Again for another producer, as after a retry with a new identity.
  sealBatch(batch, { ...producer, transactional: false });
  assert.equal(batch.readInt16BE(21), 4);
  assert.equal(batch.readUInt32BE(17), jsCRC32C(batch.subarray(21)));
  batch.writeInt16BE(0, 21);
  const { producerId, producerEpoch, firstSequence, magic } = decode(batch);
  assert.deepEqual({ producerId, producerEpoch, firstSequence, magic }, { ...producer, magic: 2 });
});

test('buffers are used again, and no more of them are kept than allowed', () => {
  const pool = new BufferPool(200 * 1024);
  const first = new RecordBatchBuilder(pool);
  first.append({ key: null, value: Buffer.alloc(100_000), headers: NO_HEADERS });
  const used = first.batch().buffer;
  first.release();
  assert.equal(pool.take(100_000).buffer, used);
  const buffers = [pool.take(128 * 1024), pool.take(128 * 1024)];
  for (const buffer of buffers) pool.give(buffer);
  assert.equal(pool.take(128 * 1024), buffers[0]);
  assert.notEqual(pool.take(128 * 1024), buffers[1]);
});

test('a batch has room for its header', () => {
  assert.equal(builderOf([]).batch().length, BATCH_HEADER_BYTES);
});
