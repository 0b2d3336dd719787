import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findSearch, type SearchInstallation, type SearchProduct } from './find-search.ts';
import { freePorts } from './free-port.ts';
import { openServerHome, type ServerHome, type ServerProcess, untilReady } from './server-home.ts';

/** What kind of search engine to start. */
export interface SearchOptions {
  /** Default: opensearch (2.19.1). `elasticsearch` is 7.10.2. */
  readonly product?: SearchProduct;
  /** Further settings of the node, e.g. `{ 'http.max_content_length': '1mb' }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Memory of the Java process, as `-Xmx` wants it. Default 512m. */
  readonly heap?: string;
  /** What Java compiles for: a quick start (the default), or speed, which a bench needs. */
  readonly compileFor?: 'start' | 'speed';
}

/**
 * A running search engine of one node, without TLS and logins (`secureFront` adds them). Disposing it stops it and
 * removes its data; so does the end of this process.
 */
export interface SearchServer extends AsyncDisposable {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Folder with its log and data. */
  readonly dir: string;
  /** Process number of the present run. */
  readonly pid: number;
  /** Stops it, SIGTERM by default (a clean stop; SIGSTOP pauses). Data and ports stay. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was (after SIGSTOP: continues it); resolves when all indexes can be read and written. */
  start(): Promise<void>;
}

const ATTEMPTS = 3;
/** Java starts, and every index is recovered, in 5 s on two idle cores; a minute was measured on busy ones. */
const START_LIMIT_MS = 240_000;
const CLEAN_STOP_LIMIT_MS = 60_000;
const REQUEST_LIMIT_MS = 15_000;
const JVM = [
  '-XX:+UseSerialGC',
  '-XX:-UsePerfData',
  '-Djava.awt.headless=true',
  '-Dfile.encoding=UTF-8',
  '-Dlog4j2.level=WARN',
  '-Dopensearch.set.netty.runtime.available.processors=false',
  '-Des.set.netty.runtime.available.processors=false',
];

/**
 * Starts one node on free loopback ports with a folder of its own; its cluster is ready when it resolves. Errors: no
 * Java or Maven found, it does not start.
 */
export async function startSearch(options: SearchOptions = {}): Promise<SearchServer> {
  const installation = await findSearch(options.product);
  for (let attempt = 1; ; attempt++) {
    const home = await openServerHome('search');
    try {
      return await startIn(home, installation, options);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      // Somebody may have taken a port between the choice and the start.
      const portTaken = error instanceof Error && /address already in use|failed to bind/i.test(error.message);
      if (!portTaken || attempt >= ATTEMPTS) throw error;
    }
  }
}

let shared: Promise<string> | undefined;

/**
 * URL of the OpenSearch that a test run shares: `SLUICE_TEST_OPENSEARCH`, else one that is started once for this process
 * and stopped when it ends. Use indexes and templates of your own in it.
 */
export function testSearch(): Promise<string> {
  const url = process.env['SLUICE_TEST_OPENSEARCH'];
  if (url !== undefined && url !== '') return Promise.resolve(url.replace(/\/$/, ''));
  shared ??= startSearch().then((server) => server.url);
  return shared;
}

async function startIn(
  home: ServerHome,
  installation: SearchInstallation,
  options: SearchOptions,
): Promise<SearchServer> {
  const [http = 0, transport = 0] = await freePorts(2);
  const scratch = join(home.dir, 'tmp');
  await mkdir(scratch);
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => `${name}=${value}`);
  const url = `http://127.0.0.1:${http}`;
  const node = new SearchNode(home, installation, url, [
    ...JVM,
    ...(options.compileFor === 'speed' ? [] : ['-XX:TieredStopAtLevel=1']),
    '-Xms256m',
    `-Xmx${options.heap ?? '512m'}`,
    `-Djava.io.tmpdir=${scratch}`,
    `-Djna.tmpdir=${scratch}`,
    '-cp',
    installation.classPath,
    installation.mainClass,
    home.dir,
    String(http),
    String(transport),
    ...settings,
  ]);
  await node.start();
  return {
    url,
    port: http,
    dir: home.dir,
    get pid() {
      return node.pid;
    },
    stop: (signal = 'SIGTERM') => node.stop(signal),
    start: () => node.start(),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** The Java process over several lives. */
class SearchNode {
  readonly #home: ServerHome;
  readonly #installation: SearchInstallation;
  readonly #url: string;
  readonly #args: readonly string[];
  #process: ServerProcess | undefined;
  #paused = false;

  constructor(home: ServerHome, installation: SearchInstallation, url: string, args: readonly string[]) {
    this.#home = home;
    this.#installation = installation;
    this.#url = url;
    this.#args = args;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const { java, title } = this.#installation;
    if (this.#process?.running === true) {
      if (!this.#paused) throw new Error(`${title} is running already`);
      await this.#process.kill('SIGCONT');
      this.#paused = false;
    } else {
      this.#process = this.#home.spawn({ name: 'search', command: java, args: this.#args });
    }
    await this.#isReady(this.#process);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    if (process === undefined || !process.running) return;
    if (signal === 'SIGSTOP') {
      this.#paused = true;
      await process.kill(signal);
      return;
    }
    if (this.#paused) await process.kill('SIGCONT');
    const limit = setTimeout(() => void process.kill('SIGKILL'), CLEAN_STOP_LIMIT_MS);
    await process.kill(signal);
    clearTimeout(limit);
    this.#paused = false;
  }

  /** Yellow: every index has its first copy; a single node can have no other. */
  async #isReady(process: ServerProcess): Promise<void> {
    const ready = async () => {
      const response = await fetch(`${this.#url}/_cluster/health?wait_for_status=yellow&timeout=2s`, {
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${answer}; ${await this.#retryShards()}`);
      return true;
    };
    const limits = { timeoutMs: START_LIMIT_MS, intervalMs: 50 };
    await untilReady(process, ready, { what: this.#installation.title, at: this.#url, ...limits });
  }

  /** After five failures a node leaves a shard alone until somebody asks for it. Says why one is not served. */
  async #retryShards(): Promise<string> {
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS);
    const reroute = await fetch(`${this.#url}/_cluster/reroute?retry_failed=true&metric=none`, {
      method: 'POST',
      signal,
    });
    const explained = await fetch(`${this.#url}/_cluster/allocation/explain`, { signal });
    return `reroute: ${reroute.status} ${await reroute.text()}; ${await explained.text()}`;
  }
}
