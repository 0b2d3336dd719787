import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressionsAlgorithms, crc32c, createRecordsBatch } from '@platformatic/kafka';
import { type BatchView, batchesIn, recordsOf } from './batch-decoder.ts';

const time = 1_700_000_000_000n;

function batch(count: number, compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' = 'none', bytes = 10): Buffer {
  const messages = Array.from({ length: count }, (_, index) => ({
    topic: 't',
    partition: 0,
    timestamp: time + BigInt(index * 1000) - 5n,
    key: index % 3 === 0 ? undefined : Buffer.from(`k${index}`),
    value: index % 4 === 3 ? undefined : Buffer.from(`v${index}`.padEnd(bytes)),
    headers: new Map(index === 1 ? [[Buffer.from('a'), Buffer.from('1')]] : []),
  }));
  return createRecordsBatch(messages as never, { compression }).buffer;
}

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  for (const bytes of [10, 100_000]) {
    test(`records of ${bytes} bytes come out of a batch with compression ${compression}`, async () => {
      const [view] = batchesIn(batch(8, compression, bytes), 't');
      assert.ok(view !== undefined);
      assert.deepEqual([view.firstOffset, view.lastOffset, view.count], [0, 7, 8]);
      const records = await recordsOf(view);
      assert.deepEqual(
        records.map(({ key }) => key?.toString() ?? null),
        [null, 'k1', 'k2', null, 'k4', 'k5', null, 'k7'],
      );
      assert.deepEqual(
        records.map(({ value }) => value?.toString().trimEnd() ?? null),
        ['v0', 'v1', 'v2', null, 'v4', 'v5', 'v6', null],
      );
      assert.deepEqual(
        records.map(({ offset }) => offset),
        [0, 1, 2, 3, 4, 5, 6, 7],
      );
      assert.equal(records[7]?.timestampMs, Number(time) + 6995);
      assert.deepEqual([...(records[1]?.headers ?? [])].map(String), ['a,1']);
    });
  }
}

test('batches follow each other, and one that is cut off at the end is left for the next answer', () => {
  const whole = [batch(2), batch(3), batch(1)];
  const bytes = Buffer.concat(whole);
  assert.equal([...batchesIn(bytes, 't')].length, 3);
  assert.equal([...batchesIn(bytes.subarray(0, bytes.length - 1), 't')].length, 2);
  assert.equal([...batchesIn(bytes.subarray(0, 30), 't')].length, 0);
});

test('a batch that compaction has emptied has no records, whatever its compression', async () => {
  const bytes = Buffer.from(batch(3, 'zstd').subarray(0, 61));
  bytes.writeInt32BE(61 - 12, 8);
  bytes.writeInt32BE(0, 57);
  const [view] = batchesIn(bytes, 't');
  assert.ok(view !== undefined);
  assert.equal(view.lastOffset, 2);
  assert.deepEqual(await recordsOf(view), []);
});

test('records of very old formats, and unknown compressions, are told with what to do', async () => {
  const old = Buffer.from(batch(1));
  old.writeInt8(1, 16);
  assert.throws(() => [...batchesIn(old, 'orders')], {
    kind: 'config',
    code: 'kafka.message-format',
    message: /orders/,
  });
  const unknown = Buffer.from(batch(1));
  unknown.writeInt16BE(7, 21);
  unknown.writeUInt32BE(crc32c(unknown.subarray(21)), 17);
  const [view] = batchesIn(unknown, 't');
  assert.ok(view !== undefined);
  await assert.rejects(recordsOf(view), { code: 'kafka.compression' });
});

test('a time that the broker set when it stored the batch wins', async () => {
  const bytes = Buffer.from(batch(2));
  bytes.writeInt16BE(1 << 3, 21);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  const [view] = batchesIn(bytes, 't');
  assert.ok(view !== undefined);
  const records = await recordsOf(view);
  assert.deepEqual(
    records.map(({ timestampMs }) => timestampMs),
    [view.maxTimestampMs, view.maxTimestampMs],
  );
});

test('bytes that have changed since they were written are an error', async () => {
  const bytes = Buffer.from(batch(4));
  bytes.writeUInt8(bytes.readUInt8(80) ^ 1, 80);
  const [view] = batchesIn(bytes, 't');
  assert.ok(view !== undefined);
  await assert.rejects(recordsOf(view), { kind: 'transient', code: 'kafka.records-damaged' });
});

/** A batch with these bytes as its records, and a header that fits them. */
function batchWith(records: Buffer, codec: number, count = 1): BatchView {
  const bytes = Buffer.concat([batch(1).subarray(0, 61), records]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(codec, 21);
  bytes.writeInt32BE(count, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  const [view] = batchesIn(bytes, 'orders');
  assert.ok(view !== undefined);
  return view;
}

const { snappy, lz4 } = compressionsAlgorithms;
const zeros = Buffer.alloc(129 * 1024 * 1024);

/** The blocks of a frame, many times. */
function repeatedLz4(frame: Buffer, count: number): Buffer {
  const blocks = frame.subarray(7, -4);
  return Buffer.concat([frame.subarray(0, 7), ...Array.from({ length: count }, () => blocks), Buffer.alloc(4)]);
}

/** As Java writes it: chunks behind their lengths. */
function xerial(chunk: Buffer, count: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(chunk.length);
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
  return Buffer.concat([header, ...Array.from({ length: count }, () => [length, chunk]).flat()]);
}

for (const [title, codec, bomb] of [
  ['gzip', 1, () => gzipSync(zeros)],
  ['snappy', 2, () => Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1])],
  ['snappy of Java', 2, () => xerial(snappy.compressSync(zeros.subarray(0, 1024 * 1024)), 129)],
  ['lz4', 3, () => repeatedLz4(lz4.compressSync(zeros.subarray(0, 1024 * 1024)), 129)],
  ['zstd', 4, () => zstdCompressSync(zeros)],
] as const) {
  test(`a small batch that would fill the memory is refused: ${title}`, async () => {
    const bytes = bomb();
    assert.ok(bytes.length < 7 * 1024 * 1024);
    await assert.rejects(recordsOf(batchWith(bytes, codec)), {
      kind: 'config',
      code: 'kafka.batch-too-large',
      message: /offset 0 of the topic "orders"/,
      hint: /set its offset to 1 /,
    });
  });
}

for (const [codec, name] of ['none', 'gzip', 'snappy', 'lz4', 'zstd'].entries()) {
  test(`records that are not what their header says are told with what to do: ${name}`, async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('hello, this is no batch'), Buffer.alloc(300, 0x55)]) {
      await assert.rejects(recordsOf(batchWith(bytes, codec, 300)), {
        kind: 'config',
        code: 'kafka.records-unreadable',
        message: new RegExp(`compression: ${name}`),
      });
    }
  });
}

test('a broken compressed batch leaves the next ones readable', async () => {
  for (const compression of ['snappy', 'lz4'] as const) {
    const codec = compression === 'snappy' ? 2 : 3;
    const broken = Buffer.from(compressionsAlgorithms[compression].compressSync(Buffer.alloc(5000, 'abcdefg')));
    broken.fill(0x55, 20);
    await assert.rejects(recordsOf(batchWith(broken, codec)), { code: 'kafka.records-unreadable' });
    const [view] = batchesIn(batch(8, compression, 1000), 't');
    assert.ok(view !== undefined);
    assert.equal((await recordsOf(view)).length, 8);
  }
});

test('a batch whose length makes no sense does not stop the reading', () => {
  const bytes = Buffer.concat([batch(1), batch(1)]);
  bytes.writeInt32BE(-1000, 8);
  assert.ok([...batchesIn(bytes, 't')].length >= 1);
});
