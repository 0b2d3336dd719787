import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../wait-for.ts';
import { findConnect } from './find-connect.ts';
import { findJava } from './find-kafka.ts';
import { freePorts } from './free-port.ts';
import { openServerHome, startFailure } from './server-home.ts';

/** A connector's settings, as in the `config` of its JSON file. */
export type ConnectorConfig = Readonly<Record<string, string>>;

/** A running Kafka Connect worker. Disposing it stops it and removes its data. */
export interface ConnectWorker extends AsyncDisposable {
  /** Starts a connector; resolves when its task runs. */
  start(name: string, config: ConnectorConfig): Promise<void>;
}

const START_LIMIT_MS = 120_000;
const JVM = ['-Xms128m', '-Xmx768m', '-Djava.awt.headless=true', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];

/** Starts a standalone Kafka Connect worker with the MongoDB and the Debezium connector. */
export async function startConnect(brokers: readonly string[]): Promise<ConnectWorker> {
  const [java, installation] = [await findJava(), await findConnect()];
  const home = await openServerHome('connect');
  const [port = 0] = await freePorts(1);
  const properties = join(home.dir, 'worker.properties');
  const settings = {
    'bootstrap.servers': brokers.join(','),
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'offset.storage.file.filename': join(home.dir, 'offsets'),
    'offset.flush.interval.ms': '1000',
    'plugin.path': installation.pluginPath,
    listeners: `http://127.0.0.1:${port}`,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writeFile(properties, `${lines.join('\n')}\n`);
  const main = 'org.apache.kafka.connect.cli.ConnectStandalone';
  const args = [...JVM, '-cp', installation.classPath, main, properties];
  const server = home.spawn({ name: 'connect', command: java, args });
  const rest = `http://127.0.0.1:${port}`;
  const wait = { timeoutMs: START_LIMIT_MS, intervalMs: 200, retryErrors: true };
  const answers = async () => !server.running || (await fetch(`${rest}/connectors`)).ok;
  await waitFor(answers, { ...wait, message: 'Kafka Connect answers' });
  if (!server.running) throw await startFailure('Kafka Connect', await server.exited, server);
  return {
    async start(name, config) {
      const body = JSON.stringify({ name, config });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${rest}/connectors`, { method: 'POST', headers, body });
      if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
      const runs = async () => isRunning(await (await fetch(`${rest}/connectors/${name}/status`)).json());
      await waitFor(runs, { ...wait, message: `the task of ${name} runs` });
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

function isRunning(status: unknown): boolean {
  const { tasks = [] } = status as { readonly tasks?: readonly { readonly state: string; readonly trace?: string }[] };
  const failed = tasks.find(({ state }) => state === 'FAILED');
  if (failed !== undefined) throw new Error(failed.trace ?? 'the task failed');
  return tasks.length > 0 && tasks.every(({ state }) => state === 'RUNNING');
}
