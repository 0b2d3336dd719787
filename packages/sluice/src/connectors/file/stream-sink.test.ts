import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import type { WriteContext } from '../../core/sink.ts';
import { testEvent, testPosition } from '../../testing/events.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { openStreamSink, STREAM_CLOSED } from './stream-sink.ts';

function writeContext(signal = new AbortController().signal): WriteContext {
  const binding = { deployment: 'rs0', fingerprint: 'f' };
  const checkpoint = { partition: 'p/0', epoch: 1, position: testPosition(0), savedAtMs: 0, ...binding };
  return { checkpoint, signal, reject: async () => {} };
}

const envelopes = (...sequences: number[]) =>
  sequences.map((sequence) => ({ event: testEvent({ sequence }), namespace: { db: 'd', coll: 'c' } }));

const render = (envelope: { event: { position: { token: string } } }) =>
  `${Number.parseInt(envelope.event.position.token, 16)}\n`;

test('what is rendered goes out in order; undefined is filtered, a rejection handed over', async () => {
  const stream = new PassThrough();
  const sink = openStreamSink(stream, (envelope) => {
    if (envelope.event.id === testPosition(2).token) return undefined;
    if (envelope.event.id === testPosition(3).token) throw new SluiceError('no', { kind: 'rejected', code: 'test.no' });
    return render(envelope);
  });
  const rejected: string[] = [];
  const reject: WriteContext['reject'] = async (rejections) =>
    void rejected.push(...rejections.map(({ error }) => error.code));
  const result = await sink.write(envelopes(1, 2, 3, 4), { ...writeContext(), reject });
  await sink[Symbol.asyncDispose]();
  stream.end();
  assert.deepEqual([result, rejected], [{ delivered: 2, filtered: 1 }, ['test.no']]);
  assert.equal(await text(stream), '1\n4\n');
});

test('a write waits for the stream; an abort ends the waiting', async () => {
  const pending: (() => void)[] = [];
  const stream = new Writable({ write: (_chunk, _encoding, done) => void pending.push(done) });
  const sink = openStreamSink(stream, render);
  let finished = false;
  const first = sink.write(envelopes(1), writeContext()).then(() => (finished = true));
  await waitFor(() => pending.length === 1, { timeoutMs: 30_000, message: 'the stream was written to' });
  assert.equal(finished, false);
  pending.shift()?.();
  await first;
  const controller = new AbortController();
  const second = sink.write(envelopes(2), writeContext(controller.signal));
  await waitFor(() => pending.length === 1, { timeoutMs: 30_000, message: 'the stream was written to' });
  controller.abort();
  await assert.rejects(second, { name: 'AbortError' });
  await sink[Symbol.asyncDispose]();
});

test('a reader that has gone has a code of its own, also when it goes between two writes', async () => {
  const stream = new PassThrough();
  stream.resume();
  const sink = openStreamSink(stream, render);
  await sink.write(envelopes(1), writeContext());
  stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await assert.rejects(sink.write(envelopes(2), writeContext()), { kind: 'config', code: STREAM_CLOSED });
  await assert.rejects(sink.write(envelopes(3), writeContext()), { code: STREAM_CLOSED });
});

test('onClosed may turn the end into an abort', async () => {
  const stream = new PassThrough();
  stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  const controller = new AbortController();
  let calls = 0;
  const onClosed = () => {
    calls += 1;
    controller.abort();
  };
  const sink = openStreamSink(stream, render, { onClosed });
  await assert.rejects(sink.write(envelopes(1), writeContext(controller.signal)), { name: 'AbortError' });
  assert.equal(calls, 1);
});

test('a full disk behind the output is a failure of the environment', async () => {
  const full = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(full) });
  const sink = openStreamSink(stream, render);
  await assert.rejects(sink.write(envelopes(1), writeContext()), { kind: 'transient', code: 'file.disk-full' });
});

test('many sinks over one stream do not pile up listeners', async () => {
  const stream = new PassThrough();
  for (let n = 0; n < 20; n++) {
    await using _sink = openStreamSink(stream, render);
  }
  assert.equal(stream.listenerCount('error'), 1);
});

/** A process that writes to its standard output without end and says on stderr how it ended and how often it ticked. */
const CHILD = `
  const { openStreamSink } = await import(${JSON.stringify(import.meta.resolve('./stream-sink.ts'))});
  const sink = openStreamSink(process.stdout, () => 'x'.repeat(999) + '\\n');
  let ticks = 0;
  const timer = setInterval(() => { ticks += 1; process.send({ ticks }); }, 20);
  const context = { signal: new AbortController().signal, reject: async () => {} };
  const batch = Array.from({ length: 1000 }, () => ({}));
  try {
    for (;;) await sink.write(batch, context);
  } catch (error) {
    process.send({ code: error.code });
  }
  clearInterval(timer);
  process.disconnect();
`;

test('a reader that stops reading stops the writing, not the process; when it goes, the process ends by itself', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const messages: { ticks?: number; code?: string }[] = [];
  child.on('message', (message) => messages.push(message as { ticks?: number }));
  try {
    await waitFor(() => (messages.at(-1)?.ticks ?? 0) > 10, {
      timeoutMs: 60_000,
      message: 'it goes on while nobody reads',
    });
    const exited = new Promise((resolve) => child.on('exit', resolve));
    child.stdout?.destroy();
    assert.equal(await exited, 0);
    // The exit may be told before the last messages.
    await waitFor(() => messages.at(-1)?.code, { timeoutMs: 30_000, message: 'it says how it ended' });
    assert.equal(messages.at(-1)?.code, STREAM_CLOSED);
  } finally {
    child.kill('SIGKILL');
  }
});

test('the stdout sink writes the lines of the file sink', () => {
  const script = `
    const { stdoutSink } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
    const format = { contentType: 'application/json', encode: ({ event }) => ({
      key: Buffer.from('1'), value: event === null ? null : Buffer.from(event), headers: undefined, tombstoneFollows: false }) };
    const sink = await stdoutSink.open({ envelope: false }, { format });
    const context = { signal: new AbortController().signal, reject: async () => {} };
    const result = await sink.write([{ event: '{"a":1}' }, { event: null }], context);
    console.error(JSON.stringify(result));
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(child.stdout, '{"a":1}\n{"key":1,"value":null}\n');
  assert.equal(child.stderr, '{"delivered":2,"filtered":0}\n');
});
