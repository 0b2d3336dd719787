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

test('a preloaded child ends when its parent is killed', { timeout: 120_000 }, async () => {
  // It tells its number when the preload has run, which notes who its parent is.
  const code = 'console.log(process.pid); setInterval(() => {}, 1e6)';
  const args = JSON.stringify(['--import', PRELOAD, '-e', code]);
  const start = `require('node:child_process').spawn(process.execPath, ${args}, { stdio: ['ignore', 'inherit', 'ignore'] })`;
  const parent = spawn(process.execPath, ['-e', `${start}; setInterval(() => {}, 1e6)`]);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  assert.ok(alive(pid));
  parent.kill('SIGKILL');
  await waitFor(() => !alive(pid), { timeoutMs: 60_000, message: 'the child has ended' });
});
