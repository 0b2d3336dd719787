import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import type { CheckpointStore } from '../core/checkpoint.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import { silentLogger } from '../core/logger.ts';
import type { Position } from '../core/position.ts';
import { noTelemetry } from '../core/telemetry.ts';
import type { Transform } from '../core/transform.ts';
import { contractFormat } from '../testing/contracts/sink.ts';
import { orderingKey, testEvent } from '../testing/events.ts';
import { type MemoryRecord, type MemorySinkOptions, memorySink } from '../testing/memory-sink.ts';
import { memorySource } from '../testing/memory-source.ts';
import { checkpointPlace, memoryCheckpointStore, memoryDeadLetters } from '../testing/memory-stores.ts';
import { waitFor } from '../testing/wait-for.ts';
import { createPipeline } from './pipeline.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';

const WAIT = { timeoutMs: 30_000 };
const open: AbortController[] = [];
afterEach(() => {
  for (const controller of open.splice(0)) controller.abort();
});

interface BenchOptions {
  readonly events: ChangeEvent[];
  readonly sink?: MemorySinkOptions;
  readonly steps?: readonly Transform[];
  readonly definition?: Partial<PipelineDefinition>;
  readonly letters?: Map<string, DeadLetter>;
}

function bench({ events, sink, steps = [], definition, letters = new Map() }: BenchOptions) {
  const records: MemoryRecord[] = [];
  const place = checkpointPlace();
  const pipeline = createPipeline(
    {
      name: 'test',
      partition: 'test/0',
      sourceName: 'memory',
      sinkName: 'memory',
      delivery: 'at-least-once',
      settings: {
        intervalMs: 5,
        idleIntervalMs: 20,
        inFlightBytes: 1_000_000,
        stallAfterMs: 5_000,
        backoff: { minMs: 1, maxMs: 5 },
        drainTimeoutMs: 30_000,
      },
      openSource: async () => memorySource(events),
      openSink: async () => memorySink(records, contractFormat, sink),
      openCheckpoints: async () => memoryCheckpointStore(place),
      openDeadLetters: async () => memoryDeadLetters(letters),
      openTransforms: async () => steps,
      orderingKey,
      describeKey: () => 'key',
      ...definition,
    },
    { logger: silentLogger, telemetry: noTelemetry },
  );
  const [stop, abort] = [new AbortController(), new AbortController()];
  open.push(abort);
  const running = pipeline.run({ stop: stop.signal, abort: abort.signal });
  const end = () => {
    stop.abort();
    return running;
  };
  const ended = (count: number) =>
    waitFor(
      () => {
        const { delivered, filtered, deadLettered } = pipeline.status().counts;
        return delivered + filtered + deadLettered >= count;
      },
      { ...WAIT, message: `${count} events have ended` },
    );
  return { records, place, letters, pipeline, end, ended };
}

const transient = () => new SluiceError('gone for a moment', { kind: 'transient', code: 'test.transient' });
const poison = () => new SluiceError('it is poison', { kind: 'rejected', code: 'test.poison' });
const ids = (records: readonly MemoryRecord[]) => records.map(({ eventId }) => eventId);

const codesOf = (letters: ReadonlyMap<string, DeadLetter>) => [...letters.values()].map(({ id, code }) => [id, code]);

test('steps drop, change and refuse; every event is accounted for, and the letter holds the event as it was', async () => {
  const events = Array.from({ length: 12 }, (_, sequence) => testEvent({ sequence }));
  const results: Transform = {
    apply: (batch) =>
      batch.map((envelope) => {
        const n = Number.parseInt(envelope.event.id, 16);
        if (n % 3 === 0) return undefined;
        return n % 3 === 1 ? { ...envelope, namespace: { db: 'other', coll: 'place' } } : poison();
      }),
  };
  const seen: string[] = [];
  const look: Transform = {
    apply: async (batch) => {
      seen.push(...batch.map(({ namespace }) => namespace.db));
      return batch;
    },
  };
  const b = bench({ events, steps: [results, look] });
  await b.ended(12);
  const status = await b.end();
  assert.deepEqual(status.counts, { read: 12, delivered: 4, filtered: 4, deadLettered: 4, reread: 0 });
  assert.deepEqual(seen, ['other', 'other', 'other', 'other']);
  assert.deepEqual(
    ids(b.records),
    [1, 4, 7, 10].map((n) => events[n]?.id),
  );
  assert.deepEqual([...b.letters.values()][0]?.raw, events[2]?.raw);
});

test('a step that throws ends the pipeline with its error, and nothing of the batch is delivered', async () => {
  const stop = new SluiceError('a field nobody knows', { kind: 'config', code: 'schema.drift' });
  const step: Transform = {
    apply() {
      throw stop;
    },
  };
  const b = bench({ events: [testEvent()], steps: [step] });
  await waitFor(() => b.pipeline.status().state === 'failed', { ...WAIT, message: 'it failed' });
  assert.equal(b.pipeline.status().error?.code, 'schema.drift');
  assert.deepEqual(b.records, []);
});

test('slow steps do not change the order', async () => {
  const events = Array.from({ length: 100 }, (_, sequence) => testEvent({ sequence, id: sequence % 3 }));
  let calls = 0;
  const slow: Transform = {
    apply: async (batch) => {
      for (let turns = ++calls % 4; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      return batch;
    },
  };
  const limits = { records: 7, batchesInFlight: 3 };
  const b = bench({ events, steps: [slow], sink: { limits } });
  await b.ended(100);
  await b.end();
  assert.deepEqual(
    ids(b.records),
    events.map(({ id }) => id),
  );
});

test('over lanes each key keeps its order, and the checkpoint never passes what is still being written', async () => {
  const events = Array.from({ length: 300 }, (_, sequence) => testEvent({ sequence, id: sequence % 11 }));
  const slow = events[0]?.id;
  const held = Promise.withResolvers<void>();
  const before = async (batch: readonly Envelope[]) => {
    if (batch.some(({ event }) => event.id === slow)) await held.promise;
  };
  const b = bench({ events, sink: { limits: { lanes: 4, records: 20 }, before } });
  await waitFor(() => b.records.length > 150, { ...WAIT, message: 'the other lanes go on' });
  assert.equal(b.pipeline.status().checkpoint, undefined);
  held.resolve();
  await b.ended(300);
  await b.end();
  const perKey = Map.groupBy(b.records, ({ eventId }) => Number.parseInt(eventId, 16) % 11);
  assert.equal(b.records.length, 300);
  for (const records of perKey.values()) assert.deepEqual(ids(records), ids(records).toSorted());
  assert.deepEqual(b.place.checkpoints.get('test/0')?.position, events.at(-1)?.position);
});

for (const lanes of [undefined, 3]) {
  test(`park: later changes of the document wait behind the first one (${lanes ?? 'no'} lanes)`, async () => {
    const events = Array.from({ length: 60 }, (_, sequence) => testEvent({ sequence, id: sequence % 6 }));
    let broken = true;
    const step: Transform = {
      apply: (batch) => batch.map((envelope) => (broken && envelope.event.id === events[8]?.id ? poison() : envelope)),
    };
    const limits = lanes === undefined ? {} : { lanes };
    const b = bench({ events, steps: [step], sink: { limits }, definition: { onDeadLetter: 'park' } });
    await b.ended(60);
    const letters = [...b.letters.values()];
    const expected = events.filter((_, sequence) => sequence >= 8 && sequence % 6 === 2);
    assert.deepEqual(
      letters.map(({ id }) => id),
      expected.map(({ id }) => id),
    );
    assert.deepEqual([letters[0]?.code, letters[1]?.code], ['test.poison', 'dead-letter.parked']);
    assert.equal(new Set(letters.map(({ orderingKey: key }) => key)).size, 1);
    // Replayed: from the moment the store holds nothing of it, the document is free again, as soon as that is looked at.
    broken = false;
    const later = new Set<string>();
    await waitFor(
      () => {
        b.letters.clear();
        const event = testEvent({ sequence: events.length, id: 2 });
        events.push(event);
        later.add(event.id);
        return b.records.some(({ eventId }) => later.has(eventId));
      },
      { ...WAIT, intervalMs: 100, message: 'the document is delivered again' },
    );
    await b.end();
  });
}

test('park: what a step refuses stands behind what was on its way before it', async () => {
  const events = Array.from({ length: 8 }, (_, sequence) => testEvent({ sequence, id: sequence % 2 }));
  const step: Transform = {
    apply: (batch) => batch.map((envelope) => (envelope.event.id === events[4]?.id ? poison() : envelope)),
  };
  const before = () => delay(20);
  const definition = { onDeadLetter: 'park' } as const;
  const b = bench({ events, steps: [step], sink: { limits: { lanes: 2 }, before }, definition });
  await b.ended(8);
  await b.end();
  assert.deepEqual(codesOf(b.letters), [
    [events[4]?.id, 'test.poison'],
    [events[6]?.id, 'dead-letter.parked'],
  ]);
  assert.deepEqual(
    ids(b.records).toSorted(),
    [0, 1, 2, 3, 5, 7].map((n) => events[n]?.id),
  );
});

test('park: a letter keeps its reason when its event is read again', async () => {
  const events = Array.from({ length: 6 }, (_, sequence) => testEvent({ sequence, id: sequence % 2 }));
  let failures = 1;
  const step: Transform = {
    apply: (batch) => batch.map((envelope) => (envelope.event.id === events[0]?.id ? poison() : envelope)),
  };
  const before = (batch: readonly Envelope[]) => {
    if (batch.some(({ event }) => event.id === events[1]?.id) && failures-- > 0) throw transient();
  };
  const definition = { onDeadLetter: 'park' } as const;
  const b = bench({ events, steps: [step], sink: { limits: { lanes: 2 }, before }, definition });
  await b.ended(6);
  await b.end();
  assert.deepEqual(codesOf(b.letters), [
    [events[0]?.id, 'test.poison'],
    [events[2]?.id, 'dead-letter.parked'],
    [events[4]?.id, 'dead-letter.parked'],
  ]);
});

test('a failed attempt is over only when no lane writes any more', async () => {
  const events = Array.from({ length: 40 }, (_, sequence) => testEvent({ sequence, id: sequence }));
  let failures = 1;
  let writing = 0;
  let open = false;
  const during: number[] = [];
  const before = async (batch: readonly Envelope[]) => {
    if (failures > 0 && batch.some(({ event }) => event.id === events[0]?.id)) {
      failures -= 1;
      throw transient();
    }
    writing += 1;
    await delay(30);
    writing -= 1;
  };
  const openSink = async () => {
    if (open) during.push(writing);
    open = true;
    return memorySink(b.records, contractFormat, { limits: { lanes: 4 }, before });
  };
  const b = bench({ events, definition: { openSink } });
  await b.ended(40);
  await b.end();
  assert.deepEqual(during, [0], 'the next attempt opens when the lanes are quiet');
});

test('nothing is written that the source says is no longer ours', async () => {
  const events = [testEvent()];
  let owned = false;
  let refusals = 0;
  const openSource = async () => ({
    ...memorySource(events),
    ensureOwned() {
      if (owned) return;
      refusals += 1;
      throw transient();
    },
  });
  const b = bench({ events, definition: { openSource } });
  await waitFor(() => refusals > 1, { ...WAIT, message: 'it was refused' });
  assert.deepEqual(b.records, []);
  owned = true;
  await b.ended(1);
  await b.end();
});

test('parked documents are still parked after a restart', async () => {
  const events = Array.from({ length: 20 }, (_, sequence) => testEvent({ sequence, id: sequence % 2 }));
  const step: Transform = {
    apply: (batch) => batch.map((envelope) => (envelope.event.id === events[3]?.id ? poison() : envelope)),
  };
  const first = bench({ events: events.slice(0, 4), steps: [step], definition: { onDeadLetter: 'park' } });
  await first.ended(4);
  await first.end();
  const second = bench({ events: events.slice(4), letters: first.letters, definition: { onDeadLetter: 'park' } });
  await second.ended(16);
  await second.end();
  assert.deepEqual(
    ids(second.records),
    events
      .slice(4)
      .filter((_, n) => n % 2 === 0)
      .map(({ id }) => id),
  );
  assert.equal(first.letters.size, 9);
});

test('a source that keeps its own position is told the floor, and checkpoints go to it', async () => {
  const events = Array.from({ length: 50 }, (_, sequence) => testEvent({ sequence }));
  const floors: Position[] = [];
  const saved: Position[] = [];
  const checkpoints: CheckpointStore = {
    claim: async () => ({ epoch: 0, checkpoint: undefined }),
    save: async ({ position }) => void saved.push(position),
    [Symbol.asyncDispose]: async () => {},
  };
  const openSource = async () => ({
    ...memorySource(events),
    checkpoints,
    acknowledged: (position: Position) => void floors.push(position),
    offsets: () => [{ part: 'orders/0', offset: 7, end: 9 }],
  });
  const b = bench({ events, definition: { openSource, openCheckpoints: undefined } });
  await b.ended(50);
  assert.deepEqual(b.pipeline.status().sourceOffsets, [{ part: 'orders/0', offset: 7, end: 9 }]);
  await b.end();
  assert.deepEqual(floors.at(-1), events.at(-1)?.position);
  assert.deepEqual(saved.at(-1), events.at(-1)?.position);
});
