import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import type { ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Format } from '../../core/format.ts';
import { testEvent } from '../../testing/events.ts';
import { readStream } from '../../testing/nats-reader.ts';
import { startNats, testNats } from '../../testing/servers/nats.ts';
import { checkpointBehind, textFormat, writeEvents } from '../../testing/sink-writes.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { addStream, openSink, ownerOf, settingsFor, withStreams } from './sink-fixture.ts';

const signal = new AbortController().signal;

function events(from: number, to: number, init: { keys?: number } = {}): ChangeEvent[] {
  const { keys = 7 } = init;
  return Array.from({ length: to - from }, (_, index) =>
    testEvent({ sequence: from + index, id: (from + index) % keys }),
  );
}

const tokens = (list: readonly ChangeEvent[]) => list.map(({ position }) => position.token);

async function found(servers: readonly string[], stream: string): Promise<string[]> {
  return (await readStream({ servers, stream })).map(({ payload }) => payload.toString());
}

/** A work queue cannot be read by an ordered consumer. */
async function storedTexts(servers: readonly string[], stream: string): Promise<string[]> {
  return withStreams(servers, async (manager) => {
    const texts: string[] = [];
    for (let seq = 1; ; seq += 1) {
      const query = { seq, next_by_subj: `${stream}.>` };
      const message = await manager.streams.getMessage(stream, query);
      if (message === null) return texts;
      seq = message.seq;
      texts.push(Buffer.from(message.data).toString());
    }
  });
}

function isKind(kind: string, code: string) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.deepEqual([error.kind, error.code], [kind, code], error.message);
    return true;
  };
}

const NO_KEY = { key: null, headers: undefined, tombstoneFollows: false };

/** The four ways of publishing. */
const WAYS = (['at-least-once', 'exactly-once'] as const).flatMap((delivery) =>
  [true, false].map((atomic) => ({ delivery, atomic, name: `${delivery}, ${atomic ? 'atomic' : 'chained'}` })),
);

async function settingsOf({ delivery, atomic }: (typeof WAYS)[number], servers: readonly string[], replicas = 1) {
  const settings = settingsFor(servers, { delivery, createStream: { replicas } });
  const { stream } = settings;
  const subjects = [`${stream}.>`, `sluice.${stream}.>`];
  if (!atomic) await addStream(servers, { name: stream, subjects, num_replicas: replicas });
  return settings;
}

for (const way of WAYS) {
  test(`${way.name}: an older owner is refused and writes nothing`, async () => {
    const servers = await testNats();
    const settings = await settingsOf(way, servers);
    await using older = await openSink(settings);
    const owner = await ownerOf(older);
    await writeEvents(older, events(0, 20), { owner });
    await using newer = await openSink(settings);
    const next = await ownerOf(newer);
    await assert.rejects(writeEvents(older, events(20, 40), { owner }), isKind('fenced', 'nats.fenced'));
    await assert.rejects(writeEvents(older, events(40, 50), { owner }), isKind('fenced', 'nats.fenced'));
    await writeEvents(newer, events(20, 30), { owner: next });
    assert.deepEqual(await found(servers, settings.stream), tokens(events(0, 30)));
  });

  test(`${way.name}: what comes again after the duplicate window is not stored again`, async () => {
    const servers = await testNats();
    const settings = { ...(await settingsOf(way, servers)), batchRecords: 100 };
    const change = { duplicate_window: 100_000_000 };
    {
      await using sink = await openSink(settings);
      await withStreams(servers, (manager) => manager.streams.update(settings.stream, change));
      const owner = await ownerOf(sink);
      for (let start = 0; start < 3000; start += 100) {
        await writeEvents(sink, events(start, start + 100), { owner });
      }
    }
    await delay(300);
    await using sink = await openSink(settings);
    const claim = await sink.checkpoints?.claim('contract/0', signal);
    if (claim !== undefined) assert.equal(claim.checkpoint?.position.token, tokens(events(2999, 3000))[0]);
    const owner = { partition: 'contract/0', epoch: claim?.epoch ?? 1 };
    const from = claim === undefined ? 450 : 3000;
    const result = await writeEvents(sink, events(from, 3100), { owner });
    assert.equal(result.delivered, 3100 - from);
    assert.deepEqual(await found(servers, settings.stream), tokens(events(0, 3100)));
  });

  test(`${way.name}: a full stream is a passing failure, and nothing is lost, doubled or reordered`, async () => {
    const servers = await testNats();
    const settings = await settingsOf(way, servers);
    {
      await using sink = await openSink(settings);
      await withStreams(servers, (manager) => manager.streams.update(settings.stream, { max_msgs: 50 }));
      const owner = await ownerOf(sink);
      await assert.rejects(writeEvents(sink, events(0, 200), { owner }), isKind('transient', 'nats.stream-full'));
      await assert.rejects(writeEvents(sink, events(200, 300), { owner }), isKind('transient', 'nats.stream-full'));
    }
    assert.ok((await found(servers, settings.stream)).length < 51);
    await withStreams(servers, (manager) => manager.streams.update(settings.stream, { max_msgs: -1 }));
    await using sink = await openSink(settings);
    await writeEvents(sink, events(0, 300), { owner: await ownerOf(sink) });
    assert.deepEqual(await found(servers, settings.stream), tokens(events(0, 300)));
  });

  test(`${way.name}: behind a message that is not stored there is none`, async () => {
    const servers = await testNats();
    const settings = await settingsOf(way, servers);
    const all = events(0, 40);
    const value = ({ position }: ChangeEvent) => position.token.padEnd(position.token === tokens(all)[5] ? 40_000 : 20);
    const format: Format = { ...textFormat, encode: ({ event }) => ({ ...NO_KEY, value: Buffer.from(value(event)) }) };
    {
      await using sink = await openSink(settings, { format });
      const owner = await ownerOf(sink);
      // The sixth message does not fit, those behind it would.
      await withStreams(servers, (manager) => manager.streams.update(settings.stream, { max_bytes: 30_000 }));
      await assert.rejects(writeEvents(sink, all, { owner }), isKind('transient', 'nats.stream-full'));
    }
    const before = await found(servers, settings.stream);
    assert.deepEqual(before, all.slice(0, way.atomic ? 0 : 5).map(value));
    await withStreams(servers, (manager) => manager.streams.update(settings.stream, { max_bytes: -1 }));
    await using sink = await openSink(settings, { format });
    await writeEvents(sink, all, { owner: await ownerOf(sink) });
    assert.deepEqual(await found(servers, settings.stream), all.map(value));
  });

  test(`${way.name}: others that write into the same stream disturb nothing`, async () => {
    const servers = await testNats();
    const settings = await settingsOf(way, servers);
    await using sink = await openSink(settings);
    const owner = await ownerOf(sink);
    const other = await connect({ servers: [...servers] });
    const stop = new AbortController();
    const noise = (async () => {
      while (!stop.signal.aborted) {
        for (let n = 0; n < 20; n++) other.publish(`${settings.stream}.noise.x.y`, 'noise');
        // The server gets no further behind than this, however slow it is.
        await other.flush();
        await delay(1);
      }
    })();
    try {
      for (let start = 0; start < 2000; start += 500) await writeEvents(sink, events(start, start + 500), { owner });
    } finally {
      stop.abort();
      await noise;
      await other.close();
    }
    const ours = (await found(servers, settings.stream)).filter((text) => text !== 'noise');
    assert.deepEqual(ours, tokens(events(0, 2000)));
  });
}

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`${delivery}: in a work queue too, what is stored is not stored again`, async () => {
    const servers = await testNats();
    const createStream = { retention: 'workqueue', duplicateWindow: '100ms' };
    const settings = settingsFor(servers, { createStream });
    {
      await using sink = await openSink(settings);
      await writeEvents(sink, events(0, 30));
    }
    await delay(300);
    await using sink = await openSink({ ...settings, delivery });
    await writeEvents(sink, events(10, 40), { owner: await ownerOf(sink) });
    assert.deepEqual(await storedTexts(servers, settings.stream), tokens(events(0, 40)));
  });
}

test('exactly-once: a batch that was stored without its checkpoint is completed, not repeated', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers, { delivery: 'exactly-once' });
  const { stream } = settings;
  {
    await using sink = await openSink(settings);
    await writeEvents(sink, events(0, 10), { owner: await ownerOf(sink) });
  }
  {
    // The same pipeline with its checkpoint elsewhere leaves none in the stream.
    await using sink = await openSink({ ...settings, delivery: 'at-least-once' });
    await writeEvents(sink, events(10, 15));
  }
  await withStreams(servers, (manager) => manager.streams.update(stream, { duplicate_window: 100_000_000 }));
  await delay(300);
  await using sink = await openSink(settings);
  const claim = await sink.checkpoints?.claim('contract/0', signal);
  assert.equal(claim?.checkpoint?.position.token, tokens(events(9, 10))[0]);
  await writeEvents(sink, events(10, 20), { owner: { partition: 'contract/0', epoch: claim?.epoch ?? 0 } });
  assert.deepEqual(await found(servers, stream), tokens(events(0, 20)));
});

test('an event larger than max_payload is handed over, its neighbours are stored', async () => {
  await using server = await startNats({ config: ['max_payload: 8KB'] });
  const { servers } = server;
  for (const delivery of ['at-least-once', 'exactly-once']) {
    const settings = settingsFor(servers, { delivery });
    await using sink = await openSink(settings, {
      format: {
        name: 'size',
        contentType: 'text/plain',
        encode: ({ event }) => ({
          key: null,
          value: Buffer.alloc(event.position.token.endsWith('5') ? 9000 : 6000, event.position.token.at(-1)),
          headers: undefined,
          tombstoneFollows: false,
        }),
      },
    });
    const result = await writeEvents(sink, events(0, 10), { owner: await ownerOf(sink) });
    assert.deepEqual(
      [result.delivered, result.rejections.map(({ error }) => error.code)],
      [9, ['nats.message-too-large']],
    );
    assert.equal((await found(servers, settings.stream)).length, 9);
  }
});

test('headers tell operation, namespace, time and id; a tombstone is empty', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  await using sink = await openSink(settings, { pipeline: 'orders' });
  await writeEvents(sink, [testEvent({ sequence: 1 }), testEvent({ sequence: 2, op: 'delete', id: 1 })]);
  const [insert, remove] = await readStream({ servers, stream: settings.stream });
  const id = testEvent({ sequence: 1 }).id;
  assert.equal(insert?.subject, `${settings.stream}.test.items.insert`);
  const { 'Nats-Batch-Id': batch, 'Nats-Batch-Sequence': place, ...headers } = insert?.headers ?? {};
  assert.ok(batch !== undefined && place === '1');
  assert.deepEqual(Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('Nats-Expected'))), {
    'Nats-Msg-Id': `orders/${id}`,
    'content-type': 'text/plain',
    'sluice.id': id,
    'sluice.ns': 'test.items',
    'sluice.op': 'insert',
    'sluice.ts': '1700000000,2',
  });
  assert.equal(remove?.subject, `${settings.stream}.test.items.delete`);
  assert.equal(remove?.payload.length, 0);
  assert.equal(remove?.headers['content-type'], undefined);
});

test('a subject that the stream does not take is a configuration error before anything is written', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  await addStream(servers, {
    name: settings.stream,
    subjects: [`${settings.stream}.*.*.insert`, `sluice.${settings.stream}.>`],
  });
  await using sink = await openSink(settings);
  const batch = [testEvent({ sequence: 1 }), testEvent({ sequence: 2, op: 'delete' })];
  await assert.rejects(writeEvents(sink, batch), isKind('config', 'nats.subject-not-taken'));
  assert.deepEqual(await found(servers, settings.stream), []);
});

test('in a stream that removes messages by age the records of Sluice stay', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers, { delivery: 'exactly-once', createStream: { maxAge: '1s' } });
  await using sink = await openSink(settings);
  const owner = await ownerOf(sink);
  for (const n of [0, 10, 20]) await writeEvents(sink, events(n, n + 10), { owner });
  await waitFor(async () => (await found(servers, settings.stream)).length === 0, {
    timeoutMs: 60_000,
    message: 'the events are gone',
  });
  await writeEvents(sink, events(30, 31), { owner });
  // How many events are left depends on the time that has passed.
  const records = `sluice.${settings.stream}.>`;
  const { state } = await withStreams(servers, ({ streams }) =>
    streams.info(settings.stream, { subjects_filter: records }),
  );
  assert.deepEqual(Object.values(state.subjects ?? {}), [1, 1], 'one owner, one checkpoint');
  await using next = await openSink(settings);
  const claim = await next.checkpoints?.claim('contract/0', signal);
  assert.equal(claim?.checkpoint?.position.token, tokens(events(30, 31))[0]);
});

/** Asks a cluster again that has lost a member and may be choosing a leader. */
function patiently<T>(work: () => Promise<T>): Promise<NonNullable<T>> {
  return waitFor(work, { timeoutMs: 180_000, intervalMs: 200, retryErrors: true, message: 'the cluster answers' });
}

test('three replicas: all four ways write through the death of a leader', { timeout: 560_000 }, async (t) => {
  await using server = await startNats({ nodes: 3 });
  const { servers, nodes } = server;
  for (const way of WAYS) {
    const settings = { ...(await patiently(() => settingsOf(way, servers, 3))), requestTimeout: '5s' };
    const all = events(0, 1200);
    let done = 0;
    const endMs = performance.now() + 180_000;
    let failures = 0;
    let killed = false;
    while (done < all.length) {
      try {
        await using sink = await openSink(settings);
        const claim = await sink.checkpoints?.claim('contract/0', signal);
        const token = claim?.checkpoint?.position.token;
        if (token !== undefined) done = all.findIndex(({ position }) => position.token === token) + 1;
        const owner = { partition: 'contract/0', epoch: claim?.epoch ?? 1 };
        while (done < all.length) {
          if (done >= 400 && !killed) {
            killed = true;
            const leader = await patiently(() =>
              withStreams(servers, async (m) => (await m.streams.info(settings.stream)).cluster?.leader),
            );
            const node = nodes[Number(leader.slice(-1))] ?? assert.fail(leader);
            const write = writeEvents(sink, all.slice(done, done + 200), { owner });
            write.catch(() => undefined);
            await node.stop('SIGKILL');
            await node.start();
            await write;
          } else await writeEvents(sink, all.slice(done, done + 200), { owner });
          done += 200;
        }
      } catch (error) {
        assert.ok(error instanceof SluiceError && error.kind === 'transient', String(error));
        failures += 1;
        assert.ok(performance.now() < endMs, error.message);
        await delay(100);
      }
    }
    assert.deepEqual(await patiently(() => found(servers, settings.stream)), tokens(all), way.name);
    t.diagnostic(`${way.name}: ${failures} failed attempts`);
  }
});

test('a position without events is saved once, and claimed', async () => {
  const settings = settingsFor(await testNats(), { delivery: 'exactly-once' });
  const [event] = events(5, 6) as [ChangeEvent];
  {
    await using sink = await openSink(settings);
    const owner = await ownerOf(sink);
    await sink.checkpoints?.save(checkpointBehind(event, owner), signal);
    await sink.checkpoints?.save(checkpointBehind(event, owner), signal);
  }
  const servers = settings.servers;
  const state = await withStreams(servers, async (manager) => (await manager.streams.info(settings.stream)).state);
  assert.equal(state.messages, 2, 'one owner, one checkpoint');
});

test('a server that is down is passed over; with none the failure may pass; an abort ends the attempt', async () => {
  const servers = await testNats();
  for (let time = 0; time < 5; time++) {
    await using sink = await openSink(settingsFor(['127.0.0.1:1', ...servers, '127.0.0.1:2']));
    assert.ok(sink.limits.records > 0);
  }
  await assert.rejects(openSink(settingsFor(['127.0.0.1:1'])), isKind('transient', 'nats.unreachable'));
  const connections = new Set<Socket>();
  await using silent = createServer((socket) => {
    connections.add(socket.resume());
    socket.once('close', () => connections.delete(socket));
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const settings = settingsFor([`127.0.0.1:${port}`], { requestTimeout: '500ms' });
  await assert.rejects(openSink(settings), isKind('transient', 'nats.timeout'));
  await assert.rejects(openSink(settings, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  await waitFor(() => connections.size === 0, { timeoutMs: 30_000, message: 'no connection is left behind' });
});

test('the sink says where its last message is in the stream', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  await using sink = await openSink(settings);
  await writeEvents(sink, events(0, 20), { owner: await ownerOf(sink) });
  const { state } = await withStreams(servers, (manager) => manager.streams.info(settings.stream));
  assert.deepEqual(sink.offsets?.(), [{ part: settings.stream, offset: state.last_seq + 1, end: undefined }]);
});
