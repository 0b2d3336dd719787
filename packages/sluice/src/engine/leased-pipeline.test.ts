import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import { SluiceError } from '../core/failure.ts';
import { type Logger, silentLogger } from '../core/logger.ts';
import { noTelemetry } from '../core/telemetry.ts';
import { contractFormat } from '../testing/contracts/sink.ts';
import { orderingKey, testEvent, testPosition } from '../testing/events.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { type MemoryRecord, type MemorySinkOptions, memorySink } from '../testing/memory-sink.ts';
import { memorySource } from '../testing/memory-source.ts';
import { checkpointPlace, type LeasePlace, memoryCheckpointStore, memoryLeaseStore } from '../testing/memory-stores.ts';
import { STANDBY_LOOKS_EVERY_MS } from './ownership.ts';
import { createPipeline } from './pipeline.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';

/*
 * Several processes that run one pipeline, each a pipeline of its own over the same places. Leases are counted by a
 * clock that the test moves; everything else runs in real time.
 */

const TTL_MS = 15_000;
const transient = (message: string) => new SluiceError(message, { kind: 'transient', code: 'test.transient' });

interface InstanceOptions {
  readonly sink?: MemorySinkOptions;
  readonly beforeLease?: (call: 'take' | 'renew' | 'release') => void | Promise<void>;
  readonly check?: PipelineDefinition['check'];
  readonly logger?: Logger;
}

let clock: FakeClock;
let leases: LeasePlace;
let events: ChangeEvent[];
let records: MemoryRecord[];
let place: ReturnType<typeof checkpointPlace>;
/** What happened at the places, in order. */
let log: string[];
let running: AbortController[];

beforeEach(() => {
  clock = new FakeClock();
  leases = { clock, leases: new Map() };
  events = [];
  records = [];
  place = checkpointPlace();
  log = [];
  running = [];
});
afterEach(() => {
  for (const controller of running) controller.abort();
});

const settings = {
  intervalMs: 5,
  idleIntervalMs: 20,
  inFlightBytes: 1_000_000,
  stallAfterMs: 5_000,
  // An attempt that ran for longer than the longest wait counts as a success, and its failure as the first one.
  backoff: { minMs: 1, maxMs: 50 },
  drainTimeoutMs: 30_000,
};

function start(name: string, options: InstanceOptions = {}) {
  const note = (what: string) => void log.push(`${name} ${what}`);
  const definition: PipelineDefinition = {
    name: 'test',
    partition: 'test/0',
    sourceName: 'memory',
    sinkName: 'memory',
    delivery: 'at-least-once',
    settings,
    lease: {
      ttlMs: TTL_MS,
      holder: { id: name, name },
      open: async () =>
        memoryLeaseStore(leases, (call) => {
          if (call === 'release') note(call);
          return options.beforeLease?.(call);
        }),
    },
    openSource: async () => memorySource(events),
    openSink: async () => {
      note('opens');
      const sink = memorySink(records, contractFormat, options.sink);
      return { ...sink, [Symbol.asyncDispose]: async () => note('closes') };
    },
    openCheckpoints: async () => memoryCheckpointStore(place, () => note('saves')),
    orderingKey,
    describeKey: () => 'key',
    check: options.check,
  };
  const logger = options.logger ?? silentLogger;
  const pipeline = createPipeline(definition, { logger, telemetry: noTelemetry, clock });
  const [stop, abort] = [new AbortController(), new AbortController()];
  running.push(abort);
  const ended = pipeline.run({ stop: stop.signal, abort: abort.signal });
  return { pipeline, stop, abort, ended, status: () => pipeline.status() };
}

type Started = ReturnType<typeof start>;

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited too long until ${what}`);
    await delay(2);
  }
}

const untilState = ({ status }: Started, state: string) => until(() => status().state === state, `it is ${state}`);

function add(count: number): void {
  for (let n = 0; n < count; n++) events.push(testEvent({ sequence: events.length, id: events.length % 7 }));
}

const arrived = (count: number) => until(() => records.length >= count, `${count} records arrived`);
const savedUpTo = (sequence: number) => {
  const { token } = testPosition(sequence);
  return until(() => place.checkpoints.get('test/0')?.position.token === token, `event ${sequence} is saved`);
};
const assertDelivered = () =>
  assert.deepEqual(
    records.map(({ eventId }) => eventId),
    events.map(({ id }) => id),
  );

test('one owns the pipeline, the other waits and opens nothing, and both say who', async () => {
  add(10);
  const a = start('a');
  await arrived(10);
  const b = start('b');
  await untilState(b, 'standby');
  const lease = { owner: 'a', epoch: 1 };
  assert.deepEqual({ ...a.status().lease, expiresAtMs: 0 }, { ...lease, owned: true, expiresAtMs: 0 });
  assert.deepEqual({ ...b.status().lease, expiresAtMs: 0 }, { ...lease, owned: false, expiresAtMs: 0 });
  const { lagMs, headroomSeconds, error } = b.status();
  assert.deepEqual([lagMs, headroomSeconds, error], [undefined, undefined, undefined]);
  assert.ok(!log.includes('b opens'));
  for (let look = 0; look < 10; look++) await clock.advance(TTL_MS / 3);
  assert.equal(a.status().state, 'running', 'renewals keep it');
  assert.equal(b.status().state, 'standby');
  assert.equal(a.status().lease?.epoch, 1);
});

test('hand-over: drain, save, close, release; then the next one continues behind the checkpoint', async () => {
  add(300);
  const a = start('a', { sink: { before: () => delay(2) } });
  await untilState(a, 'running');
  const b = start('b');
  await untilState(b, 'standby');
  await arrived(50);
  a.stop.abort();
  assert.equal((await a.ended).state, 'stopped');
  const handedOver = records.length;
  assert.deepEqual(log.slice(-3), ['a saves', 'a closes', 'a release']);
  assert.deepEqual(place.checkpoints.get('test/0')?.position, testPosition(handedOver - 1));
  await clock.advance(STANDBY_LOOKS_EVERY_MS);
  await untilState(b, 'running');
  await arrived(300);
  assertDelivered();
  assert.equal(b.status().lease?.epoch, 2);
});

test('who cannot renew writes nothing after half of the lease, long before another one can take it', async () => {
  let away = false;
  const beforeLease = () => {
    if (away) throw transient('the store is away');
  };
  const a = start('a', { beforeLease });
  add(5);
  await arrived(5);
  await clock.advance(TTL_MS / 3);
  away = true;
  await clock.advance(TTL_MS / 2 - 1);
  add(5);
  await arrived(10);
  await savedUpTo(9);
  assert.equal(a.status().state, 'running');
  await clock.advance(1);
  await untilState(a, 'backing-off');
  assert.equal(a.status().error?.code, 'test.transient');
  add(5);
  const b = start('b');
  await untilState(b, 'standby');
  await clock.advance(TTL_MS / 2 - 1);
  assert.equal(b.status().state, 'standby', 'the lease has not run out yet');
  assert.equal(records.length, 10);
  await clock.advance(2);
  await untilState(b, 'running');
  await arrived(15);
  away = false;
  await untilState(a, 'standby');
  assertDelivered();
});

test('an owner that was paused past the take-over writes nothing, even before any timer has fired', async () => {
  const a = start('a');
  add(5);
  await arrived(5);
  await savedUpTo(4);
  leases.leases.set('test/0', { holder: { id: 'b', name: 'b' }, epoch: 2, expiresAtMs: 10 * TTL_MS });
  clock.jump(2 * TTL_MS);
  add(5);
  // Not by its status, for that looks at the clock too.
  await until(() => log.includes('a closes'), 'the attempt has ended');
  assert.equal(records.length, 5);
  await untilState(a, 'standby');
  assert.equal(a.status().lease?.owner, 'b');
  assert.equal(a.status().error, undefined, 'nothing is wrong with it');
});

test('a lease that another one has taken is noticed with the next renewal', async () => {
  const a = start('a');
  add(1);
  await arrived(1);
  leases.leases.set('test/0', { holder: { id: 'b', name: 'b' }, epoch: 2, expiresAtMs: 10 * TTL_MS });
  await clock.advance(TTL_MS / 3);
  await untilState(a, 'standby');
});

test('an owner that was killed is followed when its lease has run out', async () => {
  add(20);
  const a = start('a');
  await arrived(20);
  const b = start('b');
  await untilState(b, 'standby');
  a.abort.abort();
  await a.ended;
  assert.ok(!log.includes('a release'), 'what did not drain lets nobody in early');
  await clock.advance(TTL_MS - 1);
  assert.equal(b.status().state, 'standby');
  await clock.advance(2);
  await untilState(b, 'running');
});

test('an owner that is fenced at the sink goes on trying, for only it has the lease', async () => {
  let fences = 3;
  const before = () => {
    if (fences-- > 0) throw new SluiceError('somebody without the lease', { kind: 'fenced', code: 'test.fenced' });
  };
  add(10);
  const a = start('a', { sink: { before } });
  await arrived(10);
  assertDelivered();
  assert.equal(a.status().state, 'running');
});

test('who fails again and again lets another one try', async () => {
  const before = () => {
    throw transient('a cannot reach the sink');
  };
  const a = start('a', { sink: { before } });
  await until(() => a.status().lease?.owned === true, 'a owns it');
  const b = start('b');
  await untilState(b, 'standby');
  add(10);
  const deadline = Date.now() + 30_000;
  while (b.status().state === 'standby' && Date.now() < deadline) {
    await delay(5);
    await clock.advance(STANDBY_LOOKS_EVERY_MS);
  }
  await arrived(10);
  assertDelivered();
  assert.equal(b.status().lease?.owned, true);
});

test('a process that stops while it waits ends cleanly and leaves the owner alone', async () => {
  const a = start('a');
  add(1);
  await arrived(1);
  const b = start('b');
  await untilState(b, 'standby');
  b.stop.abort();
  assert.equal((await b.ended).state, 'stopped');
  await clock.advance(TTL_MS / 3);
  assert.equal(a.status().lease?.owned, true);
});

test('a process that begins to wait looks once at what it would need, and says what is wrong', async () => {
  const check = async () => {
    log.push('check');
    return [{ check: 'test.sink', level: 'error', message: 'no broker answers', fix: 'start one' } as const];
  };
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  add(1);
  start('a', { check });
  await arrived(1);
  assert.ok(!log.includes('check'), 'the owner finds out by itself');
  const b = start('b', { check, logger });
  await until(() => warnings.length > 0, 'it says so');
  await clock.advance(3 * STANDBY_LOOKS_EVERY_MS);
  assert.deepEqual(warnings, ['this process could not take over: no broker answers']);
  assert.equal(log.filter((what) => what === 'check').length, 1);
  assert.equal(b.status().state, 'standby');
});
