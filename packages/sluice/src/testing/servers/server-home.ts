import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import { waitFor } from '../wait-for.ts';
import { lastLines } from './server-cache.ts';

/**
 * Waits until its standard input closes, which the kernel does when the process that started it is gone, however it
 * went. Then it kills the servers of the home and removes the folder. Moving `pids` away first makes a server that is
 * just being started fail at writing its number, so that none slips through. A number is only killed while its
 * command line names the folder, because numbers are reused.
 */
const WATCHDOG = `
home=$1
cat >/dev/null
mv "$home/pids" "$home/leaving" 2>/dev/null
sleep 0.05
ours() {
  if [ -d /proc/self ]; then grep -q -F -e "$home" "/proc/$1/cmdline" 2>/dev/null; else kill -0 "$1" 2>/dev/null; fi
}
for file in "$home"/leaving/*; do
  [ -f "$file" ] || continue
  pid=$(cat "$file")
  if ours "$pid"; then kill -9 "$pid"; fi
done
for file in "$home"/leaving/*; do
  [ -f "$file" ] || continue
  pid=$(cat "$file")
  tries=0
  while ours "$pid" && [ $tries -lt 600 ]; do sleep 0.05; tries=$((tries + 1)); done
done
tries=0
until rm -rf "$home" 2>/dev/null || [ $tries -ge 300 ]; do sleep 0.1; tries=$((tries + 1)); done
`;

/** Writes its own process number where the watchdog looks, then becomes the server (same number). */
const LAUNCHER = 'set -e; file=$1; shift; echo $$ >"$file"; exec "$@"';

const DISPOSE_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;

/** What to start. The command line must name the home's folder, or the watchdog will not recognise the process. */
export interface ServerCommand {
  /** Unique within the home; also names the log file. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A server process that cannot outlive the process that started it. */
export interface ServerProcess {
  readonly pid: number;
  /** True until the process has ended. */
  readonly running: boolean;
  /** Resolves when the process has ended, with the exit code or the signal as text. Never rejects. */
  readonly exited: Promise<string>;
  /** Sends a signal and, unless it only pauses or continues, waits for the end of the process. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** The last lines the server wrote to its output. */
  logTail(lines?: number): Promise<string>;
}

/** A temporary folder with the servers that live in it. Disposing it kills them (SIGKILL) and removes the folder. */
export interface ServerHome extends AsyncDisposable {
  readonly dir: string;
  spawn(command: ServerCommand): ServerProcess;
}

/**
 * Opens a home for servers. When this process ends without disposing it (SIGKILL included), a small shell process
 * that waits for that moment does the same. Nothing here keeps the event loop alive.
 */
export async function openServerHome(prefix: string): Promise<ServerHome> {
  const dir = await mkdtemp(join(tmpdir(), `sluice-${prefix}-`));
  await mkdir(join(dir, 'pids'));
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'sluice-watchdog', dir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  await once(watchdog, 'spawn');
  const gone = once(watchdog, 'exit');
  watchdog.unref();
  unrefStream(watchdog.stdin);
  const processes: ServerProcess[] = [];
  return {
    dir,
    spawn(command) {
      const started = startProcess(dir, command);
      processes.push(started);
      return started;
    },
    async [Symbol.asyncDispose]() {
      const limit = setTimeout(() => watchdog.kill('SIGKILL'), DISPOSE_LIMIT_MS);
      const killed = Promise.all(processes.map((process) => process.kill('SIGKILL')));
      watchdog.stdin?.end();
      await killed;
      await gone;
      clearTimeout(limit);
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

function startProcess(dir: string, command: ServerCommand): ServerProcess {
  const logFile = join(dir, `${command.name}.log`);
  const pidFile = join(dir, 'pids', command.name);
  const log = openSync(logFile, 'a');
  const child = spawn('sh', ['-c', LAUNCHER, 'sluice-launcher', pidFile, command.command, ...command.args], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: dir,
    env: { ...process.env, ...command.env },
  });
  closeSync(log);
  child.unref();
  let running = true;
  const exited = exitOf(child).then(async (outcome) => {
    running = false;
    await rm(pidFile, { force: true });
    return outcome;
  });
  return {
    pid: child.pid ?? 0,
    get running() {
      return running;
    },
    exited,
    async kill(signal) {
      if (!running) return;
      child.kill(signal);
      if (signal === 'SIGCONT') return;
      if (signal === 'SIGSTOP') return untilStopped(child.pid);
      child.ref();
      await exited;
    },
    async logTail(lines = 15) {
      const text = await readFile(logFile, 'utf8').catch(() => '');
      return lastLines(text, lines);
    },
  };
}

/** Each thread stops by itself, so a server may still answer for a moment after the signal. */
async function untilStopped(pid: number | undefined): Promise<void> {
  if (pid === undefined || !existsSync('/proc/self/task')) return;
  await waitFor(async () => (await threadStates(pid)).every((state) => 'TZX'.includes(state)), {
    timeoutMs: STOP_LIMIT_MS,
    intervalMs: 5,
    message: `every thread of process ${pid} has stopped`,
  });
}

/** One letter for each thread, as in proc(5). A thread that has ended meanwhile (`Z`, `X` or nothing) counts as stopped. */
async function threadStates(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  return Promise.all(
    threads.map(async (thread) => {
      const status = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T');
      // The name of the program stands in parentheses and may hold anything.
      return status.slice(status.lastIndexOf(')') + 2)[0] ?? 'T';
    }),
  );
}

function exitOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  return promise;
}

function unrefStream(stream: unknown): void {
  (stream as { unref?: () => void } | null)?.unref?.();
}

/** How long to wait for a server, and what for. */
export interface ReadyOptions {
  /** What it is, e.g. `Kafka`. */
  readonly what: string;
  /** Where it is, for the message. */
  readonly at: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/**
 * Asks until `isReady` says yes; an error means "not yet". Rejects with the end of the server's log when it ends before,
 * or when the time is over.
 */
export async function untilReady(
  process: ServerProcess,
  isReady: () => Promise<boolean>,
  { what, at, timeoutMs, intervalMs }: ReadyOptions,
): Promise<void> {
  const message = `${what} at ${at} is ready`;
  try {
    const over = async () => !process.running || (await isReady());
    await waitFor(over, { timeoutMs, intervalMs, retryErrors: true, message });
  } catch (error) {
    const { message: why, cause } = error as Error;
    throw await startFailure(what, cause instanceof Error ? `${why}: ${cause.message}` : why, process);
  }
  if (!process.running) throw await startFailure(what, await process.exited, process);
}

/** The error for a server that does not come up: what it was, why, and the end of its log. */
export async function startFailure(what: string, why: string, process: ServerProcess): Promise<SluiceError> {
  const tail = await process.logTail();
  return new SluiceError(`${what} did not start: ${why}\n${tail}`, {
    kind: 'config',
    code: 'testbed.start-failed',
    hint: 'The lines above are the end of its log.',
  });
}
