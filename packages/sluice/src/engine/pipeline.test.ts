import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { SluiceError } from '../core/failure.ts';
import { silentLogger } from '../core/logger.ts';
import type { SnapshotStatus } from '../core/snapshot.ts';
import type { Source } from '../core/source.ts';
import type { PipelineStatus } from '../core/status.ts';
import { noTelemetry } from '../core/telemetry.ts';
import { contractFormat } from '../testing/contracts/sink.ts';
import { orderingKey, testEvent, testPosition } from '../testing/events.ts';
import { type MemoryRecord, type MemorySinkOptions, memorySink } from '../testing/memory-sink.ts';
import { type MemorySourceOptions, memorySource } from '../testing/memory-source.ts';
import { checkpointPlace, memoryCheckpointStore, memoryDeadLetters } from '../testing/memory-stores.ts';
import { testRandom } from '../testing/random.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import type { PipelineDefinition, PipelineSettings } from './pipeline-definition.ts';

const transient = (message: string) => new SluiceError(message, { kind: 'transient', code: 'test.transient' });

interface Bench {
  readonly events: ChangeEvent[];
  readonly records: MemoryRecord[];
  readonly place: ReturnType<typeof checkpointPlace>;
  readonly letters: Map<string, DeadLetter>;
  readonly stop: AbortController;
  readonly abort: AbortController;
  readonly pipeline: Pipeline;
  run(): Promise<PipelineStatus>;
}

interface BenchOptions {
  readonly count?: number;
  readonly source?: MemorySourceOptions;
  readonly sink?: MemorySinkOptions;
  readonly settings?: Partial<PipelineSettings>;
  readonly events?: ChangeEvent[];
  readonly deadLetters?: boolean;
  readonly window?: Source['window'];
  readonly wrap?: (source: Source) => Source;
  readonly beforeSave?: () => void | Promise<void>;
  readonly place?: ReturnType<typeof checkpointPlace>;
}

/** Every pipeline of a test that failed half-way is aborted, so that it cannot keep the process alive. */
const open: AbortController[] = [];
afterEach(() => {
  for (const controller of open.splice(0)) controller.abort();
});

function bench(options: BenchOptions = {}): Bench {
  const events =
    options.events ?? Array.from({ length: options.count ?? 100 }, (_, n) => testEvent({ sequence: n, id: n % 7 }));
  const records: MemoryRecord[] = [];
  const place = options.place ?? checkpointPlace();
  const letters = new Map<string, DeadLetter>();
  const settings = {
    intervalMs: 5,
    idleIntervalMs: 20,
    inFlightBytes: 1_000_000,
    stallAfterMs: 50,
    backoff: { minMs: 1, maxMs: 5 },
    drainTimeoutMs: 30_000,
    ...options.settings,
  };
  const definition: PipelineDefinition = {
    name: 'test',
    partition: 'test/0',
    sourceName: 'memory',
    sinkName: 'memory',
    delivery: 'at-least-once',
    settings,
    openSource: async () => {
      const source = { ...memorySource(events, options.source), ...(options.window && { window: options.window }) };
      return options.wrap === undefined ? source : options.wrap(source);
    },
    openSink: async () => memorySink(records, contractFormat, options.sink),
    openCheckpoints: async () => memoryCheckpointStore(place, options.beforeSave),
    ...(options.deadLetters === false ? {} : { openDeadLetters: async () => memoryDeadLetters(letters) }),
    orderingKey,
    describeKey: () => 'key',
  };
  const pipeline = createPipeline(definition, { logger: silentLogger, telemetry: noTelemetry });
  const [stop, abort] = [new AbortController(), new AbortController()];
  open.push(abort);
  const run = () => pipeline.run({ stop: stop.signal, abort: abort.signal });
  return { events, records, place, letters, stop, abort, pipeline, run };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited too long until ${what}`);
    await delay(2);
  }
}

const ids = (records: readonly MemoryRecord[]) => records.map(({ eventId }) => eventId);
const eventIds = (events: readonly ChangeEvent[]) => events.map(({ id }) => id);

test('every event arrives once, in order, and a stop leaves the checkpoint at the last acknowledgement', async () => {
  const b = bench({ count: 500 });
  const running = b.run();
  await until(() => b.records.length === 500, 'all events arrived');
  b.stop.abort();
  const status = await running;
  assert.equal(status.state, 'stopped');
  assert.deepEqual(ids(b.records), eventIds(b.events));
  assert.deepEqual(b.place.checkpoints.get('test/0')?.position, testPosition(499));
  assert.deepEqual(status.counts, { read: 500, delivered: 500, filtered: 0, deadLettered: 0, reread: 0 });
  assert.equal(status.lagEvents, 0);
});

test('a restart continues behind the checkpoint', async () => {
  const first = bench({ count: 40, source: { endless: false } });
  await first.run();
  const events = Array.from({ length: 60 }, (_, n) => testEvent({ sequence: n, id: n % 7 }));
  const second = bench({ events, place: first.place, source: { endless: false } });
  await second.run();
  assert.deepEqual(ids(second.records), eventIds(events.slice(40)));
});

test('a stop drains what was read', async () => {
  const b = bench({ count: 1_000, sink: { before: () => delay(5) } });
  const running = b.run();
  await until(() => b.records.length > 0, 'something arrived');
  b.stop.abort();
  const status = await running;
  assert.equal(status.state, 'stopped');
  assert.deepEqual(b.place.checkpoints.get('test/0')?.position, testPosition(b.records.length - 1));
  assert.deepEqual(ids(b.records), eventIds(b.events.slice(0, b.records.length)));
});

test('a drain that takes too long is given up, and the checkpoint stays behind what was acknowledged', async () => {
  const hang = (_: unknown, { signal }: { signal: AbortSignal }) => delay(60_000, undefined, { signal });
  const b = bench({ sink: { before: hang }, settings: { drainTimeoutMs: 20 } });
  const running = b.run();
  await until(() => b.pipeline.status().lagEvents > 0, 'something is in flight');
  b.stop.abort();
  const status = await running;
  assert.deepEqual([status.state, status.error?.code], ['stopped', 'pipeline.drain-timeout']);
  assert.equal(b.place.checkpoints.get('test/0'), undefined);
});

test('an abort ends at once', async () => {
  const hang = (_: unknown, { signal }: { signal: AbortSignal }) => delay(60_000, undefined, { signal });
  const b = bench({ sink: { before: hang } });
  const running = b.run();
  await until(() => b.pipeline.status().lagEvents > 0, 'something is in flight');
  b.abort.abort();
  assert.equal((await running).state, 'stopped');
});

test('transient failures are retried for ever and nothing is lost or reordered', async (t) => {
  const random = testRandom(t);
  let failures = 0;
  const b = bench({
    count: 300,
    sink: {
      before() {
        if (failures < 25 && random.chance(0.5)) {
          failures += 1;
          throw transient('the sink is away');
        }
      },
    },
  });
  const running = b.run();
  await until(() => b.records.length === 300, 'all events arrived');
  b.stop.abort();
  const status = await running;
  assert.deepEqual(ids(b.records), eventIds(b.events));
  assert.equal(status.counts.read, 300);
  assert.equal(status.state, 'stopped');
});

test('a lost acknowledgement repeats only what was in flight', async () => {
  let lost = false;
  const b = bench({
    count: 100,
    sink: {
      limits: { records: 10 },
      after() {
        if (b.records.length === 50 && !lost) {
          lost = true;
          throw transient('the acknowledgement was lost');
        }
      },
    },
  });
  const running = b.run();
  await until(() => b.pipeline.status().counts.delivered === 100, 'all events were acknowledged');
  b.stop.abort();
  await running;
  const expected = eventIds(b.events);
  assert.deepEqual(ids(b.records), [...expected.slice(0, 50), ...expected.slice(40)]);
  assert.ok(b.pipeline.status().counts.reread >= 10);
});

test('a failing source is reopened behind what was read', async () => {
  let opened = 0;
  const b = bench({
    count: 200,
    source: {
      before(yielded) {
        if (yielded >= 30 && opened < 5) {
          opened += 1;
          throw transient('the source is away');
        }
      },
    },
  });
  const running = b.run();
  await until(() => b.records.length === 200, 'all events arrived');
  b.stop.abort();
  await running;
  assert.deepEqual(ids(b.records), eventIds(b.events));
});

for (const kind of ['config', 'internal', 'fenced', 'position-lost'] as const) {
  test(`a failure of kind ${kind} ends the pipeline and stays visible`, async () => {
    const failing = () => {
      throw new SluiceError('no way', { kind, code: 'test.final', hint: 'do something' });
    };
    const b = bench({ source: { before: failing } });
    const status = await b.run();
    assert.equal(status.state, 'failed');
    assert.deepEqual(
      [status.error?.kind, status.error?.code, status.error?.hint],
      [kind, 'test.final', 'do something'],
    );
  });
}

test('an unknown error stops the pipeline loudly', async () => {
  const b = bench({
    sink: {
      before() {
        throw new TypeError('oops');
      },
    },
  });
  const status = await b.run();
  assert.equal(status.state, 'failed');
  assert.equal(status.error?.kind, 'internal');
});

test('a poison event is dead-lettered, the next is delivered, and the accounts balance', async () => {
  const events = Array.from({ length: 30 }, (_, n) =>
    testEvent({ sequence: n, document: n === 13 ? { poison: 1 } : {} }),
  );
  events[20] = testEvent({ sequence: 20, op: 'drop' });
  const b = bench({ events, source: { endless: false } });
  const status = await b.run();
  assert.deepEqual(status.counts, { read: 30, delivered: 28, filtered: 1, deadLettered: 1, reread: 0 });
  const [letter] = b.letters.values();
  assert.equal(letter?.id, events[13]?.id);
  assert.equal(letter?.code, 'test.poison');
  assert.deepEqual(letter?.raw, events[13]?.raw);
});

test('without a dead-letter destination a poison event stops the pipeline before its checkpoint', async () => {
  const events = [testEvent({ sequence: 0 }), testEvent({ sequence: 1, document: { poison: 1 } })];
  const b = bench({ events, deadLetters: false, source: { batchEvents: 1 }, sink: { limits: { records: 1 } } });
  const status = await b.run();
  assert.equal(status.error?.code, 'dead-letter.none-configured');
  assert.ok((b.place.checkpoints.get('test/0')?.position.token ?? '') < testPosition(1).token);
});

test('a newer owner fences this one', async () => {
  const b = bench({ count: 10 });
  const running = b.run();
  await until(() => b.records.length === 10, 'all events arrived');
  await memoryCheckpointStore(b.place).claim('test/0', b.stop.signal);
  b.events.push(testEvent({ sequence: 10 }));
  const status = await running;
  assert.equal(status.error?.kind, 'fenced');
});

test('bytes in flight are bounded by the budget', async () => {
  const events = Array.from({ length: 400 }, (_, n) =>
    testEvent({ sequence: n, document: { pad: 'x'.repeat(1_000) } }),
  );
  let most = 0;
  const b = bench({
    events,
    settings: { inFlightBytes: 50_000 },
    source: { batchEvents: 10 },
    sink: {
      async before() {
        most = Math.max(most, b.pipeline.status().inFlightBytes);
        await delay(1);
      },
    },
  });
  const running = b.run();
  await until(() => b.records.length === 400, 'all events arrived');
  b.stop.abort();
  await running;
  assert.ok(most > 10_000 && most <= 50_000, `at most ${most} bytes were in flight`);
});

test('a quiet stream saves its position at the idle interval, not at every heartbeat', async () => {
  const b = bench({ count: 1, settings: { intervalMs: 1, idleIntervalMs: 60_000 } });
  const running = b.run();
  await until(() => b.place.saves > 0, 'the first checkpoint');
  await delay(60);
  assert.equal(b.place.saves, 1);
  b.stop.abort();
  await running;
});

test('when the checkpoint store is away the pipeline retries and repeats nothing', async () => {
  let away = true;
  const beforeSave = () => {
    if (away) throw transient('the store is away');
  };
  // An attempt that ran for longer than the longest wait would count as a success.
  const b = bench({ count: 50, beforeSave, settings: { backoff: { minMs: 1, maxMs: 10_000 } } });
  const running = b.run();
  await until(() => b.pipeline.status().retries >= 3, 'it retried');
  away = false;
  await until(() => b.place.checkpoints.size > 0, 'a checkpoint');
  b.stop.abort();
  await running;
  assert.deepEqual(ids(b.records), eventIds(b.events));
});

test('what happens after "running" is never missed, also when the first checkpoint failed', async () => {
  let saves = 0;
  const beforeSave = () => {
    saves += 1;
    if (saves === 1) throw transient('the store is away');
  };
  const b = bench({ count: 1, source: { fromNow: true }, beforeSave });
  const running = b.run();
  await until(() => b.pipeline.status().state === 'running', 'it runs');
  assert.ok(b.place.checkpoints.has('test/0'), 'its first position is durable before it says so');
  b.events.push(testEvent({ sequence: 1 }));
  await until(() => b.records.length === 1, 'the change arrived');
  assert.equal(b.pipeline.status().error, undefined, 'what is over is not shown any more');
  b.stop.abort();
  await running;
});

test('a failing look at the window of the source disturbs nothing', async () => {
  const b = bench({ count: 50, window: () => Promise.reject(transient('the oplog is slow')) });
  const running = b.run();
  await until(() => b.records.length === 50, 'all events arrived');
  b.stop.abort();
  assert.equal((await running).retries, 0);
});

test('a sink that hangs shows as stalled, and lag grows', async () => {
  const hang = (_: unknown, { signal }: { signal: AbortSignal }) => delay(60_000, undefined, { signal });
  const b = bench({ sink: { before: hang }, settings: { stallAfterMs: 30 } });
  const running = b.run();
  await until(() => b.pipeline.status().stalled, 'it is stalled');
  assert.ok((b.pipeline.status().lagMs ?? 0) > 0);
  b.abort.abort();
  await running;
});

test('a pipeline that failed does not claim to be caught up', async () => {
  const failing = () => {
    throw new SluiceError('no way', { kind: 'config', code: 'test.final' });
  };
  const unknown = bench({ source: { before: failing } });
  assert.equal((await unknown.run()).lagMs, undefined);
  const b = bench({ count: 10, source: { before: (yielded) => (yielded === 10 ? failing() : undefined) } });
  const { lagMs, acknowledged } = await b.run();
  assert.ok(acknowledged !== undefined && lagMs !== undefined && lagMs > Date.now() - acknowledged.t * 1000 - 60_000);
});

test('a caught-up stream has no lag and is not stalled', async () => {
  const b = bench({ count: 5, settings: { stallAfterMs: 30_000 } });
  const running = b.run();
  const caughtUp = ({ lagMs, counts }: PipelineStatus) => lagMs === 0 && counts.delivered === 5;
  await until(() => caughtUp(b.pipeline.status()), 'lag is zero');
  assert.equal(b.pipeline.status().stalled, false);
  assert.equal(b.pipeline.status().state, 'running');
  b.stop.abort();
  await running;
});

/** The source with a state that every command makes one revision newer. */
function withCommands(source: Source): Source {
  let revision = 0;
  const status = snapshotStatus;
  return {
    ...source,
    async *read(from, signal) {
      for await (const batch of source.read(from, signal)) {
        yield revision === 0 ? batch : { ...batch, position: { ...batch.position, state: { revision, text: '{}' } } };
      }
    },
    snapshots: {
      status: () => (revision === 0 ? undefined : status),
      command: async () => {
        revision += 1;
        return { status, revision };
      },
    },
  };
}

const snapshotStatus: SnapshotStatus = {
  reason: 'on-demand',
  state: 'copying',
  waitsFor: undefined,
  startedAtMs: 0,
  endedAtMs: undefined,
  error: undefined,
  rows: 0,
  bytes: 0,
  estimatedRows: undefined,
  percent: undefined,
  rowsPerSecond: 0,
  etaSeconds: undefined,
  collections: [],
};
const never = new AbortController().signal;

test('a command for a snapshot is answered once a checkpoint includes it, on a quiet stream soon', async () => {
  const settings = { intervalMs: 5, idleIntervalMs: 60_000 };
  const b = bench({ count: 5, wrap: withCommands, settings });
  const running = b.run();
  await until(() => b.records.length === 5, 'the stream is quiet');
  const [first, second] = [
    b.pipeline.snapshot({ action: 'pause' }, never),
    b.pipeline.snapshot({ action: 'resume' }, never),
  ];
  assert.equal(await first, snapshotStatus);
  await second;
  assert.equal(b.place.checkpoints.get('test/0')?.position.state?.revision, 2);
  assert.equal(b.pipeline.status().snapshot, snapshotStatus);
  b.stop.abort();
  assert.equal((await running).snapshot, snapshotStatus, 'it is still known when nothing runs any more');
});

test('a command is refused by a source without snapshots, and by a pipeline that does not run', async () => {
  const b = bench({ count: 5 });
  await assert.rejects(b.pipeline.snapshot({ action: 'pause' }, never), { code: 'pipeline.not-running' });
  const running = b.run();
  await until(() => b.records.length === 5, 'it runs');
  await assert.rejects(b.pipeline.snapshot({ action: 'pause' }, never), { code: 'snapshot.not-supported' });
  b.stop.abort();
  await running;
});

test('a command that is not durable when the pipeline stops is not answered as if it were', async () => {
  const settings = { intervalMs: 60_000, idleIntervalMs: 60_000 };
  const b = bench({ count: 5, wrap: withCommands, settings, beforeSave: () => delay(1) });
  const running = b.run();
  await until(() => b.records.length === 5, 'it runs');
  const command = b.pipeline.snapshot({ action: 'pause' }, never);
  const refused = assert.rejects(command, { code: 'pipeline.not-running' });
  await delay(20);
  b.abort.abort();
  await running;
  await refused;
});

test('a sink that breaks while nothing is written fails the attempt, and is opened again', async () => {
  const breaking: PromiseWithResolvers<SluiceError>[] = [];
  const broken = () => {
    breaking.push(Promise.withResolvers());
    return breaking.at(-1)!.promise;
  };
  const b = bench({ count: 5, sink: { broken }, settings: { backoff: { minMs: 100, maxMs: 100 } } });
  const running = b.run();
  await until(() => b.records.length === 5, 'the stream is quiet');
  breaking[0]?.resolve(transient('the connection is lost'));
  await until(() => b.pipeline.status().error?.message === 'the connection is lost', 'it is noticed');
  await until(() => breaking.length === 2 && b.pipeline.status().state === 'running', 'it runs again');
  b.stop.abort();
  assert.equal((await running).state, 'stopped');
  breaking[1]?.resolve(transient('too late to matter'));
});
