import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type ClientConfig } from 'pg';
import { childrenOf, pauseAll, signalAll, untilGone } from './process-family.ts';
import { type ServerHome, type ServerProcess, untilReady } from './server-home.ts';

const START_LIMIT_MS = 120_000;
const CLEAN_STOP_LIMIT_MS = 60_000;
const CONNECT_LIMIT_MS = 10_000;

/** The server over several lives: the first process, whose children serve one client each. */
export class Postmaster {
  readonly #home: ServerHome;
  readonly #command: readonly string[];
  readonly #connection: ClientConfig;
  #process: ServerProcess | undefined;
  /** Children that are paused; empty while it runs. */
  #paused: readonly number[] | undefined;

  constructor(home: ServerHome, command: readonly string[], connection: ClientConfig) {
    this.#home = home;
    this.#command = command;
    this.#connection = connection;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    if (this.#process?.running === true) {
      if (this.#paused === undefined) throw new Error('PostgreSQL is running already');
      await this.#continue(this.#process);
    } else {
      const [command = '', ...args] = this.#command;
      this.#process = this.#home.spawn({
        name: 'postgres',
        command,
        args: [...args, '-D', join(this.#home.dir, 'data')],
      });
    }
    await this.#answers(this.#process);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    if (process === undefined || !process.running) return;
    if (signal === 'SIGSTOP') return this.#pause(process);
    if (this.#paused !== undefined) await this.#continue(process);
    if (signal === 'SIGKILL') return killFamily(process);
    const limit = setTimeout(() => void killFamily(process), CLEAN_STOP_LIMIT_MS);
    await process.kill(signal);
    clearTimeout(limit);
  }

  /** Stops it at once, with its children, and lets it give its shared memory back. */
  async end(): Promise<void> {
    await this.stop('SIGQUIT');
  }

  /** The first process is stopped first, so that no child is added meanwhile. */
  async #pause(process: ServerProcess): Promise<void> {
    await process.kill('SIGSTOP');
    const children = await childrenOf(process.pid);
    this.#paused = children;
    // For the watchdog: a paused child does not notice that the first process is gone.
    for (const child of children) await writeFile(this.#pidFile(child), `${child}\n`);
    await pauseAll(children);
  }

  async #continue(process: ServerProcess): Promise<void> {
    const children = this.#paused ?? [];
    this.#paused = undefined;
    signalAll(children, 'SIGCONT');
    await process.kill('SIGCONT');
    for (const child of children) await rm(this.#pidFile(child), { force: true });
  }

  #pidFile(child: number): string {
    return join(this.#home.dir, 'pids', `postgres-${child}`);
  }

  async #answers(process: ServerProcess): Promise<void> {
    const { host, port } = this.#connection;
    await untilReady(process, () => answers(this.#connection), {
      what: 'PostgreSQL',
      at: `${host}:${port}`,
      timeoutMs: START_LIMIT_MS,
      intervalMs: 20,
    });
  }
}

/** Kills every process of it, as the end of a machine would. One that is left holds the memory they share: none starts beside it. */
async function killFamily(process: ServerProcess): Promise<void> {
  await process.kill('SIGSTOP');
  const children = await childrenOf(process.pid);
  await process.kill('SIGKILL');
  signalAll(children, 'SIGKILL');
  await untilGone(children);
}

async function answers(connection: ClientConfig): Promise<boolean> {
  const client = new Client({ ...connection, connectionTimeoutMillis: CONNECT_LIMIT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } finally {
    await client.end();
  }
}
