import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Reader, readRecordsBatch } from '@platformatic/kafka';
import type { EncodedRecord } from '../../core/format.ts';
import { testEvent } from '../../testing/events.ts';
import { BatchPacker } from './batch-packer.ts';
import { BufferPool } from './buffer-pool.ts';
import { type Compression, codecFor } from './compression.ts';
import { partitionOf } from './murmur2.ts';
import type { PackedBatch } from './open-batch.ts';
import { packKeyed } from './own-records.ts';
import { HeaderWriter } from './record-headers.ts';
import type { ShapedRecord } from './shape-batch.ts';
import type { TopicInfo } from './topics.ts';

const topic: TopicInfo = { name: 'orders', partitions: 3, maxMessageBytes: 1000, limitKnown: true };

function shaped(sequence: number, record: Partial<EncodedRecord>, name = 'orders'): ShapedRecord {
  const event = testEvent({ sequence });
  const full = {
    key: Buffer.from(`k${sequence}`),
    value: Buffer.from('v'),
    headers: undefined,
    tombstoneFollows: false,
  };
  return { envelope: { event, namespace: event.namespace }, record: { ...full, ...record }, topic: name };
}

function pack(
  records: readonly ShapedRecord[],
  compression: Compression = 'none',
  topics: readonly TopicInfo[] = [topic],
) {
  const packer = new BatchPacker({
    topicOf: (name) => topics.find((each) => each.name === name) as TopicInfo,
    headers: new HeaderWriter({ enabled: false, prefix: '', format: { name: 'test', contentType: 't' } }),
    codec: codecFor(compression),
    pool: new BufferPool(1 << 20),
  });
  // In two goes, as a write is packed in slices.
  packer.add(records.slice(0, 5));
  packer.add(records.slice(5));
  return packer.finish();
}

function contents({ bytes }: PackedBatch): [string | null, string | null][] {
  const { records } = readRecordsBatch(Reader.from(bytes));
  return records.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]);
}

test('each record goes to the partition of its key, in order', async () => {
  const records = Array.from({ length: 60 }, (_, i) =>
    shaped(i, { key: Buffer.from(`key-${i % 7}`), value: Buffer.from(`${i}`) }),
  );
  const { batches } = await pack(records, 'none', [{ ...topic, maxMessageBytes: 100_000 }]);
  assert.equal(batches.length, 3);
  for (const batch of batches) {
    const expected = records.filter(({ record }) => partitionOf(record.key, 3) === batch.partition);
    assert.deepEqual(
      contents(batch).map(([, value]) => value),
      expected.map(({ record }) => record.value?.toString()),
    );
    assert.deepEqual(
      batch.envelopes,
      expected.map(({ envelope }) => envelope),
    );
    assert.equal(batch.count, expected.length);
  }
});

test('topics do not mix', async () => {
  const other = { ...topic, name: 'users' };
  const { batches } = await pack([shaped(1, {}), shaped(2, {}, 'users'), shaped(3, {})], 'none', [topic, other]);
  const byTopic = new Map<string, number>();
  for (const batch of batches) byTopic.set(batch.topic, (byTopic.get(batch.topic) ?? 0) + batch.count);
  assert.deepEqual(
    [...byTopic],
    [
      ['orders', 2],
      ['users', 1],
    ],
  );
});

test('no batch is larger than its topic takes, and nothing is lost or moved by that', async () => {
  const key = Buffer.from('same');
  const records = Array.from({ length: 40 }, (_, i) =>
    shaped(i, { key, value: Buffer.alloc((i * 37) % 400, `${i % 10}`) }),
  );
  const { batches, rejections } = await pack(records);
  assert.equal(rejections.length, 0);
  assert.ok(batches.length > 5);
  for (const { bytes } of batches) assert.ok(bytes.length <= topic.maxMessageBytes, `${bytes.length}`);
  assert.deepEqual(
    batches.flatMap((batch) => contents(batch).map(([, value]) => value)),
    records.map(({ record }) => record.value?.toString()),
  );
});

test('a record of exactly the limit is sent, one byte more is rejected', async () => {
  const key = Buffer.from('k');
  const size = async (bytes: number) => pack([shaped(1, { key, value: randomBytes(bytes) })]);
  const [batch] = (await size(900)).batches;
  const room = topic.maxMessageBytes - (batch?.bytes.length ?? 0);
  assert.equal((await size(900 + room)).batches.length, 1);
  const { batches, rejections } = await size(900 + room + 1);
  assert.equal(batches.length, 0);
  assert.equal(rejections[0]?.error.code, 'kafka.record-too-large');
  assert.equal(rejections[0]?.error.kind, 'rejected');
  assert.match(rejections[0]?.error.message ?? '', /insert in test\.items .* 1001 bytes.*"orders" takes 1000/);
});

test('an event that fits only compressed is sent alone; its neighbours keep their places', async () => {
  const key = Buffer.from('k');
  const values = ['a', 'x'.repeat(5000), 'b'];
  const records = values.map((value, i) => shaped(i, { key, value: Buffer.from(value) }));
  const { batches, rejections } = await pack(records, 'zstd');
  assert.equal(rejections.length, 0);
  assert.deepEqual(
    batches.map(contents),
    values.map((value) => [['k', value]]),
  );
  assert.equal((await pack(records, 'none')).rejections.length, 1);
});

test('with an unknown limit large records travel alone, and the broker decides', async () => {
  const records = [
    shaped(1, { key: null }),
    shaped(2, { key: null, value: randomBytes(5000) }),
    shaped(3, { key: null }),
  ];
  const { batches, rejections } = await pack(records, 'none', [{ ...topic, limitKnown: false }]);
  assert.equal(rejections.length, 0);
  assert.deepEqual(
    batches.map(({ count }) => count),
    [1, 1, 1],
  );
});

test('a tombstone stays in the batch of its record', async () => {
  const key = Buffer.from('same');
  const records = Array.from({ length: 30 }, (_, i) =>
    shaped(i, { key, value: Buffer.alloc(i * 11), tombstoneFollows: true }),
  );
  const { batches } = await pack(records);
  assert.ok(batches.length > 2);
  for (const batch of batches) {
    const values = contents(batch).map(([, value]) => value === null);
    assert.deepEqual(
      values,
      values.map((_, i) => i % 2 === 1),
    );
    assert.equal(batch.envelopes.length * 2, batch.count);
    assert.ok(batch.bytes.length <= topic.maxMessageBytes);
  }
});

test('when the record of a delete is too large, its tombstone is not sent either', async () => {
  const records = [shaped(1, { value: randomBytes(2000), tombstoneFollows: true })];
  const { batches, rejections } = await pack(records);
  assert.equal(batches.length, 0);
  assert.equal(rejections.length, 1);
});

test('every compression can be read back, and is left out where it would not help', async () => {
  const text = JSON.stringify({ items: Array.from({ length: 30 }, (_, i) => ({ sku: `sku-${i}`, quantity: 1 })) });
  for (const compression of ['zstd', 'lz4', 'snappy', 'gzip'] as const) {
    const large = { ...topic, maxMessageBytes: 1 << 20 };
    for (const count of [1, 400]) {
      const records = Array.from({ length: count }, (_, i) =>
        shaped(i, { key: null, value: Buffer.from(`${i}${text}`) }),
      );
      const [batch] = (await pack(records, compression, [large])).batches;
      assert.ok(batch);
      assert.equal(batch.bytes.readInt16BE(21), codecFor(compression).id, compression);
      assert.deepEqual(
        contents(batch).map(([, value]) => value),
        records.map((_, i) => `${i}${text}`),
      );
    }
    const [noise] = (await pack([shaped(1, { value: randomBytes(500) })], compression)).batches;
    assert.equal(noise?.bytes.readInt16BE(21), 0, compression);
  }
});

test('records of our own go to partition 0, in as few batches as possible', async () => {
  const records = Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, value: i === 3 ? null : 'x'.repeat(300) }));
  const batches = await packKeyed(topic, records, { codec: codecFor('none'), pool: new BufferPool(0) });
  assert.ok(batches.length >= 3 && batches.length < 10);
  assert.ok(batches.every(({ partition }) => partition === 0));
  assert.deepEqual(
    batches.flatMap(contents),
    records.map(({ key, value }) => [key, value]),
  );
});
