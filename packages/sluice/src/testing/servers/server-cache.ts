import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

/** Runs a program to its end. Rejects with the end of its output when it fails, is missing or takes too long. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly timeoutMs: number; readonly env?: Readonly<Record<string, string>> },
): Promise<string> {
  try {
    const { stdout, stderr } = await run(command, [...args], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs,
      maxBuffer: OUTPUT_LIMIT_BYTES,
    });
    return stdout + stderr;
  } catch (error) {
    throw new Error(describeFailure(command, error as ProgramFailure, options.timeoutMs), { cause: error });
  }
}

interface ProgramFailure extends Error {
  readonly code?: string | number;
  readonly killed?: boolean;
  readonly stdout?: string;
  readonly stderr?: string;
}

function describeFailure(command: string, failure: ProgramFailure, timeoutMs: number): string {
  if (failure.code === 'ENOENT') return `\`${command}\` is not installed`;
  if (failure.killed === true) return `\`${command}\` did not finish within ${timeoutMs / 1000} s`;
  const output = lastLines(`${failure.stdout ?? ''}${failure.stderr ?? ''}`, 6);
  return `\`${command}\` failed (${failure.code ?? 'signal'}): ${output || failure.message}`;
}

/** The last lines of a program's output, without the stack frames of Java, which would push out what matters. */
export function lastLines(output: string, count: number): string {
  const lines = output.trimEnd().split('\n');
  return lines
    .filter((line) => !/^\s+at \S+\(/.test(line))
    .slice(-count)
    .join('\n');
}

/** The path of an executable on the PATH, or undefined. */
export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

/** True when the file exists and this user may execute it. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The user's cache folder for downloaded servers; it need not exist yet. */
export function serverCacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'sluice');
}

/**
 * Fills the cache folder `name` once. `fill` works in a folder of its own beside it and returns the subfolder to keep;
 * a rename puts that in place as a whole. Several processes may do this at the same time: the first one wins, the
 * others throw their copy away.
 */
export async function fillCache(name: string, fill: (scratch: string) => Promise<string>): Promise<string> {
  const cache = serverCacheDir();
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, '.filling-'));
  const target = join(cache, name);
  try {
    const filled = await fill(scratch);
    await rename(filled, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Tells the person at the terminal what takes long. */
export type Report = (line: string) => void;

/** Reports on standard error, so that data on standard output stays clean. */
export const reportOnStderr: Report = (line) => {
  process.stderr.write(`${line}\n`);
};
