import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import type { OutgoingBatch } from './batch-producer.ts';
import type { PackedBatch } from './open-batch.ts';
import { sendInRounds } from './send-rounds.ts';

const signal = new AbortController().signal;

function envelopes(from: number, to: number): Envelope[] {
  return Array.from({ length: to - from }, (_, i) => {
    const event = testEvent({ sequence: from + i });
    return { event, namespace: event.namespace };
  });
}

function batchOf(partition: number, content: readonly Envelope[]): PackedBatch {
  const bytes = Buffer.alloc(0);
  return { topic: 't', partition, bytes, count: content.length, envelopes: content, release() {} };
}

const sequenceOf = ({ event }: Envelope) => Number.parseInt(event.position.token, 16);

/** A broker that refuses batches with one of the bad events, and remembers what it was sent. */
function broker(bad: ReadonlySet<number>) {
  const rounds: number[][] = [];
  const stored = new Map<number, number[]>();
  const send = async (batches: readonly OutgoingBatch[]) => {
    rounds.push(batches.map(({ partition }) => partition));
    const refused = new Map<OutgoingBatch, SluiceError>();
    for (const batch of batches) {
      const content = ('envelopes' in batch ? (batch as PackedBatch).envelopes : []).map(sequenceOf);
      if (content.some((sequence) => bad.has(sequence)))
        refused.set(batch, new SluiceError('no', { kind: 'rejected', code: 'x' }));
      else stored.set(batch.partition, [...(stored.get(batch.partition) ?? []), ...content]);
    }
    return refused;
  };
  return { producer: { send }, rounds, stored };
}

test('batches of one partition follow each other, partitions go side by side', async () => {
  const { producer, rounds, stored } = broker(new Set());
  const batches = [batchOf(0, envelopes(0, 3)), batchOf(1, envelopes(3, 5)), batchOf(0, envelopes(5, 9))];
  const rejections = await sendInRounds(batches, { producer, repack: async () => [], signal });
  assert.deepEqual(rejections, []);
  assert.deepEqual(rounds, [[0, 1], [0]]);
  assert.deepEqual(
    [...stored],
    [
      [0, [0, 1, 2, 5, 6, 7, 8]],
      [1, [3, 4]],
    ],
  );
});

test('refused batches are halved until only the bad events are left out; the order stays', async () => {
  const bad = new Set([0, 7, 8, 19]);
  const { producer, stored } = broker(bad);
  const repack = async (content: readonly Envelope[]) => [batchOf(0, content)];
  const batches = [batchOf(0, envelopes(0, 20)), batchOf(1, envelopes(100, 103)), batchOf(0, envelopes(20, 25))];
  const rejections = await sendInRounds(batches, { producer, repack, signal });
  assert.deepEqual(
    rejections.map(({ envelope }) => sequenceOf(envelope)),
    [...bad],
  );
  const good = Array.from({ length: 25 }, (_, i) => i).filter((i) => !bad.has(i));
  assert.deepEqual(stored.get(0), good);
  assert.deepEqual(stored.get(1), [100, 101, 102]);
});

test('the batch of our own goes with the first round, also when there is nothing else', async () => {
  const own = { topic: 'c', partition: 9, bytes: Buffer.alloc(0), count: 1 };
  const { producer, rounds } = broker(new Set());
  await sendInRounds([batchOf(0, envelopes(0, 1)), batchOf(0, envelopes(1, 2))], {
    producer,
    repack: async () => [],
    first: own,
    signal,
  });
  await sendInRounds([], { producer, repack: async () => [], first: own, signal });
  assert.deepEqual(rounds, [[9, 0], [0], [9]]);
});

test('our own batch must not be refused', async () => {
  const own = { ...batchOf(9, envelopes(5, 6)) };
  const { producer } = broker(new Set([5]));
  await assert.rejects(sendInRounds([], { producer, repack: async () => [], first: own, signal }), { code: 'x' });
});
