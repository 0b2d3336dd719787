import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findNats } from './find-nats.ts';
import { freePorts } from './free-port.ts';
import { makeNatsSecurity, type NatsAuth, type NatsSecurity } from './nats-security.ts';
import { openServerHome, type ServerHome, type ServerProcess, untilReady } from './server-home.ts';

/** What kind of NATS to start. */
export interface NatsOptions {
  /** Servers; 3 make a cluster. Default 1. */
  readonly nodes?: 1 | 3;
  /** How clients must log in. Default: not at all. */
  readonly auth?: NatsAuth;
  /** True: clients must speak TLS; `mutual`: with a certificate of their own. The CA is the server's own. */
  readonly tls?: boolean | 'mutual';
  /** Further lines of the configuration file of each server, e.g. `max_payload: 64KB`. */
  readonly config?: readonly string[];
}

/** One server of a NATS. */
export interface NatsNode {
  /** Address for clients, as `host:port`. */
  readonly address: string;
  /** Process number of the present run. */
  readonly pid: number;
  /** Stops it, SIGTERM by default (SIGKILL kills, SIGSTOP pauses). Data and ports stay. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was (after SIGSTOP: continues it); resolves when JetStream is ready. */
  start(): Promise<void>;
}

/** A running NATS with JetStream. Disposing it stops it and removes its data; so does the end of this process. */
export interface NatsServer extends AsyncDisposable, Omit<NatsNode, 'address'> {
  /** Addresses of all servers, as `host:port`. */
  readonly servers: readonly string[];
  /** All servers; `stop`, `start` and `pid` of this object are those of the first. */
  readonly nodes: readonly NatsNode[];
  readonly security: NatsSecurity;
  /** Folder with its settings, logs and data. */
  readonly dir: string;
}

const ATTEMPTS = 3;
const START_LIMIT_MS = 120_000;
const CLEAN_STOP_LIMIT_MS = 60_000;
const REQUEST_LIMIT_MS = 5_000;

/**
 * Starts nats-server with JetStream on free loopback ports with a folder of its own; JetStream is ready when it
 * resolves. Errors: no nats-server found, it does not start, openssl missing (with `tls`).
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const program = await findNats();
  for (let attempt = 1; ; attempt++) {
    const home = await openServerHome('nats');
    try {
      return await startIn(home, program, options);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      // Somebody may have taken a port between the choice and the start.
      const portTaken = error instanceof Error && /address already in use/i.test(error.message);
      if (!portTaken || attempt >= ATTEMPTS) throw error;
    }
  }
}

let shared: Promise<readonly string[]> | undefined;

/**
 * Servers of the NATS that a test run shares: `SLUICE_TEST_NATS` (comma-separated), else one that is started once for
 * this process and stopped when it ends. Use streams and subjects of your own in it.
 */
export function testNats(): Promise<readonly string[]> {
  const address = process.env['SLUICE_TEST_NATS'];
  if (address !== undefined && address !== '') {
    return Promise.resolve(address.split(',').map((server) => server.trim()));
  }
  shared ??= startNats().then(({ servers }) => servers);
  return shared;
}

async function startIn(home: ServerHome, program: string, options: NatsOptions): Promise<NatsServer> {
  const count = options.nodes ?? 1;
  const ports = await freePorts(count * 3);
  const security = await makeNatsSecurity(home.dir, options);
  const routes = Array.from({ length: count }, (_, index) => ports[index * 3 + 2] ?? 0);
  const nodes: Node[] = [];
  for (let index = 0; index < count; index++) {
    const [client = 0, monitor = 0, route = 0] = ports.slice(index * 3);
    const name = `nats-${index}`;
    const dir = join(home.dir, name);
    await mkdir(dir);
    const cluster = count === 1 ? undefined : { route, routes };
    const lines = serverLines({ name, dir, client, monitor, cluster });
    await writeFile(join(dir, 'nats.conf'), [...lines, ...security.lines, ...(options.config ?? []), ''].join('\n'));
    nodes.push(new Node(home, { program, name, dir, client, monitor }));
  }
  await Promise.all(nodes.map((node) => node.start()));
  const [first] = nodes as [Node];
  return {
    servers: nodes.map(({ address }) => address),
    nodes,
    security,
    dir: home.dir,
    get pid() {
      return first.pid;
    },
    stop: (signal) => first.stop(signal),
    start: () => first.start(),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

interface ServerPlace {
  readonly name: string;
  readonly dir: string;
  readonly client: number;
  readonly monitor: number;
}

interface ClusterPorts {
  readonly route: number;
  readonly routes: readonly number[];
}

function serverLines({ name, dir, client, monitor, cluster }: ServerPlace & { cluster: ClusterPorts | undefined }) {
  const lines = [
    `server_name: ${name}`,
    `listen: "127.0.0.1:${client}"`,
    `http: "127.0.0.1:${monitor}"`,
    `jetstream { store_dir: "${dir}", max_mem: 1GB, max_file: 20GB }`,
  ];
  if (cluster === undefined) return lines;
  const routes = cluster.routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  return [...lines, `cluster { name: tests, listen: "127.0.0.1:${cluster.route}", routes: [${routes}] }`];
}

/** One server process over several lives. */
class Node implements NatsNode {
  readonly address: string;
  readonly #home: ServerHome;
  readonly #place: ServerPlace & { readonly program: string };
  #process: ServerProcess | undefined;
  #paused = false;

  constructor(home: ServerHome, place: ServerPlace & { readonly program: string }) {
    this.#home = home;
    this.#place = place;
    this.address = `127.0.0.1:${place.client}`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const { program, name, dir } = this.#place;
    if (this.#process?.running === true) {
      if (!this.#paused) throw new Error('this nats-server is running already');
      await this.#process.kill('SIGCONT');
      this.#paused = false;
    } else {
      this.#process = this.#home.spawn({ name, command: program, args: ['-c', join(dir, 'nats.conf')] });
    }
    await this.#isReady(this.#process);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const process = this.#process;
    if (process === undefined || !process.running) return;
    if (signal === 'SIGSTOP') {
      this.#paused = true;
      await process.kill(signal);
      return;
    }
    const limit = setTimeout(() => void process.kill('SIGKILL'), CLEAN_STOP_LIMIT_MS);
    await process.kill(signal);
    clearTimeout(limit);
    this.#paused = false;
  }

  async #isReady(process: ServerProcess): Promise<void> {
    const ready = async () => {
      const response = await fetch(`http://127.0.0.1:${this.#place.monitor}/healthz`, {
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text}`);
      return true;
    };
    const limits = { timeoutMs: START_LIMIT_MS, intervalMs: 20 };
    await untilReady(process, ready, { what: 'nats-server', at: this.address, ...limits });
  }
}
