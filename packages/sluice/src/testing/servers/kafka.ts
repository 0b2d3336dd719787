import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../wait-for.ts';
import { findKafka, type KafkaInstallation } from './find-kafka.ts';
import { freePorts } from './free-port.ts';
import { canLogIn, countBrokers, setScramPassword } from './kafka-admin.ts';
import { brokerProperties, type KafkaPorts } from './kafka-properties.ts';
import { type KafkaSecurity, makeKafkaSecurity } from './kafka-security.ts';
import { runProgram } from './server-cache.ts';
import { openServerHome, type ServerHome, type ServerProcess, untilReady } from './server-home.ts';

export type { KafkaSecurity } from './kafka-security.ts';

/** What kind of broker to start. */
export interface KafkaOptions {
  /** Clients must log in with this mechanism as the user in `security`. */
  readonly sasl?: 'scram-sha-256' | 'scram-sha-512';
  /** True: clients must speak TLS; the broker's certificate is of a CA of its own. Client certificates are optional. */
  readonly tls?: boolean;
  /** Broker settings that replace or add to those of the test bed, e.g. `{ 'ssl.client.auth': 'required' }`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** A running broker. Disposing it stops it and removes its data; so does the end of this process, however it ends. */
export interface KafkaServer extends AsyncDisposable {
  /** Addresses for clients, as `host:port`. */
  readonly brokers: readonly string[];
  /** Another listener of the same broker without TLS and login, for looking on from outside. */
  readonly plainBrokers: readonly string[];
  readonly security: KafkaSecurity;
  /** Folder with its settings, log and data. */
  readonly dir: string;
  /** Process number of the present run. */
  readonly pid: number;
  /** Stops it, SIGTERM by default (a clean stop; SIGSTOP pauses). Data, users and ports stay. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was (after SIGSTOP: continues it); resolves when it answers. */
  start(): Promise<void>;
  /** Sets the password of a user, or adds the user; holds for logins from now on. `sasl` only. */
  setPassword(user: string, password: string): Promise<void>;
}

const ATTEMPTS = 3;
const START_LIMIT_MS = 180_000;
const CLEAN_STOP_LIMIT_MS = 60_000;
const FORMAT_LIMIT_MS = 120_000;
const PASSWORD_LIMIT_MS = 30_000;
const QUICK_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx256m'];
const BROKER_JVM = ['-Xms256m', '-Xmx512m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-Djava.awt.headless=true'];
const QUIET = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.showDateTime=true'];

/**
 * Starts one Kafka broker (KRaft, combined mode) on free loopback ports with a folder of its own; an API call has been
 * answered when it resolves. Errors: no Kafka or Java found, it does not start, openssl missing (with `tls`).
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const installation = await findKafka();
  for (let attempt = 1; ; attempt++) {
    const home = await openServerHome('kafka');
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

let shared: Promise<readonly string[]> | undefined;

/**
 * Brokers of the Kafka that a test run shares: `SLUICE_TEST_KAFKA` (comma-separated), else one that is started once for
 * this process and stopped when it ends. Use topics of your own in it.
 */
export function testKafka(): Promise<readonly string[]> {
  const address = process.env['SLUICE_TEST_KAFKA'];
  if (address !== undefined && address !== '') {
    return Promise.resolve(address.split(',').map((broker) => broker.trim()));
  }
  shared ??= startKafka().then((server) => server.brokers);
  return shared;
}

async function startIn(home: ServerHome, installation: KafkaInstallation, options: KafkaOptions): Promise<KafkaServer> {
  const [client = 0, plain = 0, controller = 0] = await freePorts(3);
  const ports: KafkaPorts = { client, plain, controller };
  const security = await makeKafkaSecurity(home.dir, options);
  const properties = join(home.dir, 'server.properties');
  await writeFile(properties, brokerProperties({ dir: home.dir, ports, security, overrides: options.config ?? {} }));
  await format(home, installation, security);
  const broker = new Broker(home, installation, `127.0.0.1:${plain}`);
  await broker.start();
  return {
    brokers: [`127.0.0.1:${client}`],
    plainBrokers: [`127.0.0.1:${plain}`],
    security,
    dir: home.dir,
    get pid() {
      return broker.pid;
    },
    stop: (signal = 'SIGTERM') => broker.stop(signal),
    start: () => broker.start(),
    async setPassword(user, password) {
      if (security.login === undefined) throw new Error('this Kafka was started without `sasl`');
      const { mechanism } = security.login;
      await setScramPassword(`127.0.0.1:${plain}`, mechanism, { user, password });
      // The answer comes from the controller; the broker, which checks logins, learns of it a moment later.
      const known = () => canLogIn(`127.0.0.1:${client}`, { mechanism, user, password }, security.tls?.ca);
      await waitFor(known, { timeoutMs: PASSWORD_LIMIT_MS, message: `${user} can log in`, retryErrors: true });
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** The broker process over several lives. */
class Broker {
  readonly #home: ServerHome;
  readonly #installation: KafkaInstallation;
  readonly #address: string;
  #process: ServerProcess | undefined;
  #paused = false;

  constructor(home: ServerHome, installation: KafkaInstallation, address: string) {
    this.#home = home;
    this.#installation = installation;
    this.#address = address;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    if (this.#process?.running === true) {
      if (!this.#paused) throw new Error('Kafka is running already');
      await this.#process.kill('SIGCONT');
      this.#paused = false;
    } else {
      this.#process = this.#home.spawn({
        name: 'kafka',
        command: this.#installation.java,
        args: [
          ...BROKER_JVM,
          ...QUIET,
          '-cp',
          this.#installation.classPath,
          'kafka.Kafka',
          join(this.#home.dir, 'server.properties'),
        ],
      });
    }
    await this.#answers(this.#process);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
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

  async #answers(process: ServerProcess): Promise<void> {
    await untilReady(process, async () => (await countBrokers(this.#address)) > 0, {
      what: 'Kafka',
      at: this.#address,
      timeoutMs: START_LIMIT_MS,
      intervalMs: 100,
    });
  }
}

/** Writes the cluster id and the first user into the data folder, as KRaft wants it before the first start. */
async function format(home: ServerHome, installation: KafkaInstallation, security: KafkaSecurity): Promise<void> {
  // A leading hyphen would be taken for an option.
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  const { login } = security;
  const users =
    login === undefined ? [] : ['--add-scram', `${login.mechanism}=[name=${login.user},password=${login.password}]`];
  const tool = ['-cp', installation.classPath, 'kafka.tools.StorageTool', 'format', '-t', clusterId];
  await runProgram(
    installation.java,
    [...QUICK_START, ...QUIET, ...tool, '-c', join(home.dir, 'server.properties'), ...users],
    { timeoutMs: FORMAT_LIMIT_MS },
  );
}
