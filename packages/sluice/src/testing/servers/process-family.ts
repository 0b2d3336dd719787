import { readdir, readFile } from 'node:fs/promises';
import { waitFor } from '../wait-for.ts';
import { runProgram } from './server-cache.ts';

const PS_LIMIT_MS = 30_000;
const PAUSE_LIMIT_MS = 60_000;
const KILL_LIMIT_MS = 60_000;

/** The processes that `pid` has started and that still run. */
export async function childrenOf(pid: number): Promise<number[]> {
  const parents = await parentsFromProc().catch(() => parentsFromPs());
  return parents.filter(([, parent]) => parent === pid).map(([child]) => child);
}

type Kinship = readonly [child: number, parent: number];

async function parentsFromProc(): Promise<Kinship[]> {
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    numbers.map(async (number): Promise<Kinship[]> => {
      const [state, parent] = await statusOf(number);
      return parent === undefined || state === 'Z' ? [] : [[number, Number(parent)]];
    }),
  );
  return found.flat();
}

/** The fields behind the name of the program, as in proc(5): state, parent and so on. None when it is gone. */
async function statusOf(pid: number): Promise<readonly string[]> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name stands in parentheses and may hold anything.
  return status === '' ? [] : status.slice(status.lastIndexOf(')') + 2).split(' ');
}

/** One letter, as in proc(5): `T` is paused. Undefined when it is gone, or this is not Linux. */
export async function processState(pid: number): Promise<string | undefined> {
  return (await statusOf(pid))[0];
}

async function parentsFromPs(): Promise<Kinship[]> {
  const output = await runProgram('ps', ['-A', '-o', 'pid=,ppid='], { timeoutMs: PS_LIMIT_MS });
  return output
    .trim()
    .split('\n')
    .map((line): Kinship => {
      const [child = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
      return [child, parent];
    });
}

/** Sends a signal to processes; one that has ended meanwhile is no error. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Pauses processes; resolves when they stand still, or are gone. */
export async function pauseAll(pids: readonly number[]): Promise<void> {
  signalAll(pids, 'SIGSTOP');
  for (const pid of pids) {
    // One that has ended stays a zombie while the process that would bury it is paused.
    await waitFor(async () => ['T', 'Z', 'X', undefined].includes(await processState(pid)), {
      timeoutMs: PAUSE_LIMIT_MS,
      intervalMs: 5,
      message: `process ${pid} stands still`,
    });
  }
}

/** Resolves when processes that were killed are gone, or wait for nothing but their burial. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    await waitFor(async () => ['Z', 'X', undefined].includes(await processState(pid)), {
      timeoutMs: KILL_LIMIT_MS,
      intervalMs: 5,
      message: `process ${pid} is gone`,
    });
  }
}
