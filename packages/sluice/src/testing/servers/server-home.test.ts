import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { exists, isRunning, startServerOwner, waitUntilGone } from './orphan-check.ts';
import { openServerHome } from './server-home.ts';

/** A server that does nothing, cannot be interrupted by a polite signal, and names the folder as servers do. */
const STUBBORN = "trap '' TERM INT; while :; do sleep 0.2; done";

const OWNER = `
  import { openServerHome } from './server-home.ts';
  const home = await openServerHome('orphan-test');
  const servers = ['a', 'b'].map((name) =>
    home.spawn({ name, command: 'sh', args: ['-c', ${JSON.stringify(STUBBORN)}, 'stubborn', home.dir] }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log(JSON.stringify({ dir: home.dir, pids: servers.map((server) => server.pid) }));
  setInterval(() => {}, 1000);
`;

test('disposing a home ends its servers and removes its folder', async () => {
  const home = await openServerHome('home-test');
  const server = home.spawn({ name: 'a', command: 'sh', args: ['-c', STUBBORN, 'stubborn', home.dir] });
  assert.ok(isRunning(server.pid));
  await home[Symbol.asyncDispose]();
  assert.equal(server.running, false);
  assert.equal(isRunning(server.pid), false);
  assert.equal(await exists(home.dir), false);
});

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  test(`nothing stays behind when the owner of servers gets ${signal}`, async () => {
    const owner = await startServerOwner(OWNER, import.meta.url);
    assert.ok(owner.pids.every(isRunning) && (await exists(owner.dir)));
    owner.process.kill(signal);
    await once(owner.process, 'exit');
    await waitUntilGone(owner);
  });
}

test('a server that ends by itself says how, and its number is forgotten', async () => {
  await using home = await openServerHome('home-test');
  const args = ['-c', 'echo last words; exit 3', 'short', home.dir];
  const server = home.spawn({ name: 'short', command: 'sh', args });
  assert.equal(await server.exited, 'exit code 3');
  assert.equal(await server.logTail(), 'last words');
  assert.deepEqual(await readdir(`${home.dir}/pids`), []);
  await server.kill('SIGKILL');
});

test('a program that does not exist is an exit, not a crash', async () => {
  await using home = await openServerHome('home-test');
  const server = home.spawn({ name: 'none', command: '/does/not/exist', args: [home.dir] });
  assert.equal(await server.exited, 'exit code 127');
});

test('a paused server is not waited for, and is killed all the same', async () => {
  const home = await openServerHome('home-test');
  const server = home.spawn({ name: 'a', command: 'sh', args: ['-c', STUBBORN, 'stubborn', home.dir] });
  await server.kill('SIGSTOP');
  assert.ok(server.running);
  await home[Symbol.asyncDispose]();
  assert.equal(isRunning(server.pid), false);
});
