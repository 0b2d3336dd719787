import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, MongoClient, type MongoClientOptions } from 'mongodb';
import { waitFor } from '../wait-for.ts';
import { acceptsConnections } from './free-port.ts';
import { type ServerHome, type ServerProcess, untilReady } from './server-home.ts';

const START_LIMIT_MS = 120_000;
const SELECTION_LIMIT_MS = 60_000;
const MEMBER_ARGS = [
  '--bind_ip',
  '127.0.0.1',
  '--nounixsocket',
  '--setParameter',
  'enableTestCommands=1',
  '--setParameter',
  'diagnosticDataCollectionEnabled=false',
];

/** One mongod of a test replica set. */
export interface MongoMember {
  readonly host: string;
  readonly port: number;
  /** Connects to this member alone, whatever its state. */
  readonly uri: string;
  readonly dbPath: string;
  /** Process number of the present run. */
  readonly pid: number;
  /** Sends a signal (SIGKILL by default); waits for the end of the process unless it only pauses or continues it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data; resolves when it is primary or secondary. */
  start(): Promise<void>;
}

/** What a member is made of. */
export interface MemberPlan {
  readonly home: ServerHome;
  readonly mongod: string;
  readonly name: string;
  readonly port: number;
  readonly args: readonly string[];
  /** Makes the URI of one member; with credentials once there are some. */
  readonly uriOf: (port: number) => string;
}

/** A member that is not started yet. */
export function planMember(plan: MemberPlan): MongoMember & { launch(): Promise<void> } {
  const dbPath = join(plan.home.dir, plan.name);
  let process: ServerProcess | undefined;
  const launch = async () => {
    await mkdir(dbPath, { recursive: true });
    process = plan.home.spawn({
      name: plan.name,
      command: plan.mongod,
      args: ['--dbpath', dbPath, '--port', String(plan.port), ...MEMBER_ARGS, ...plan.args],
    });
    await listening(process, plan.port);
  };
  return {
    host: '127.0.0.1',
    port: plan.port,
    dbPath,
    get uri() {
      return plan.uriOf(plan.port);
    },
    get pid() {
      return process?.pid ?? 0;
    },
    launch,
    async kill(signal = 'SIGKILL') {
      await process?.kill(signal);
    },
    async start() {
      if (process?.running === true) throw new Error(`mongod on port ${plan.port} is running already`);
      await launch();
      await waitForHello(
        plan.uriOf(plan.port),
        (hello) => hello['isWritablePrimary'] === true || hello['secondary'] === true,
      );
    },
  };
}

async function listening(process: ServerProcess, port: number): Promise<void> {
  const limits = { timeoutMs: START_LIMIT_MS, intervalMs: 25 };
  await untilReady(process, () => acceptsConnections(port), { what: 'mongod', at: `port ${port}`, ...limits });
}

/** Asks the member at `uri` how it sees the replica set until `accept` is true; returns that answer. */
export async function waitForHello(uri: string, accept: (hello: Document) => boolean): Promise<Document> {
  return withMongo(uri, async (client) => {
    let hello: Document = {};
    await waitFor(
      async () => {
        hello = await client.db('admin').command({ hello: 1 });
        return accept(hello);
      },
      { timeoutMs: START_LIMIT_MS, intervalMs: 50, retryErrors: true, message: 'the replica set is ready' },
    );
    return hello;
  });
}

/** Runs `work` with a connected client and closes it. */
export async function withMongo<T>(
  uri: string,
  work: (client: MongoClient) => Promise<T>,
  options: MongoClientOptions = {},
): Promise<T> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: SELECTION_LIMIT_MS, ...options });
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.close();
  }
}
