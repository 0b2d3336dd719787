import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait-for.ts';

let proxy: TcpProxy;
const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));

beforeEach(async () => {
  if (!echo.listening) await once(echo.listen(0, '127.0.0.1'), 'listening');
  proxy = await startTcpProxy((echo.address() as AddressInfo).port);
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await new Promise((resolve) => echo.close(resolve));
});

async function dial(): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(proxy.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, received: () => text };
}

const soon = (condition: () => boolean, message: string) => waitFor(condition, { timeoutMs: 30_000, message });

test('data passes in order, in both directions, and the end of a connection too', async () => {
  const { socket, received } = await dial();
  const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n}\n`).join('');
  socket.end(lines);
  await once(socket, 'close');
  assert.ok(received() === lines, `${received().length} of ${lines.length} characters came back`);
  await soon(() => proxy.connections === 0, 'the connection is forgotten');
});

test('latency delays both directions and keeps the order', async () => {
  proxy.setLatency(60);
  const { socket, received } = await dial();
  const start = performance.now();
  for (const word of ['one ', 'two ', 'three']) socket.write(word);
  await soon(() => received() === 'one two three', 'the echo is back');
  assert.ok(performance.now() - start >= 115, 'the echo came too early');
});

test('a black hole holds everything back without a word; healing lets it pass', async () => {
  const { socket, received } = await dial();
  proxy.blackhole();
  socket.write('held back');
  const late = await dial();
  late.socket.write('me too');
  await sleep(100);
  assert.equal(received() + late.received(), '');
  assert.ok(!socket.destroyed && !late.socket.destroyed);
  proxy.heal();
  await soon(() => received() === 'held back' && late.received() === 'me too', 'both echoes are back');
});

test('a cut resets what is open, and new connections work', async () => {
  const { socket } = await dial();
  socket.write('x');
  await soon(() => proxy.connections === 1, 'the connection is up');
  proxy.cut();
  const [error] = (await once(socket, 'error').catch((cause: unknown) => [cause])) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  const again = await dial();
  again.socket.write('again');
  await soon(() => again.received() === 'again', 'the echo is back');
});
