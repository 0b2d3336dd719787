import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { readStream } from '../nats-reader.ts';
import { waitFor } from '../wait-for.ts';
import { startNats, testNats } from './nats.ts';
import { isRunning, startServerOwner, waitUntilGone } from './orphan-check.ts';

const ANSWER_LIMIT_MS = 20_000;

async function publish(servers: readonly string[], text: string): Promise<void> {
  const connection = await connect({ servers: [...servers], reconnect: false });
  try {
    // The same text is one message, however often it is sent.
    await jetstream(connection, { timeout: ANSWER_LIMIT_MS }).publish('t.x', text, { msgID: text });
  } finally {
    await connection.close();
  }
}

async function addStream(servers: readonly string[], replicas = 1): Promise<number> {
  const connection = await connect({ servers: [...servers], reconnect: false });
  try {
    const manager = await jetstreamManager(connection, { timeout: ANSWER_LIMIT_MS });
    return (await manager.streams.add({ name: 'T', subjects: ['t.>'], num_replicas: replicas })).config.num_replicas;
  } finally {
    await connection.close();
  }
}

const contents = async (servers: readonly string[]) =>
  (await readStream({ servers, stream: 'T' })).map(({ payload }) => payload.toString());

test('the shared server is the same for the whole process', async () => {
  const servers = await testNats();
  assert.deepEqual(await testNats(), servers);
});

test('stopped, killed or paused, it comes back with its data on the same address', { timeout: 240_000 }, async () => {
  const server = await startNats();
  const { servers } = server;
  await addStream(servers);
  const written: string[] = [];
  const pids = [];
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const) {
    written.push(`before ${signal}`);
    await publish(servers, `before ${signal}`);
    pids.push(server.pid);
    await server.stop(signal);
    assert.equal(isRunning(server.pid), signal === 'SIGSTOP');
    await server.start();
    assert.deepEqual(await contents(servers), written);
  }
  const dir = server.dir;
  await server[Symbol.asyncDispose]();
  await waitUntilGone({ dir, pids: [...pids, server.pid] });
});

test('three servers are a cluster that survives the death of one', { timeout: 240_000 }, async () => {
  await using server = await startNats({ nodes: 3 });
  // Each server is ready; that the others are its peers the leader learns a moment later.
  const replicas = await waitFor(() => addStream(server.servers, 3), {
    timeoutMs: 60_000,
    message: 'three servers are known',
    retryErrors: true,
  });
  assert.equal(replicas, 3);
  await publish(server.servers, 'one');
  await server.nodes[1]?.stop('SIGKILL');
  const others = server.servers.filter((_, index) => index !== 1);
  await server.nodes[1]?.start();
  // The stream may need a new leader first.
  const said = async () => {
    await publish(others, 'two');
    return true;
  };
  await waitFor(said, { timeoutMs: 90_000, message: 'there is a leader', retryErrors: true });
  assert.deepEqual(await contents(others), ['one', 'two']);
});

test('NATS does not outlive a killed test run', async () => {
  const owner = await startServerOwner(
    `
    import { startNats } from './nats.ts';
    const { dir, nodes } = await startNats({ nodes: 3 });
    console.log(JSON.stringify({ dir, pids: nodes.map(({ pid }) => pid) }));
    setInterval(() => {}, 1000);
    `,
    import.meta.url,
  );
  owner.process.kill('SIGKILL');
  await once(owner.process, 'exit');
  await waitUntilGone(owner);
});

test('a server that cannot start says why', async () => {
  await assert.rejects(
    startNats({ config: ['max_payload: many'] }),
    /nats-server did not start: exit code 1[^]*nats\.conf:\d+/,
  );
});
