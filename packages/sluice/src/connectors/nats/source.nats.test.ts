import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { comparePositions } from '../../core/position.ts';
import { testNats } from '../../testing/servers/nats.ts';
import { startTcpProxy } from '../../testing/tcp-proxy.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { addStream, uniqueName, withStreams } from './sink-fixture.ts';
import { prepareStream, publish, range, startWorker, takeAway, type Worker } from './source-fixture.ts';

const servers = await testNats();
const options = { timeout: 300_000 };
const LIMIT = { timeoutMs: 60_000, message: 'it happens' };
/** Where a worker is to lose its pin, or to keep it for longer than this without reading. */
const PIN = { pinTimeout: '4s' };
const LONGER_THAN_PIN_MS = 10_000;
const DURABLE = 'sluice-test';

function read(worker: Worker, count: number): Promise<unknown> {
  const done = () => worker.error !== undefined || worker.messages.length >= count;
  return waitFor(done, { ...LIMIT, message: `${count} messages are read` });
}

function failed(worker: Worker): Promise<unknown> {
  return waitFor(() => worker.error !== undefined, { ...LIMIT, message: 'the reading ends' });
}

function owns({ source }: Worker): boolean {
  try {
    source.ensureOwned?.();
    return true;
  } catch (error) {
    assert.deepEqual(codeOf(error), ['transient', 'nats.pin-lost']);
    return false;
  }
}

function codeOf(error: unknown): readonly unknown[] {
  const { kind, code } = error as { kind?: string; code?: string };
  return [kind, code];
}

function consumerInfo(stream: string, durable = DURABLE) {
  return withStreams(servers, (manager) => manager.consumers.info(stream, durable));
}

test('messages come in stream order, as they are, and their positions grow', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 3000 });
  await using worker = await startWorker(settings);
  await read(worker, 3000);
  assert.equal(worker.error, undefined);
  assert.deepEqual(worker.numbers(), range(0, 3000));
  const { topic, place, sequence, key, headers } = worker.messages[4] ?? assert.fail();
  assert.deepEqual([topic, place, sequence, key], [`${stream}.a`, `${stream}@5`, 5, null]);
  assert.equal(Buffer.from(headers.get('one') ?? []).toString(), '1');
  const positions = worker.batches.flatMap((batch) => [...batch.events, batch]).map(({ position }) => position);
  assert.ok(positions.every((each, index) => index === 0 || comparePositions(positions[index - 1] ?? each, each) <= 0));
  assert.equal(worker.batches.find(({ events }) => events.length > 0)?.takenOver, true);
  await waitFor(() => worker.isCaughtUp, { ...LIMIT, message: 'it has caught up' });
  assert.deepEqual(worker.source.offsets?.(), [{ part: stream, offset: 3001, end: 3001 }]);
});

test('only what the sink has is acknowledged, and a new owner begins behind it', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 20 });
  {
    await using worker = await startWorker(settings, { acknowledge: false });
    await read(worker, 20);
    await worker.save();
    assert.equal((await consumerInfo(stream)).ack_floor.stream_seq, 0);
    worker.acknowledge(7);
    await worker.save();
    const { ack_floor, num_ack_pending } = await consumerInfo(stream);
    assert.deepEqual([ack_floor.stream_seq, num_ack_pending], [7, 13]);
  }
  await using next = await startWorker(settings);
  await read(next, 13);
  assert.deepEqual(next.numbers(), range(7, 20));
});

test('a sink that takes longer than the acknowledgement may gets nothing twice', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 10 });
  let stalls = 0;
  const write = async () => {
    if (worker.messages.length <= 10 || stalls > 0) return;
    stalls += 1;
    await delay(13_000);
  };
  // Meanwhile there is no room for another message. The times leave this process room to stand still for a moment.
  const narrow = { ...settings, ackWait: '6s', pinTimeout: '6s', readAheadMessages: 20 };
  await using worker = await startWorker(narrow, { write });
  await read(worker, 10);
  await publish(servers, stream, { from: 10, to: 100 });
  await read(worker, 100);
  await waitFor(async () => (await consumerInfo(stream)).num_ack_pending === 0, { ...LIMIT, message: 'all is done' });
  assert.equal((await consumerInfo(stream)).delivered.consumer_seq, 100, 'each was delivered once');
  await publish(servers, stream, { from: 100, to: 101 });
  await read(worker, 101);
  assert.equal(worker.error, undefined, 'the pin has stayed');
  assert.deepEqual(worker.numbers(), range(0, 101));
});

test('what a dead owner had comes first, in order, before anything newer', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 50 });
  await using proxy = await startTcpProxy(Number(servers[0]?.split(':').at(-1)));
  const dead = await startWorker({ ...settings, ...PIN, servers: [proxy.address] }, { acknowledge: false });
  await read(dead, 50);
  dead.acknowledge(10);
  await dead.save();
  proxy.cut();
  await failed(dead);
  await dead[Symbol.asyncDispose]();
  assert.equal((dead.error as { kind?: string } | undefined)?.kind, 'transient');
  await publish(servers, stream, { from: 50, to: 120 });
  await using next = await startWorker({ ...settings, ...PIN });
  await read(next, 110);
  assert.deepEqual(next.numbers(), range(10, 120));
  const { delivered } = await consumerInfo(stream);
  assert.ok(delivered.consumer_seq > 120, 'the server has delivered some a second time');
});

test('two workers share the partitions, and one takes over those of the other', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  const shared = { ...settings, ...PIN, partitions: [[`${stream}.a`], [`${stream}.b`, `${stream}.c`]] };
  await using proxy = await startTcpProxy(Number(servers[0]?.split(':').at(-1)));
  const first = await startWorker({ ...shared, servers: [proxy.address] });
  await publish(servers, stream, { subject: 'a', to: 30 });
  await read(first, 30);
  await using second = await startWorker(shared);
  await publish(servers, stream, { subject: 'a', from: 30, to: 60 });
  await read(first, 60);
  assert.deepEqual(first.numbers('a'), range(0, 60));
  assert.deepEqual(second.numbers('a'), [], 'one owner at a time');
  await publish(servers, stream, { subject: 'b', to: 20 });
  await waitFor(() => first.numbers('b').length + second.numbers('b').length === 20, LIMIT);
  assert.ok(first.numbers('b').length === 0 || second.numbers('b').length === 0);
  const parts = [...(first.source.offsets?.() ?? []), ...(second.source.offsets?.() ?? [])].map(({ part }) => part);
  assert.ok(parts.includes(`${stream}/0`) && parts.includes(`${stream}/1`));
  await waitFor(async () => (await consumerInfo(stream, `${DURABLE}-0`)).num_ack_pending === 0, LIMIT);
  proxy.cut();
  await failed(first);
  await first[Symbol.asyncDispose]();
  await publish(servers, stream, { subject: 'a', from: 60, to: 90 });
  await publish(servers, stream, { subject: 'c', to: 10 });
  await waitFor(() => second.numbers('a').length >= 30 && second.numbers('c').length >= 10, LIMIT);
  assert.equal(second.error, undefined);
  assert.deepEqual(second.numbers('a'), range(60, 90));
  assert.deepEqual(second.numbers('c'), range(0, 10));
});

test('a worker that stops lets the next one begin at once, where it was', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 100 });
  // With these a hand-over that waits for either of them does not end in time.
  const slow = { ...settings, ackWait: '1h', pinTimeout: '10m' };
  const first = await startWorker(slow, { acknowledge: false });
  await read(first, 100);
  await using second = await startWorker(slow);
  first.acknowledge(60);
  await first[Symbol.asyncDispose]();
  await publish(servers, stream, { from: 100, to: 130 });
  await read(second, 70);
  assert.deepEqual(second.numbers(), range(60, 130));
});

test('a worker that loses its pin acknowledges nothing more, and the next one begins with that', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 10 });
  await using first = await startWorker(settings, { acknowledge: false });
  await read(first, 10);
  await using second = await startWorker(settings);
  await withStreams(servers, (manager) => manager.consumers.unpin(stream, DURABLE, 'sluice'));
  await publish(servers, stream, { from: 10, to: 12 });
  await failed(first);
  const { kind, code } = first.error as { kind?: string; code?: string };
  assert.deepEqual([kind, code], ['transient', 'nats.pin-lost']);
  first.acknowledge();
  await first.save();
  await first[Symbol.asyncDispose]();
  await read(second, 12);
  assert.equal(second.error, undefined, 'the first one has not taken its pin away');
  assert.deepEqual(second.numbers(), range(0, 12));
});

test('a worker that was cut off owns nothing any more when it is back, and acknowledges nothing', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 50 });
  await using proxy = await startTcpProxy(Number(servers[0]?.split(':').at(-1)));
  const short = { ...settings, ...PIN };
  await using first = await startWorker({ ...short, servers: [proxy.address] }, { acknowledge: false });
  await read(first, 50);
  first.acknowledge(10);
  await first.save();
  await waitFor(() => owns(first), { ...LIMIT, message: 'its pin is certain' });
  proxy.blackhole();
  await waitFor(() => !owns(first), { ...LIMIT, message: 'what it has in flight counts as lost' });
  await failed(first);
  await using second = await startWorker(short, { acknowledge: false });
  await read(second, 40);
  proxy.heal();
  first.acknowledge();
  await first.save();
  assert.equal(owns(first), false);
  assert.deepEqual(codeOf(first.error), ['transient', 'nats.pin-lost']);
  await first[Symbol.asyncDispose]();
  const { ack_floor, num_ack_pending } = await consumerInfo(stream);
  assert.deepEqual([ack_floor.stream_seq, num_ack_pending], [10, 40]);
  await publish(servers, stream, { from: 50, to: 60 });
  await read(second, 50);
  assert.equal(second.error, undefined, 'its pin was not taken away either');
  assert.deepEqual(second.numbers(), range(10, 60));
});

test('the pin is certain also while the server may deliver nothing', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 30 });
  const narrow = { ...settings, ...PIN, maxAckPending: 10, readAheadMessages: 5 };
  await using worker = await startWorker(narrow, { acknowledge: false });
  await read(worker, 10);
  await delay(LONGER_THAN_PIN_MS);
  // One sign of life may be late; a pin that has run out once is not certain again.
  await waitFor(() => owns(worker), { ...LIMIT, message: 'its pin is certain' });
  worker.acknowledge();
  await worker.save();
  await read(worker, 20);
  assert.equal(worker.error, undefined);
  assert.deepEqual(worker.numbers(), range(0, 20));
});

test('what is behind a delivery that was lost waits until it has come again', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 10 });
  await using worker = await startWorker(settings);
  await read(worker, 10);
  const lost = await takeAway(servers, { stream, durable: DURABLE, count: 2 }, () =>
    publish(servers, stream, { from: 10, to: 100 }),
  );
  assert.equal(lost.length, 2);
  await read(worker, 100);
  assert.equal(worker.error, undefined);
  assert.deepEqual(worker.numbers(), range(0, 100));
  await waitFor(async () => (await consumerInfo(stream)).num_ack_pending === 0, LIMIT);
  await waitFor(() => worker.isCaughtUp, { ...LIMIT, message: 'it has caught up' });
});

test('a consumer with other settings is refused by what is different', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await (await startWorker(settings))[Symbol.asyncDispose]();
  await assert.rejects(startWorker({ ...settings, ackWait: '5s', subjects: [`${stream}.x`] }), {
    kind: 'config',
    code: 'nats.consumer-mismatch',
    message: /has subjects all, the configuration says .*\.x; has ackWait 2000ms, the configuration says 5000ms/,
  });
});

test('subjects in two partitions are refused', options, async () => {
  const { settings } = await prepareStream(servers);
  const partitions = [['x.a', 'x.*.c'], ['x.b.>']];
  await assert.rejects(startWorker({ ...settings, partitions }), { kind: 'config', code: 'nats.partitions' });
});

test('a stream that does not exist yet is waited for', options, async () => {
  const { settings } = await prepareStream(servers);
  const stream = uniqueName();
  const missing = { kind: 'transient', code: 'nats.stream-missing', message: `the stream "${stream}" does not exist` };
  await assert.rejects(startWorker({ ...settings, stream }), missing);
  await addStream(servers, { name: stream, subjects: [`${stream}.>`] });
  await publish(servers, stream, { to: 3 });
  await using worker = await startWorker({ ...settings, stream });
  await read(worker, 3);
  assert.deepEqual(worker.numbers(), range(0, 3));
});

for (const what of ['consumer', 'stream'] as const) {
  test(`a ${what} that is deleted while it is read ends the reading loudly`, options, async () => {
    const { stream, settings } = await prepareStream(servers);
    await publish(servers, stream, { to: 5 });
    await using worker = await startWorker(settings);
    await read(worker, 5);
    await withStreams(servers, ({ consumers, streams }) =>
      what === 'stream' ? streams.delete(stream) : consumers.delete(stream, DURABLE),
    );
    await failed(worker);
    const { kind, code } = worker.error as { kind?: string; code?: string };
    assert.deepEqual([kind, code], ['position-lost', 'nats.consumer-gone']);
  });
}

for (const policy of ['fail', 'skip'] as const) {
  test(`messages that a limit removed unread: ${policy}`, options, async () => {
    const { stream, settings } = await prepareStream(servers, { discard: 'old', max_msgs: 20 });
    await publish(servers, stream, { to: 10 });
    {
      await using worker = await startWorker(settings);
      await read(worker, 10);
    }
    await publish(servers, stream, { from: 10, to: 60 });
    await using worker = await startWorker(settings, { context: { onPositionLost: policy } });
    if (policy === 'fail') {
      await failed(worker);
      const { kind, message } = worker.error as { kind?: string; message: string };
      assert.equal(kind, 'position-lost');
      assert.match(message, /messages 11 to 40 were removed/);
      assert.deepEqual(worker.numbers(), []);
    } else {
      await read(worker, 20);
      assert.deepEqual(worker.numbers(), range(40, 60));
      assert.notEqual(worker.source.gap, undefined);
    }
  });
}

test('messages of one subject list only, without those of Sluice itself', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { subject: 'a', to: 3 });
  await publish(servers, stream, { subject: 'own.owner', to: 1 });
  await publish(servers, stream, { subject: 'b', to: 3 });
  await using worker = await startWorker({
    ...settings,
    subjects: [`${stream}.b`, `${stream}.own.>`],
    recordPrefix: `${stream}.own`,
  });
  await read(worker, 3);
  assert.deepEqual(
    worker.messages.map(({ topic }) => topic),
    Array.from({ length: 3 }, () => `${stream}.b`),
  );
  await waitFor(async () => (await consumerInfo(stream)).num_ack_pending === 0, LIMIT);
});

test('little room for what is read ahead holds a message that is larger', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  await publish(servers, stream, { to: 200, padding: 100_000 });
  await using worker = await startWorker({ ...settings, readAheadBytes: '64KiB', readAheadMessages: 3 });
  await read(worker, 200);
  assert.equal(worker.error, undefined);
  assert.deepEqual(worker.numbers(), range(0, 200));
});
