import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamConfig } from '@nats-io/jetstream';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { readStream } from '../../testing/nats-reader.ts';
import { startNats, testNats } from '../../testing/servers/nats.ts';
import { sinkContext, writeEvents } from '../../testing/sink-writes.ts';
import { checkNatsSink } from './check.ts';
import { natsSinkConfig } from './config.ts';
import { addStream, openSink, settingsFor, withStreams } from './sink-fixture.ts';

function refused(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError && error.kind === 'config', String(error));
    assert.equal(error.code, code);
    assert.match(`${error.message}\n${error.hint}`, pattern);
    return true;
  };
}

async function configOf(servers: readonly string[], stream: string) {
  return withStreams(servers, async (manager) => (await manager.streams.info(stream)).config);
}

test('a missing stream is created with what the settings say, and fits from then on', async () => {
  const servers = await testNats();
  const createStream = {
    storage: 'memory',
    retention: 'workqueue',
    duplicateWindow: '30s',
    maxBytes: '1MiB',
    maxMessages: 1000,
    maxAge: '1h',
    replicas: 1,
  };
  const settings = settingsFor(servers, { createStream });
  for (let time = 0; time < 2; time++) await (await openSink(settings))[Symbol.asyncDispose]();
  const config = await configOf(servers, settings.stream);
  const { storage, retention, duplicate_window, max_bytes, max_msgs, max_age, discard, allow_atomic } = config;
  assert.deepEqual(
    { storage, retention, duplicate_window, max_bytes, max_msgs, max_age, discard, allow_atomic },
    {
      storage: 'memory',
      retention: 'workqueue',
      duplicate_window: 30e9,
      max_bytes: 1_048_576,
      max_msgs: 1000,
      max_age: 3600e9,
      discard: 'new',
      allow_atomic: true,
    },
  );
  assert.ok(config.subjects.includes(`${settings.stream}.*.*.*`));
  const other = { ...settings, createStream: { ...createStream, maxMessages: 2000, storage: 'file' } };
  await assert.rejects(
    openSink(other),
    refused('nats.stream-mismatch', /storage memory, .*file.*maxMessages 1000, .*2000/),
  );
});

test('with the default subject, those of a collection are added when its first events come', async () => {
  await using server = await startNats();
  const { servers } = server;
  const settings = { servers, stream: 'CDC' };
  const event = (sequence: number, coll: string) => testEvent({ sequence, namespace: { db: 'shop', coll } });
  await using sink = await openSink(settings);
  await writeEvents(sink, [event(1, 'orders'), event(2, 'users.eu'), event(3, 'orders')]);
  await using other = await openSink(settings, { pipeline: 'other', partition: 'other/0' });
  await writeEvents(other, [event(1, 'items')]);
  await writeEvents(sink, [event(4, 'items'), event(5, 'orders')]);
  const { subjects } = await configOf(servers, 'CDC');
  assert.deepEqual(subjects.toSorted(), ['items.*', 'orders.*', 'sluice.CDC.>', 'users%2Eeu.*']);
  assert.deepEqual(
    (await readStream({ servers, stream: 'CDC' })).map(({ subject }) => subject),
    ['orders.insert', 'users%2Eeu.insert', 'orders.insert', 'items.insert', 'items.insert', 'orders.insert'],
  );
});

test('streams that would lose events are refused', async () => {
  const servers = await testNats();
  const cases: [Partial<StreamConfig>, RegExp, object?][] = [
    [{ discard: 'old' }, /removes its oldest[^]*--discard new/],
    [{ discard: 'old' }, /checkpoint/, { allowDiscardOld: true, delivery: 'exactly-once' }],
    [{ no_ack: true }, /no acknowledgements/],
    [{ retention: 'interest' }, /retention: interest/],
    [{ max_age: 3600e9 }, /by age[^]*allow_msg_ttl/],
  ];
  for (const [config, pattern, more] of cases) {
    const settings = settingsFor(servers, more as Record<string, unknown>);
    const { stream } = settings;
    await addStream(servers, { name: stream, subjects: [`${stream}.>`, `sluice.${stream}.>`], ...config });
    await assert.rejects(openSink(settings), refused('nats.stream-mismatch', pattern));
  }
  const settings = settingsFor(servers, { allowDiscardOld: true });
  const { stream } = settings;
  const subjects = [`${stream}.>`, `sluice.${stream}.>`];
  await addStream(servers, { name: stream, subjects, discard: 'old' });
  await (await openSink(settings))[Symbol.asyncDispose]();
});

test('a stream for other subjects, a missing one and overlapping ones are configuration errors', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  await addStream(servers, { name: settings.stream, subjects: [`${settings.stream}.>`] });
  await assert.rejects(openSink(settings), refused('nats.stream-mismatch', /does not take sluice\..*--subjects/s));
  const none = settingsFor(servers, { createStream: { enabled: false } });
  await assert.rejects(openSink(none), refused('nats.stream-missing', /does not exist[^]*nats stream add/));
  const overlapping = settingsFor(servers, { subject: `${settings.stream}.{coll}.{op}` });
  await assert.rejects(openSink(overlapping), refused('nats.subjects-overlap', /another stream/));
  const replicas = settingsFor(servers, { createStream: { replicas: 3 } });
  await assert.rejects(openSink(replicas), refused('nats.replicas', /single server/));
});

const check = async (settings: Record<string, unknown>) =>
  (await checkNatsSink(natsSinkConfig.parse(settings), sinkContext())).map(
    ({ check: name, level }) => `${name} ${level}`,
  );

test('what a stream of somebody else does not take is added when that is allowed', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers, { createStream: { addSubjects: true } });
  const { stream } = settings;
  await addStream(servers, { name: stream, subjects: [`${stream}.>`], max_msgs: 7 });
  assert.ok(!(await check(settings)).includes('nats.stream error'));
  for (let time = 0; time < 2; time++) await (await openSink(settings))[Symbol.asyncDispose]();
  const config = await configOf(servers, stream);
  assert.deepEqual([config.subjects, config.max_msgs], [[`${stream}.>`, `sluice.${stream}.>`], 7]);
});

test('doctor: before and after the first start', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  assert.deepEqual(await check(settings), [
    'nats.reachable ok',
    'nats.jetstream ok',
    'nats.permissions ok',
    'nats.stream ok',
    'nats.durability warning',
    'nats.max-payload warning',
  ]);
  assert.ok((await check({ ...settings, createStream: { enabled: false } })).includes('nats.stream error'));
  await (await openSink(settings))[Symbol.asyncDispose]();
  assert.deepEqual(await check(settings), [
    'nats.reachable ok',
    'nats.jetstream ok',
    'nats.permissions ok',
    'nats.stream ok',
    'nats.durability warning',
    'nats.atomic-batches ok',
    'nats.duplicate-window ok',
    'nats.max-payload warning',
  ]);
});

test('doctor: a stream that does not fit, a user without rights, no server', async () => {
  const servers = await testNats();
  const settings = settingsFor(servers);
  const { stream } = settings;
  await addStream(servers, { name: stream, subjects: [`${stream}.>`], discard: 'old' });
  const found = await check(settings);
  assert.equal(found.filter((finding) => finding === 'nats.stream error').length, 2);
  assert.ok(found.includes('nats.atomic-batches warning'));
  assert.deepEqual(await check({ ...settings, servers: ['127.0.0.1:1'] }), ['nats.reachable error']);
  const users =
    'authorization { users: [{ user: a, password: b, permissions: { publish: ["$JS.API.>", "$SYS.>"] } }] }';
  await using server = await startNats({ config: [users] });
  const limited = settingsFor(server.servers, { login: { method: 'password', username: 'a', password: 'b' } });
  assert.ok((await check(limited)).includes('nats.permissions error'));
});
