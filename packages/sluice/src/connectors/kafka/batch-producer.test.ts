import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkError } from '@platformatic/kafka';
import { BatchProducer, type OutgoingBatch } from './batch-producer.ts';
import { classifyKafkaError } from './classify.ts';
import type { KafkaClient } from './client.ts';
import type { ProduceRequest, ProduceResponse } from './protocol.ts';
import { BATCH_HEADER_BYTES } from './record-batch.ts';
import type { TopicRegistry } from './topics.ts';

const signal = new AbortController().signal;
const NOT_LEADER = 6;
const TOO_LARGE = 10;
const OUT_OF_ORDER = 45;
const DUPLICATE = 46;

/** What a made-up broker does with a request: an error code for each partition, or a lost connection. */
type Answer = (request: ProduceRequest, attempt: number) => number | Error;

interface Sent {
  readonly partition: number;
  readonly sequence: number;
  readonly producerEpoch: number;
}

function producerAgainst(answer: Answer, options: { transactionalId?: string; requestTimeoutMs?: number } = {}) {
  const sent: Sent[] = [];
  let attempt = 0;
  const async = async (_connection: unknown, request: ProduceRequest): Promise<ProduceResponse> => {
    const result = answer(request, attempt++);
    for (const { partition, batch } of request.partitions) {
      sent.push({ partition, sequence: batch.readInt32BE(53), producerEpoch: batch.readInt16BE(51) });
    }
    if (result instanceof Error) throw result;
    const responses = request.partitions.map(({ topic, partition }) => ({
      name: topic,
      partitionResponses: [{ index: partition, errorCode: result, errorMessage: null, baseOffset: 100n }],
    }));
    return { responses };
  };
  const client = {
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    run: async (phase: 'produce', _: AbortSignal, work: () => Promise<unknown>) => {
      try {
        return await work();
      } catch (error) {
        throw classifyKafkaError(error, phase);
      }
    },
    connectTo: async () => ({ api: () => ({ async }) }),
  } as unknown as KafkaClient;
  let refreshes = 0;
  const topics = { leader: (_: string, partition: number) => partition % 2, refresh: async () => void refreshes++ };
  const identity = { producerId: 5n, producerEpoch: 3 };
  const producer = new BatchProducer(client, topics as unknown as TopicRegistry, {
    identity,
    transactionalId: options.transactionalId ?? null,
  });
  return { producer, sent, refreshes: () => refreshes };
}

function batch(partition: number, count: number): OutgoingBatch {
  return { topic: 't', partition, count, bytes: Buffer.alloc(BATCH_HEADER_BYTES) };
}

test('sequence numbers go on from batch to batch, for each partition by itself', async () => {
  const { producer, sent } = producerAgainst(() => 0);
  await producer.send([batch(0, 10), batch(1, 3)], signal);
  await producer.send([batch(0, 5)], signal);
  await producer.send([batch(0, 1), batch(1, 1)], signal);
  const sequences = (wanted: number) =>
    sent.filter(({ partition }) => partition === wanted).map(({ sequence }) => sequence);
  assert.deepEqual(sequences(0), [0, 10, 15]);
  assert.deepEqual(sequences(1), [0, 3]);
});

test('after 2^31 records sequence numbers start again at 0', async () => {
  const { producer, sent } = producerAgainst(() => 0);
  await producer.send([batch(0, 2 ** 31 - 2)], signal);
  await producer.send([batch(0, 5)], signal);
  await producer.send([batch(0, 1)], signal);
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    [0, 2 ** 31 - 2, 3],
  );
});

test('a retry keeps the sequence number and asks for the leaders first', async () => {
  const { producer, sent, refreshes } = producerAgainst((_, attempt) => (attempt < 2 ? NOT_LEADER : 0));
  await producer.send([batch(0, 4)], signal);
  await producer.send([batch(0, 1)], signal);
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    [0, 0, 0, 4],
  );
  assert.equal(refreshes(), 2);
});

test('only what failed is sent again', async () => {
  const { producer, sent } = producerAgainst(({ partitions }, attempt) =>
    partitions[0]?.partition === 1 && attempt < 2 ? new NetworkError('Connection closed') : 0,
  );
  await producer.send([batch(0, 1), batch(1, 1)], signal);
  assert.deepEqual(
    sent.map(({ partition }) => partition),
    [0, 1, 1],
  );
});

test('a duplicate is what a lost answer looks like: stored', async () => {
  const { producer, sent } = producerAgainst(
    (_, attempt) => [new NetworkError('Connection closed'), DUPLICATE, 0][attempt] ?? 0,
  );
  assert.equal((await producer.send([batch(0, 2)], signal)).size, 0);
  await producer.send([batch(0, 1)], signal);
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    [0, 0, 2],
  );
});

test('a duplicate that was never sent before is none', async () => {
  await assert.rejects(producerAgainst(() => DUPLICATE).producer.send([batch(0, 2)], signal), {
    code: 'kafka.producer-state-lost',
  });
});

test('a refused batch leaves no trace in the sequence', async () => {
  const { producer, sent } = producerAgainst(({ partitions }) => (partitions[0]?.partition === 0 ? TOO_LARGE : 0));
  const [refused, stored] = [batch(0, 4), batch(1, 4)];
  const errors = await producer.send([refused, stored], signal);
  assert.equal(errors.get(refused)?.code, 'kafka.record-too-large');
  assert.equal(errors.has(stored), false);
  await producer.send([batch(0, 1), batch(1, 1)], signal);
  assert.deepEqual(
    sent.map(({ partition, sequence }) => [partition, sequence]),
    [
      [0, 0],
      [1, 0],
      [0, 0],
      [1, 4],
    ],
  );
});

test('it tells the offset behind the last acknowledged record of each partition', async () => {
  const { producer } = producerAgainst((_, attempt) => (attempt === 2 ? TOO_LARGE : 0));
  await producer.send([batch(0, 10), batch(2, 3)], signal);
  await producer.send([batch(0, 5)], signal);
  await producer.send([batch(2, 7)], signal);
  assert.deepEqual(producer.written, [
    { part: 't/0', offset: 105, end: undefined },
    { part: 't/2', offset: 103, end: undefined },
  ]);
});

test('errors that stay, and those that nobody may repeat, come out', async () => {
  await assert.rejects(producerAgainst(() => OUT_OF_ORDER).producer.send([batch(0, 1)], signal), {
    code: 'kafka.producer-state-lost',
  });
  const expected = { code: 'kafka.not-available', kind: 'transient' };
  const stays = producerAgainst(() => NOT_LEADER, { requestTimeoutMs: 60_000 });
  await assert.rejects(stays.producer.send([batch(0, 1)], signal), expected);
  assert.equal(stays.sent.length, 8, 'it was tried again, so often and no more');
  const late = producerAgainst(() => NOT_LEADER, { requestTimeoutMs: 150 });
  await assert.rejects(late.producer.send([batch(0, 1)], signal), expected);
  assert.ok(late.sent.length < 8, 'no longer than a request may take');
});

test('an abort ends the retries and comes out as it is', async () => {
  const controller = new AbortController();
  const reason = new Error('stop');
  const { producer } = producerAgainst(() => {
    controller.abort(reason);
    return NOT_LEADER;
  });
  await assert.rejects(
    producer.send([batch(0, 1)], controller.signal),
    (error) => controller.signal.aborted && (error as Error).name === 'AbortError',
  );
});

test('batches carry the identity and, in a transaction, its mark', async () => {
  const { producer, sent } = producerAgainst(() => 0, { transactionalId: 'tx' });
  const one = batch(0, 1);
  await producer.send([one], signal);
  assert.equal(one.bytes.readInt16BE(21), 16);
  assert.equal(sent[0]?.producerEpoch, 3);
});
