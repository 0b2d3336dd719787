import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Rejection, Sink } from '../../core/sink.ts';
import { testEvent, testPosition } from '../../testing/events.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { checkpointBehind, type Owner, textFormat, writeEvents } from '../../testing/sink-writes.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { BufferPool } from './buffer-pool.ts';
import { claimKey } from './checkpoint-reader.ts';
import { KafkaClient } from './client.ts';
import { codecFor } from './compression.ts';
import { kafkaConnectionConfig } from './config.ts';
import { packKeyed } from './own-records.ts';
import { openSink, readSettled, uniqueName } from './sink-fixture.ts';
import { createTopics, lowerMessageLimit } from './source-fixture.ts';
import { TopicRegistry } from './topics.ts';
import { TransactionalProducer } from './transactional-producer.ts';

const brokers = await testKafka();
const options = { timeout: 300_000 };
const { signal } = new AbortController();
const PARTITION = 'contract/0';

/** Settings of one pipeline; every test has its own topics and transactional ids. */
function pipeline(overrides: Record<string, unknown> = {}) {
  return {
    brokers,
    topic: uniqueName(),
    delivery: 'exactly-once',
    checkpointTopic: uniqueName('checkpoints'),
    transactionalIdPrefix: uniqueName('tx'),
    ...overrides,
  };
}

async function claim(sink: Sink): Promise<Owner & { readonly position: string | undefined }> {
  const claimed = await sink.checkpoints?.claim(PARTITION, signal);
  assert.ok(claimed);
  return { partition: PARTITION, epoch: claimed.epoch, position: claimed.checkpoint?.position.token };
}

const events = (from: number, to: number): ChangeEvent[] =>
  Array.from({ length: to - from }, (_, i) => testEvent({ sequence: from + i }));

/** All records of the topic, once every transaction in it is decided. */
function read(topic: string) {
  return readSettled(() => readTopic({ brokers }, topic, { isolation: 'read_uncommitted' }));
}

async function visible(topic: string): Promise<(string | undefined)[]> {
  return (await read(topic)).map(({ value }) => value?.toString());
}

const tokens = (list: readonly ChangeEvent[]) => list.map(({ position }) => position.token);

const bulky = (sequence: number) => testEvent({ sequence, document: { text: 'x'.repeat(4000) } });
const bulkyFormat = {
  ...textFormat,
  encode: (envelope: Parameters<typeof textFormat.encode>[0]) => {
    const record = textFormat.encode(envelope);
    const large = envelope.event.raw.byteLength > 3000;
    return record && { ...record, value: large ? Buffer.from(envelope.event.raw) : record.value };
  },
};

/** A sink whose topic refuses its second batch, so that `reject` is called in the middle of the transaction. */
async function sinkWithRefusal(overrides: Record<string, unknown> = {}) {
  const settings = pipeline({ compression: 'none', ...overrides });
  const sink = await openSink(settings, { format: bulkyFormat });
  const owner = await claim(sink);
  await writeEvents(sink, events(0, 3), { owner });
  // The sink knows the topic already: what is larger is refused within the transaction.
  await lowerMessageLimit(brokers, settings.topic, 2000);
  const batch = [testEvent({ sequence: 3 }), bulky(4), testEvent({ sequence: 5 })];
  const write = (reject: (rejections: readonly Rejection[]) => Promise<void>) =>
    sink.write(
      batch.map((event) => ({ event, namespace: event.namespace })),
      { checkpoint: checkpointBehind(batch[2] as ChangeEvent, owner), signal, reject },
    );
  return { settings, sink, owner, batch, write };
}

async function expectFailure(work: Promise<unknown>, kind: string, code: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.deepEqual([error.kind, error.code], [kind, code]);
    return true;
  });
}

test(
  'a batch and its checkpoint become visible together, and the next owner continues behind them',
  options,
  async () => {
    const settings = pipeline();
    {
      await using sink = await openSink(settings);
      const owner = await claim(sink);
      assert.equal(owner.position, undefined);
      for (let n = 0; n < 5; n++) await writeEvents(sink, events(n * 10, n * 10 + 10), { owner });
    }
    assert.deepEqual(await visible(settings.topic), tokens(events(0, 50)));
    await using next = await openSink(settings);
    const owner = await claim(next);
    assert.equal(owner.position, testPosition(49).token);
    await writeEvents(next, events(50, 60), { owner });
    assert.deepEqual(await visible(settings.topic), tokens(events(0, 60)));
  },
);

test('transactions follow each other without long pauses', options, async () => {
  await using sink = await openSink(pipeline());
  const owner = await claim(sink);
  await writeEvents(sink, events(0, 1), { owner });
  const times: number[] = [];
  for (let n = 1; n <= 30; n++) {
    const startedMs = performance.now();
    await writeEvents(sink, events(n, n + 1), { owner });
    times.push(performance.now() - startedMs);
  }
  // A few ms each. The library's pause before it asks again is a second, and would be in every one of them.
  const middleMs = times.toSorted((a, b) => a - b)[15] ?? Number.POSITIVE_INFINITY;
  assert.ok(middleMs < 700, `${middleMs} ms in the middle`);
});

test('aborted transactions are not read: neither as data nor, any number of them, as a position', options, async () => {
  const settings = pipeline();
  {
    await using sink = await openSink(settings);
    const owner = await claim(sink);
    await writeEvents(sink, events(0, 10), { owner });
  }
  await using client = await KafkaClient.open(kafkaConnectionConfig.parse({ brokers }), signal);
  const topics = new TopicRegistry(client, { policy: { enabled: false, config: {} }, logger: silentLogger });
  await topics.ensure([settings.topic, settings.checkpointTopic], signal);
  const [stored] = (await read(settings.checkpointTopic)).filter(({ key }) => key?.toString() === PARTITION);
  assert.ok(stored?.value);
  for (let n = 1; n <= 5; n++) {
    const transactionalId = `${settings.transactionalIdPrefix}-contract-0`;
    const producer = await TransactionalProducer.claim(client, topics, {
      transactionalId,
      transactionTimeoutMs: 60_000,
      signal,
    });
    const pack = { codec: codecFor('none'), pool: new BufferPool(0) };
    const wrong = { key: PARTITION, value: stored.value.toString().replace('"epoch":1', '"epoch":77') };
    const batches = [
      ...(await packKeyed(topics.get(settings.topic) as never, [{ key: 'k', value: 'aborted' }], pack)),
      ...(await packKeyed(topics.get(settings.checkpointTopic) as never, [wrong], pack)),
    ];
    await producer.begin(batches, signal);
    await producer.batches.send(batches, signal);
    await producer.abandon(signal);
  }
  await untilAborted(settings.topic);
  const everything = await readTopic({ brokers }, settings.topic, { isolation: 'read_uncommitted' });
  assert.equal(everything.filter(({ transaction }) => transaction === 'aborted').length, 5);
  assert.deepEqual(await visible(settings.topic), tokens(events(0, 10)));
  await using next = await openSink(settings);
  const owner = await claim(next);
  assert.equal(owner.position, testPosition(9).token);
  assert.equal(owner.epoch, 2);
});

test('an owner that was succeeded writes nothing more', options, async () => {
  const settings = pipeline();
  await using older = await openSink(settings);
  const first = await claim(older);
  await writeEvents(older, events(0, 5), { owner: first });
  await using newer = await openSink(settings);
  const second = await claim(newer);
  assert.deepEqual([second.epoch, second.position], [first.epoch + 1, testPosition(4).token]);
  const late = await Promise.allSettled([1, 2].map(() => writeEvents(older, events(5, 8), { owner: first })));
  for (const result of late) {
    assert.ok(result.status === 'rejected' && result.reason instanceof SluiceError);
    assert.equal(result.reason.kind, 'fenced');
  }
  await writeEvents(newer, events(5, 10), { owner: second });
  await older[Symbol.asyncDispose]();
  assert.deepEqual(await visible(settings.topic), tokens(events(0, 10)));
  const all = await readTopic({ brokers }, settings.topic, { isolation: 'read_uncommitted' });
  assert.equal(all.length, 10, 'not even aborted records');
});

test(
  'a process that is killed in a transaction leaves nothing behind, and its successor need not wait',
  options,
  async () => {
    const settings = pipeline();
    {
      await using sink = await openSink(settings);
      await writeEvents(sink, events(0, 5), { owner: await claim(sink) });
    }
    const transactionalId = `${settings.transactionalIdPrefix}-contract-0`;
    const script = `${import.meta.dirname}/transaction-child.ts`;
    const child = spawn(process.execPath, [script, brokers.join(','), settings.topic, transactionalId, 'k'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(
      (await readTopic({ brokers }, settings.topic, { isolation: 'read_uncommitted' })).at(-1)?.transaction,
      'open',
    );
    await using next = await openSink(settings);
    const startedMs = performance.now();
    const owner = await claim(next);
    // Without being taken over, the transaction would be open for a minute.
    assert.ok(performance.now() - startedMs < 35_000);
    assert.equal(owner.position, testPosition(4).token);
    await writeEvents(next, events(5, 7), { owner });
    assert.deepEqual(await visible(settings.topic), tokens(events(0, 7)));
  },
);

test('what the broker refuses in the transaction is handed over before the commit', options, async () => {
  const { settings, sink, batch, write } = await sinkWithRefusal();
  await using _ = sink;
  let seenMeanwhile: unknown[] = [];
  const handed: Rejection[] = [];
  const result = await write(async (rejections) => {
    handed.push(...rejections);
    seenMeanwhile = (await readTopic({ brokers }, settings.topic)).map(({ value }) => value?.toString());
  });
  assert.deepEqual(result, { delivered: 2, filtered: 0 });
  assert.deepEqual(
    handed.map(({ envelope, error }) => [envelope.event.id, error.code]),
    [[batch[1]?.id, 'kafka.record-too-large']],
  );
  assert.deepEqual(seenMeanwhile, tokens(events(0, 3)), 'nothing of the batch was visible yet');
  assert.deepEqual(await visible(settings.topic), tokens([...events(0, 4), testEvent({ sequence: 5 })]));
});

test('when that fails, the transaction is aborted at once and the position stays', options, async () => {
  const { settings, sink, write } = await sinkWithRefusal({ transactionTimeout: '10m' });
  await assert.rejects(
    write(() => Promise.reject(new SluiceError('full', { kind: 'config', code: 'test.full' }))),
    { code: 'test.full' },
  );
  await sink[Symbol.asyncDispose]();
  // The coordinator answers before the marker is in the log; it has ten minutes until it would abort by itself.
  await untilAborted(settings.topic);
  await using next = await openSink(settings);
  assert.equal((await claim(next)).position, testPosition(2).token);
});

/** Waits until the last transaction of the topic is aborted. */
function untilAborted(topic: string): Promise<unknown> {
  const aborted = async () =>
    (await readTopic({ brokers }, topic, { isolation: 'read_uncommitted' })).at(-1)?.transaction === 'aborted';
  return waitFor(aborted, { timeoutMs: 60_000, intervalMs: 200, message: 'the broker aborts the transaction' });
}

test('a transaction that runs out of time is tried again, because nobody else has taken over', options, async () => {
  const { settings, sink, write } = await sinkWithRefusal({ transactionTimeout: '5s' });
  await using _ = sink;
  await expectFailure(
    write(() => untilAborted(settings.topic) as Promise<void>),
    'transient',
    'kafka.transaction-expired',
  );
  await using again = await openSink(settings, { format: bulkyFormat });
  const owner = await claim(again);
  assert.equal(owner.position, testPosition(2).token);
  await writeEvents(again, events(3, 6), { owner });
  assert.deepEqual(await visible(settings.topic), tokens(events(0, 6)));
});

test('an owner that slept while another one took over stops, and does not take back', options, async () => {
  const { settings, sink, write } = await sinkWithRefusal();
  await using _ = sink;
  await using newer = await openSink(settings);
  let second: Owner | undefined;
  await expectFailure(
    write(async () => void (second = await claim(newer))),
    'fenced',
    'kafka.fenced',
  );
  assert.ok(second);
  await writeEvents(newer, events(3, 6), { owner: second });
  assert.deepEqual(await visible(settings.topic), tokens(events(0, 6)));
});

test('positions are saved without data, and never go back', options, async () => {
  const settings = pipeline();
  await using sink = await openSink(settings);
  const owner = await claim(sink);
  const save = (sequence: number) => sink.checkpoints?.save(checkpointBehind(testEvent({ sequence }), owner), signal);
  await save(10);
  await writeEvents(sink, events(11, 21), { owner });
  await save(15);
  await Promise.all([writeEvents(sink, events(21, 31), { owner }), save(25)]);
  const stored = async () =>
    (await read(settings.checkpointTopic))
      .filter(({ key }) => key?.toString() === PARTITION)
      .map(({ value }) => (JSON.parse(value?.toString() ?? '') as { token: string }).token);
  assert.deepEqual(
    await stored(),
    [10, 20, 30].map((sequence) => testPosition(sequence).token),
  );
  await save(40);
  assert.equal((await stored()).at(-1), testPosition(40).token);
});

test('claims raise the epoch even when nothing is ever saved', options, async () => {
  const settings = pipeline();
  for (const epoch of [1, 2, 3]) {
    await using sink = await openSink(settings);
    assert.equal((await claim(sink)).epoch, epoch);
  }
  const keys = (await read(settings.checkpointTopic)).map(({ key }) => key?.toString());
  assert.deepEqual(keys, Array(3).fill(claimKey(PARTITION)));
});

test('a checkpoint topic that would expire is refused', options, async () => {
  const settings = pipeline();
  await createTopics(brokers, [settings.checkpointTopic], { config: { 'cleanup.policy': 'compact,delete' } });
  await expectFailure(openSink(settings), 'config', 'kafka.topic-not-compacted');
});

test('a transaction time-out that the brokers do not allow is a mistake in the settings', options, async () => {
  await using sink = await openSink(pipeline({ transactionTimeout: '1d' }));
  await expectFailure(claim(sink), 'config', 'kafka.transaction-timeout');
});

test('nothing is written before the claim, or with the epoch of another one', options, async () => {
  const settings = pipeline();
  await using unclaimed = await openSink(settings);
  await assert.rejects(writeEvents(unclaimed, events(0, 1)), /before `claim`/);
  await using sink = await openSink(settings);
  const owner = await claim(sink);
  await expectFailure(
    writeEvents(sink, events(0, 1), { owner: { ...owner, epoch: owner.epoch - 1 } }),
    'fenced',
    'kafka.fenced',
  );
});
