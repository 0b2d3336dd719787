import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import type { Document } from 'mongodb';
import { type MongoServer, startMongo } from '../../testing/servers/mongo.ts';
import { hangReadsUntil, Reading, StreamFixture } from './stream-fixture.ts';

/*
 * Failures made by the server's own fail points; they are global, hence a server of our own.
 */

const LIMIT = { timeout: 300_000 };

let server: MongoServer;
let fixture: StreamFixture;
before(async () => {
  server = await startMongo();
  fixture = await StreamFixture.open(server.uri);
});
beforeEach(() => failPoint('failCommand', 'off'));
after(async () => {
  await fixture[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function failPoint(name: string, mode: Document | string, data: Document = {}): Promise<void> {
  await fixture.client.db('admin').command({ configureFailPoint: name, mode, data });
}

const insert = (_id: number) => fixture.db.collection<{ _id: number }>('a').insertOne({ _id });

test('a transient error ends the read, and a new one goes on behind the last batch', LIMIT, async () => {
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  await insert(1);
  await reading.count(1);
  const { from } = reading;
  await reading[Symbol.asyncDispose]();
  for (const [errorCode, code] of [
    [43, 'mongodb.cursor-lost'],
    [189, 'mongodb.unsettled'],
    [11602, 'mongodb.unsettled'],
    [136, 'mongodb.cursor-overtaken'],
  ] as const) {
    // Until it is switched off: a question of the read before may still be on its way to the server.
    await failPoint('failCommand', 'alwaysOn', { failCommands: ['getMore'], errorCode, appName: 'sluice' });
    await using attempt = new Reading(source, from);
    await assert.rejects(attempt.count(2), { kind: 'transient', code });
    await failPoint('failCommand', 'off');
  }
  await insert(2);
  await using rest = await new Reading(source, from).count(1);
  assert.deepEqual(rest.ids, [2]);
});

test('the open of the stream fails like that too', LIMIT, async () => {
  await using source = await fixture.source();
  for (const [errorCode, kind, code] of [
    [91, 'transient', 'mongodb.unreachable'],
    [13, 'transient', 'mongodb.unauthorized'],
    [4242, 'internal', 'mongodb.unexpected'],
    [286, 'position-lost', 'mongodb.position-lost'],
  ] as const) {
    await failPoint('failCommand', 'alwaysOn', { failCommands: ['aggregate'], errorCode, appName: 'sluice' });
    await using reading = new Reading(source);
    await assert.rejects(reading.start(), { kind, code });
    await failPoint('failCommand', 'off');
  }
});

test('an unknown error with the label of the server is transient', LIMIT, async () => {
  await using source = await fixture.source();
  const data = { failCommands: ['getMore'], errorCode: 4242, errorLabels: ['ResumableChangeStreamError'] };
  await failPoint('failCommand', 'alwaysOn', { ...data, appName: 'sluice' });
  await using reading = new Reading(source);
  await assert.rejects(reading.count(1), { kind: 'transient' });
});

test('a connection that is closed under the read', LIMIT, async () => {
  await using source = await fixture.source();
  await using reading = await new Reading(source).start();
  await failPoint('failCommand', 'alwaysOn', { failCommands: ['getMore'], closeConnection: true, appName: 'sluice' });
  await assert.rejects(reading.count(1), { kind: 'transient', code: 'mongodb.unreachable' });
  await failPoint('failCommand', 'off');
  await insert(3);
  await using rest = await new Reading(source, reading.from).count(1);
  assert.deepEqual(rest.ids, [3]);
});

test('a server that works for long is left to work', LIMIT, async () => {
  await using source = await fixture.source({ answerTimeout: '3s' });
  await using reading = await new Reading(source).start();
  const isLogged = () => fixture.log.some(({ message }) => message.includes('still looking for changes'));
  await Promise.all([hangReadsUntil(fixture.client, isLogged), reading.until(isLogged)]);
  await insert(4);
  await reading.until(({ ids }) => ids.includes(4));
  assert.deepEqual(reading.ids, [4]);
});

/** A TCP proxy that can stop passing the server's bytes on without closing anything. */
async function openProxy() {
  const sockets = new Set<Socket>();
  const proxy = { port: 0, muted: new Set<Socket>(), muteNew: false, mute: () => {}, close: () => {} };
  const listener = createServer((client) => {
    const target = connect(server.members[0]?.port ?? 0, '127.0.0.1');
    if (proxy.muteNew) proxy.muted.add(target);
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => (client.destroy(), target.destroy()));
    }
    client.pipe(target);
    target.on('data', (chunk) => void (proxy.muted.has(target) || client.write(chunk)));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  proxy.port = (listener.address() as AddressInfo).port;
  proxy.mute = () => {
    for (const socket of sockets) proxy.muted.add(socket);
  };
  proxy.close = () => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  };
  return proxy;
}

for (const muteNew of [false, true]) {
  const what = muteNew ? 'a network that swallows everything' : 'a connection that died without being closed';
  test(`${what} is noticed in time`, LIMIT, async () => {
    const proxy = await openProxy();
    try {
      const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
      await using source = await fixture.source({ uri, answerTimeout: '2s' });
      await using reading = await new Reading(source).start();
      proxy.muteNew = muteNew;
      proxy.mute();
      const startedAtMs = performance.now();
      await assert.rejects(reading.count(1), { kind: 'transient', code: 'mongodb.no-answer' });
      const tookMs = performance.now() - startedAtMs;
      assert.ok(tookMs > 1_000 && tookMs < 30_000, `${tookMs} ms`);
    } finally {
      proxy.close();
    }
  });
}
