import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PipelineStatus } from '../core/status.ts';

const MAIN = resolve(import.meta.dirname, '../cli/main.ts');
const DIE_WITH_PARENT = resolve(import.meta.dirname, 'die-with-parent.ts');

/** How a command ended: exactly one of code and signal is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How the program is started. */
export interface SluiceOptions {
  /** Added to the environment of the child. */
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments of Node itself, e.g. a heap limit. */
  readonly nodeArgs?: readonly string[];
  readonly cwd?: string;
}

/** A running `sluice` as a process of its own. Disposing it kills it. */
export class SluiceProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], options: SluiceOptions = {}) {
    const nodeArgs = ['--import', DIE_WITH_PARENT, ...(options.nodeArgs ?? [])];
    this.#child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#exit = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Everything printed so far. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get exit(): Promise<Exit> {
    return this.#exit;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (this.running) this.#child.kill(signal);
    return this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

/** Runs a command to its end. */
export async function runSluice(args: readonly string[], options?: SluiceOptions) {
  await using child = new SluiceProcess(args, options);
  const exit = await child.exit;
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}

/** Writes a configuration (as JSON, which is YAML) into the directory and returns its path. */
export async function writeConfig(directory: string, config: object): Promise<string> {
  const path = join(directory, 'sluice.yaml');
  await writeFile(path, JSON.stringify(config, null, 2));
  return path;
}

/** Long enough for a process that is starved by others, short beside the limits of those who ask. */
const ANSWER_LIMIT_MS = 10_000;

/** The status of one pipeline of a running process; undefined while it does not answer. */
export async function fetchStatus(url: string, pipeline: string): Promise<PipelineStatus | undefined> {
  try {
    const response = await fetch(`${url}/api/pipelines/${pipeline}`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return response.ok ? ((await response.json()) as PipelineStatus) : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until the status of the pipeline satisfies the condition; on a timeout the error shows the last one. */
export async function waitForStatus(
  url: string,
  condition: (status: PipelineStatus) => boolean,
  options: { pipeline: string; timeoutMs?: number; process?: SluiceProcess },
): Promise<PipelineStatus> {
  const deadline = Date.now() + (options.timeoutMs ?? 120_000);
  for (;;) {
    const status = await fetchStatus(url, options.pipeline);
    if (status !== undefined && condition(status)) return status;
    const ended = options.process !== undefined && !options.process.running;
    if (ended || Date.now() > deadline) {
      const output = options.process?.stderr.slice(-3_000) ?? '';
      throw new Error(`${ended ? 'the process ended' : 'timeout'}; last status ${JSON.stringify(status)}\n${output}`);
    }
    await delay(25);
  }
}
