import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { waitFor } from './wait-for.ts';

const PRELOAD = resolve(import.meta.dirname, 'die-with-parent.ts');

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a preloaded child ends when its parent is killed', { timeout: 20_000 }, async () => {
  const child = `require('node:child_process').spawn(process.execPath, ['--import', ${JSON.stringify(PRELOAD)}, '-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })`;
  const parent = spawn(process.execPath, ['-e', `console.log(${child}.pid); setInterval(() => {}, 1e6)`]);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  assert.ok(alive(pid));
  // Long enough for the preload to have noted who its parent is.
  await new Promise((done) => setTimeout(done, 500));
  parent.kill('SIGKILL');
  await waitFor(() => !alive(pid), { timeoutMs: 10_000, message: 'the child has ended' });
});
