/*
 * Runs mongodb-nats-connector on a fixed script of writes and records what it publishes and saves, together with the
 * change events of the same writes. The result is the golden file that the drop-in is compared with. Needs Go; run it
 * by hand: node scripts/record-nats-connector-outputs.ts
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { BSON, MongoClient, type Timestamp } from 'mongodb';
import { type AnyDocument, write } from '../packages/sluice/src/testing/connect-writes.ts';
import {
  NATS_CONNECTOR_RECORDING_FILE,
  type NatsConnectorRecording,
  type RecordedCollection,
} from '../packages/sluice/src/testing/nats-connector-recording.ts';
import { readStream } from '../packages/sluice/src/testing/nats-reader.ts';
import { freePorts } from '../packages/sluice/src/testing/servers/free-port.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { startNats } from '../packages/sluice/src/testing/servers/nats.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { waitFor } from '../packages/sluice/src/testing/wait-for.ts';
import { readEvents } from './read-events.ts';

const MODULE = 'github.com/damianiandrea/mongodb-nats-connector';
const MODULE_FOLDER = resolve(import.meta.dirname, 'go-nats-connector');
const LIMIT = { timeoutMs: 60_000, intervalMs: 200, retryErrors: true };

/** All options; a capped and an uncapped collection of tokens, two databases, a name with a dot, defaults. */
const FILE = `connector:
  log:
    level: warn
  collections:
    - dbName: shop
      collName: types
      changeStreamPreAndPostImages: true
      tokensDbName: positions
      tokensCollName: t
      tokensCollCapped: true
      tokensCollSizeInBytes: 1048576
      streamName: ALL_TYPES
    - dbName: shop
      collName: orders.eu
      streamName: EU
    - dbName: crm
      collName: users
`;

interface Plan {
  readonly database: string;
  readonly collection: string;
  readonly stream: string;
  /** Database and collection. */
  readonly tokens: readonly [string, string];
  /** The option with which the documents are read that it has looked up: those of the moment, or what has not changed since. */
  readonly fullDocument: 'whenAvailable' | 'updateLookup';
  /** The last operation. */
  readonly last: string;
}

const TYPES: Plan = {
  database: 'shop',
  collection: 'types',
  stream: 'ALL_TYPES',
  tokens: ['positions', 't'],
  fullDocument: 'whenAvailable',
  last: 'drop',
};
const LOOKED_UP = { fullDocument: 'updateLookup', last: 'delete' } as const;
const COLLECTIONS: readonly Plan[] = [
  TYPES,
  { ...LOOKED_UP, database: 'shop', collection: 'orders.eu', stream: 'EU', tokens: ['resume-tokens', 'orders.eu'] },
  { ...LOOKED_UP, database: 'crm', collection: 'users', stream: 'USERS', tokens: ['resume-tokens', 'users'] },
];

async function record(): Promise<void> {
  await using mongo = await startMongo();
  await using nats = await startNats();
  await using directory = await tempDir('nats-connector');
  await using client = new MongoClient(mongo.uri);
  const { operationTime } = await client.db('admin').command({ ping: 1 });
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const program = build(directory.path);
  const file = join(directory.path, 'connector.yaml');
  writeFileSync(file, FILE);
  const env = { MONGO_URI: mongo.uri, NATS_URL: `nats://${nats.servers[0]}`, SERVER_ADDR: address, CONFIG_FILE: file };
  const child = spawn(program, { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    const health = await waitFor(() => healthOf(`http://${address}/healthz`), { ...LIMIT, message: 'it answers' });
    const found = async (plan: Plan) => readStream({ servers: nats.servers, stream: plan.stream });
    await writeAll(client, async () => {
      let count = -1;
      const total = async () => (await Promise.all(COLLECTIONS.map(found))).flat().length;
      await waitFor(async () => count === (count = await total()), {
        ...LIMIT,
        message: 'it has published everything',
      });
    });
    const start = operationTime as Timestamp;
    const recorded = COLLECTIONS.map((plan) => recordOne(plan, { client, start, servers: nats.servers }));
    const version =
      /mongodb-nats-connector (v\S+)/.exec(readFileSync(join(MODULE_FOLDER, 'go.mod'), 'utf8'))?.[1] ?? '';
    const recording: NatsConnectorRecording = { version, file: FILE, health, collections: await Promise.all(recorded) };
    writeFileSync(NATS_CONNECTOR_RECORDING_FILE, gzipSync(`${JSON.stringify(recording, null, 1)}\n`, { level: 9 }));
    for (const { namespace, events, messages } of recording.collections) {
      process.stdout.write(`${namespace}: ${events.length} events, ${messages.length} messages\n`);
    }
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

function build(directory: string): string {
  const program = join(directory, 'connector');
  execFileSync('go', ['build', '-o', program, `${MODULE}/cmd/connector`], { cwd: MODULE_FOLDER, stdio: 'inherit' });
  return program;
}

async function healthOf(url: string) {
  const response = await fetch(url);
  const contentType = response.headers.get('content-type') ?? '';
  return { status: response.status, contentType, body: await response.text() };
}

async function writeAll(client: MongoClient, settled: () => Promise<void>): Promise<void> {
  await write(client, client.db('shop').collection<AnyDocument>('types'), settled);
  await settled();
  await client.db(TYPES.database).collection(TYPES.collection).drop();
  for (const plan of COLLECTIONS.filter((one) => one !== TYPES)) {
    const collection = client.db(plan.database).collection(plan.collection);
    const _id = 1 as never;
    await collection.insertOne({ _id, name: 'Ada <a@b> & Søn' });
    await collection.updateOne({ _id }, { $set: { name: 'Grace', at: new Date(1_795_238_840_600) } });
    await settled();
    await collection.insertOne({ name: 'ObjectId' });
    await collection.replaceOne({ _id: 2 as never }, { n: 1 }, { upsert: true });
    await collection.deleteOne({ _id: 2 as never });
    await settled();
  }
}

interface RecordParts {
  readonly client: MongoClient;
  readonly start: Timestamp;
  readonly servers: readonly string[];
}

async function recordOne(plan: Plan, { client, start, servers }: RecordParts): Promise<RecordedCollection> {
  const { database, collection, fullDocument, last, stream, tokens } = plan;
  const options = { fullDocument, fullDocumentBeforeChange: 'whenAvailable' };
  const isLast = (event: Buffer) => BSON.deserialize(event)['operationType'] === last;
  const events = await readEvents(client, { database, collection, options, start, isLast });
  const messages = await readStream({ servers, stream });
  const [tokenDatabase, tokenCollection] = tokens;
  const [token] = await client.db(tokenDatabase).collection(tokenCollection).find().sort({ $natural: -1 }).toArray();
  const connection = await connect({ servers: [...servers] });
  const { config } = await (await jetstreamManager(connection)).streams.info(stream);
  await connection.close();
  return {
    namespace: `${database}.${collection}`,
    stream,
    streamConfig: { ...config },
    events: events.map((event) => event.toString('base64')),
    messages: messages.map(({ subject, headers, payload }) => ({ subject, headers, body: payload.toString() })),
    lastToken: BSON.EJSON.stringify(token),
  };
}

await record();
