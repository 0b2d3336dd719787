import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Sink } from '../../core/sink.ts';
import { testEvent } from '../../testing/events.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { type KafkaServer, startKafka } from '../../testing/servers/kafka.ts';
import { type Owner, writeEvents } from '../../testing/sink-writes.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { openSink, readSettled, uniqueName } from './sink-fixture.ts';
import { untilServed } from './source-fixture.ts';

const options = { timeout: 600_000 };
const { signal } = new AbortController();
const PARTITION = 'contract/0';

let kafka: KafkaServer;

before(async () => {
  kafka = await startKafka();
}, options);

after(() => kafka[Symbol.asyncDispose]());

function settings(delivery: 'at-least-once' | 'exactly-once') {
  return {
    brokers: kafka.brokers,
    topic: uniqueName(),
    delivery,
    checkpointTopic: uniqueName('checkpoints'),
    transactionalIdPrefix: uniqueName('tx'),
    requestTimeout: '3s',
    createTopics: { partitions: 3 },
  };
}

/** Events on few keys, so that there is an order to keep. */
const events: readonly ChangeEvent[] = Array.from({ length: 4000 }, (_, sequence) =>
  testEvent({ sequence, id: sequence % 13 }),
);

interface Opened {
  readonly sink: Sink;
  readonly owner: Owner;
  /** Index of the first event that is not delivered. */
  readonly next: number;
}

/** What the engine does: opens, claims, continues behind the position (or behind what it had acknowledged). */
async function reopen(config: ReturnType<typeof settings>, acknowledged: number): Promise<Opened> {
  const open = () =>
    openSink(config).then(async (sink) => {
      try {
        const claim = await sink.checkpoints?.claim(PARTITION, signal);
        const token = claim?.checkpoint?.position.token;
        const stored = token === undefined ? 0 : Number.parseInt(token, 16) + 1;
        const next = sink.checkpoints === undefined ? acknowledged : stored;
        return { sink, owner: { partition: PARTITION, epoch: claim?.epoch ?? 1 }, next };
      } catch (error) {
        await sink[Symbol.asyncDispose]();
        throw error;
      }
    });
  return waitFor(
    () =>
      open().catch((error: unknown) => {
        assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
        return undefined;
      }),
    { timeoutMs: 120_000, intervalMs: 200, message: 'the sink can be opened again' },
  );
}

/** Writes the events up to `end` in batches through whatever happens: what it has then, and how many batches failed. */
async function writeThrough(
  config: ReturnType<typeof settings>,
  options: { from?: number; end: number; onBatch?: (batch: number) => void },
): Promise<{ readonly opened: Opened; readonly failures: number }> {
  let failures = 0;
  let opened = await reopen(config, options.from ?? 0);
  for (let batch = 0; opened.next < options.end; batch++) {
    options.onBatch?.(batch);
    const part = events.slice(opened.next, Math.min(opened.next + 100, options.end));
    try {
      await writeEvents(opened.sink, part, { owner: opened.owner });
      opened = { ...opened, next: opened.next + part.length };
    } catch (error) {
      assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
      failures += 1;
      await opened.sink[Symbol.asyncDispose]();
      opened = await reopen(config, opened.next);
    }
  }
  return { opened, failures };
}

/** Waits until the broker serves everything a sink works with. */
async function untilBack({ topic, checkpointTopic, delivery }: ReturnType<typeof settings>): Promise<void> {
  await untilServed(kafka.brokers, topic, 3);
  if (delivery === 'exactly-once') await untilServed(kafka.brokers, checkpointTopic, 1);
}

/** Values per key, as they were read. */
async function histories(topic: string): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  const target = { brokers: kafka.plainBrokers };
  const records = await readSettled(() => readTopic(target, topic, { isolation: 'read_uncommitted' }));
  for (const { key, value } of records) {
    const name = key?.toString('hex') ?? '';
    const sequence = Number.parseInt(value?.toString() ?? '', 16);
    found.set(name, [...(found.get(name) ?? []), sequence]);
  }
  return found;
}

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(
    `${delivery}: the broker is killed and comes back twice; nothing is lost, the order stays`,
    options,
    async () => {
      const config = settings(delivery);
      let restarts: Promise<void> = Promise.resolve();
      const onBatch = (batch: number) => {
        if (batch !== 5 && batch !== 20) return;
        restarts = restarts.then(() => kafka.stop('SIGKILL')).then(() => kafka.start());
      };
      const { opened, failures } = await writeThrough(config, { end: events.length, onBatch });
      await opened.sink[Symbol.asyncDispose]();
      await restarts;
      const found = await histories(config.topic);
      assert.equal(found.size, 13);
      const total = [...found.values()].flat();
      assert.equal(new Set(total).size, events.length, 'complete');
      for (const history of found.values()) {
        const firstTimes = history.filter((sequence, index) => history.indexOf(sequence) === index);
        assert.deepEqual(
          firstTimes,
          [...firstTimes].sort((a, b) => a - b),
          'in order',
        );
      }
      const duplicates = total.length - events.length;
      if (delivery === 'exactly-once') assert.equal(duplicates, 0);
      else assert.ok(duplicates <= failures * 100, `${duplicates} duplicates after ${failures} failures`);
    },
  );

  test(`${delivery}: a restart between two writes is not even noticed`, options, async () => {
    const config = { ...settings(delivery), requestTimeout: '30s' };
    const { sink, owner } = await reopen(config, 0);
    await using _ = sink;
    await writeEvents(sink, events.slice(0, 100), { owner });
    await kafka.stop();
    await kafka.start();
    await untilBack(config);
    await writeEvents(sink, events.slice(100, 200), { owner });
    assert.equal([...(await histories(config.topic)).values()].flat().length, 200);
  });

  test(
    `${delivery}: a broker that hangs ends the write in time, and closing does not wait for it`,
    options,
    async () => {
      const config = { ...settings(delivery), requestTimeout: '2s' };
      const { opened } = await writeThrough(config, { end: 100 });
      const { sink, owner } = opened;
      await kafka.stop('SIGSTOP');
      try {
        const startedMs = performance.now();
        await assert.rejects(writeEvents(sink, events.slice(100, 200), { owner }), { kind: 'transient' });
        await sink[Symbol.asyncDispose]();
        // A few seconds; the library would wait for half a minute.
        assert.ok(performance.now() - startedMs < 28_000);
        await assert.rejects(openSink(config), { kind: 'transient', code: 'kafka.timeout' });
      } finally {
        await kafka.start();
      }
      const again = await writeThrough(config, { from: 100, end: 200 });
      await again.opened.sink[Symbol.asyncDispose]();
      const total = [...(await histories(config.topic)).values()].flat();
      assert.equal(new Set(total).size, 200);
    },
  );
}
