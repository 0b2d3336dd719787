import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Collection, type Db, MongoClient } from 'mongodb';
import type { PipelineStatus } from '../../packages/sluice/src/core/status.ts';
import { freePorts } from '../../packages/sluice/src/testing/servers/free-port.ts';
import { startKafka } from '../../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../../packages/sluice/src/testing/servers/mongo.ts';
import {
  fetchStatus,
  runSluice,
  SluiceProcess,
  waitForStatus,
} from '../../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../../packages/sluice/src/testing/temp-dir.ts';
import * as show from './show.ts';
import type { NewUser } from './users.ts';

/** A running `sluice run`. */
export interface Running {
  readonly name: string;
  readonly url: string;
  readonly process: SluiceProcess;
  status(pipeline: string): Promise<PipelineStatus | undefined>;
  /** Waits until the pipeline is so; the error shows what it was last. */
  until(pipeline: string, condition: (status: PipelineStatus) => boolean): Promise<PipelineStatus>;
}

/** Two replica sets and a broker of their own, and what runs between them. Disposing it stops everything. */
export interface Stage extends AsyncDisposable {
  readonly source: { readonly uri: string; readonly db: Db; readonly users: Collection<NewUser> };
  readonly target: { readonly uri: string; db(name: string): Db };
  readonly broker: string;
  /** Runs a command to its end and prints it. Throws when it fails. */
  capture(...words: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }>;
  /** The same, and prints its standard output, which it returns. */
  run(...words: readonly string[]): Promise<string>;
  /** `sluice status` of these processes. */
  showStatus(...running: readonly Running[]): Promise<void>;
  /** MongoDB to Kafka, from the connector's file. */
  startSource(): Promise<Running>;
  /** One more worker. */
  startWorker(): Promise<Running>;
}

const CONNECTOR = 'users-connector.json';
const WORKERS = 'workers.yaml';
/** Where `sluice run` listens unless its configuration says otherwise. */
const USUAL_PORT = 8380;
/** For machines that have much else to do. */
const WAIT_MS = 120_000;

/** Starts the servers. */
export async function openStage(): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const { source, target, broker } = await startServers(opening);
  const sourceDb = (await connect(source.uri, opening)).db('test');
  const targetClient = await connect(target.uri, opening);
  const directory = opening.use(await tempDir('migration'));
  await copyFile(join(import.meta.dirname, WORKERS), join(directory.path, WORKERS));
  await writeFile(join(directory.path, CONNECTOR), await connectorFor(source.uri));
  const env = { KAFKA_BROKER: broker, TARGET_URI: target.uri };
  const started = opening.use(new AsyncDisposableStack());
  const stack = opening.move();
  const options = { cwd: directory.path, env };
  const launch = (name: string, parts: Launch) => {
    const running = new RunningSluice(name, parts, options);
    started.use(running.process);
    return running;
  };
  const capture = (...words: readonly string[]) => {
    show.command(words);
    return succeed(words, options);
  };
  let workers = 0;
  return {
    source: { uri: source.uri, db: sourceDb, users: sourceDb.collection('users') },
    target: { uri: target.uri, db: (name) => targetClient.db(name) },
    broker,
    capture,
    async run(...words) {
      const { stdout } = await capture(...words);
      show.output(stdout);
      return stdout;
    },
    async showStatus(...running) {
      const calls = running.map(({ url }) => ['status', '--url', url]);
      // At the same time: together they show one moment.
      const shown = await Promise.all(calls.map((words) => succeed(words, options)));
      for (const [index, words] of calls.entries()) {
        show.command(words);
        show.output(shown[index]?.stdout ?? '');
      }
    },
    async startSource() {
      if (await isFree(USUAL_PORT)) {
        const words = ['run', '--from', 'kafka-connect', CONNECTOR, '--brokers', broker];
        return launch('source', { words, port: USUAL_PORT });
      }
      return launch('source', await importedSource(broker, options));
    },
    async startWorker() {
      const [port = 0] = await freePorts(1);
      return launch(`worker ${++workers}`, { words: ['run', '-c', WORKERS], port, env: { SLUICE_PORT: `${port}` } });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Launch {
  readonly words: readonly string[];
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
}

interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

class RunningSluice implements Running {
  readonly name: string;
  readonly url: string;
  readonly process: SluiceProcess;

  constructor(name: string, { words, port, env = {} }: Launch, { cwd, env: shared }: Surroundings) {
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    show.command(words, env);
    this.process = new SluiceProcess(words, { cwd, env: { ...shared, ...env } });
  }

  status(pipeline: string): Promise<PipelineStatus | undefined> {
    return fetchStatus(this.url, pipeline);
  }

  until(pipeline: string, condition: (status: PipelineStatus) => boolean): Promise<PipelineStatus> {
    return waitForStatus(this.url, condition, { pipeline, process: this.process, timeoutMs: WAIT_MS });
  }
}

/** Runs a command to its end. */
async function succeed(words: readonly string[], surroundings: Surroundings) {
  const { code, stdout, stderr } = await runSluice(words, surroundings);
  if (code !== 0) throw new Error(`sluice ${words.join(' ')} ended with ${code}: ${stderr}`);
  return { stdout, stderr };
}

/** The connector's file as it is here, with the address of the source that was started. */
async function connectorFor(uri: string): Promise<string> {
  const file = JSON.parse(await readFile(join(import.meta.dirname, CONNECTOR), 'utf8')) as { config: object };
  return JSON.stringify({ ...file, config: { ...file.config, 'connection.uri': uri } }, null, 2);
}

/** Where something else has the usual port: the same from an imported file, with another one. */
async function importedSource(broker: string, { cwd, env }: Surroundings): Promise<Launch> {
  const [port = 0] = await freePorts(1);
  const words = ['import', 'kafka-connect', CONNECTOR, '--brokers', broker, '-o', 'source.yaml'];
  show.say(`(Port ${USUAL_PORT} is taken on this machine: the file is imported first and given another one.)`);
  show.command(words);
  await succeed(words, { cwd, env });
  const file = join(cwd, 'source.yaml');
  await writeFile(file, `${await readFile(file, 'utf8')}\nhttp:\n  listen: 127.0.0.1:${port}\n`);
  return { words: ['run', '-c', 'source.yaml'], port };
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer()
    .once('error', () => resolve(false))
    .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}

/** Starts the servers at the same time; each is stopped with the stack, also when another one does not start. */
async function startServers(stack: AsyncDisposableStack) {
  const starting = [startMongo(), startMongo(), startKafka({ config: { 'num.partitions': '3' } })] as const;
  for (const outcome of await Promise.allSettled(starting)) {
    if (outcome.status === 'fulfilled') stack.use(outcome.value);
  }
  const [source, target, kafka] = await Promise.all(starting);
  return { source, target, broker: kafka.brokers[0] as string };
}

/** A client that is closed with the stack. */
async function connect(uri: string, stack: AsyncDisposableStack): Promise<MongoClient> {
  const client = await MongoClient.connect(uri);
  stack.defer(() => client.close());
  return client;
}
