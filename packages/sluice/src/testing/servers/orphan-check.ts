import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { waitFor } from '../wait-for.ts';

const CLEANUP_LIMIT_MS = 60_000;

/** A program that has started servers and goes on running: to be killed, to see what stays behind. */
export interface ServerOwner {
  readonly process: ChildProcess;
  /** Folder and process numbers of what it started. */
  readonly dir: string;
  readonly pids: readonly number[];
}

/**
 * Runs a piece of code as a program of its own. It must print one line of JSON, `{dir, pids}`, when its servers are up,
 * and not end by itself. `imports` are resolved against `base`, e.g. `import.meta.url`.
 */
export async function startServerOwner(code: string, base: string): Promise<ServerOwner> {
  const source = code.replaceAll(/from '(\.[^']+)'/g, (_, path: string) => `from '${new URL(path, base).href}'`);
  // It must not outlive this test either: its standard input ends with this process.
  const leash = `process.stdin.on('end', () => process.exit()).resume();\n`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', leash + source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the program ended with ${code} before its servers were up`);
  });
  ended.catch(() => undefined);
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  const { dir, pids } = JSON.parse(line) as { dir: string; pids: number[] };
  return { process: child, dir, pids };
}

/** Waits until neither the processes nor the folder are there any more. */
export async function waitUntilGone(owner: Pick<ServerOwner, 'dir' | 'pids'>): Promise<void> {
  await waitFor(async () => !owner.pids.some(isRunning) && !(await exists(owner.dir)), {
    timeoutMs: CLEANUP_LIMIT_MS,
    message: `processes ${owner.pids.join(', ')} and ${owner.dir} are gone`,
  });
}

/** True while there is a process with this number that is not just waiting to be buried by its parent. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // No /proc (macOS), or it has ended just now.
    return process.platform !== 'linux';
  }
}

/** True when the path exists. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
