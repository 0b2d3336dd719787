import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { jetstream, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { MongoClient } from 'mongodb';
import { readNatsConnectorRecording } from '../testing/nats-connector-recording.ts';
import { readStream } from '../testing/nats-reader.ts';
import { startOracle } from '../testing/oracle.ts';
import { freePorts } from '../testing/servers/free-port.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { startNats, testNats } from '../testing/servers/nats.ts';
import { type SluiceOptions, SluiceProcess } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';

const WAIT = { timeoutMs: 90_000, intervalMs: 100, retryErrors: true };
const recording = readNatsConnectorRecording();

interface Order {
  readonly _id: number;
  readonly name: string;
}

/** A collection of its own; what the connector is told about it, and what is in its stream. */
async function connectorBed(servers: readonly string[]) {
  const uri = await testMongo();
  const directory = await tempDir('from-nats-connector');
  const id = randomUUID().slice(0, 8);
  const [database, collection, positions] = [`from_${id}`, `orders_${id}`, `positions_${id}`];
  const stream = collection.toUpperCase();
  const client = await MongoClient.connect(uri);
  const db = client.db(database);
  const [port = 0] = await freePorts(1);
  const env = { MONGO_URI: uri, NATS_URL: `nats://${servers[0]}`, SERVER_ADDR: `127.0.0.1:${port}` };
  return {
    uri,
    servers,
    directory: directory.path,
    database,
    collection,
    /** Database for the tokens of the connector. */
    positions,
    stream,
    client,
    orders: db.collection<Order>(collection),
    url: `http://127.0.0.1:${port}`,
    run: (args: readonly string[], options: SluiceOptions = {}) =>
      new SluiceProcess(['run', '--from', 'nats-connector', ...args], {
        cwd: directory.path,
        ...options,
        env: { ...env, ...options.env },
      }),
    messages: () => readStream({ servers, stream }),
    async [Symbol.asyncDispose]() {
      await Promise.all([db, client.db(positions)].map((each) => each.dropDatabase()));
      await client.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

type Bed = Awaited<ReturnType<typeof connectorBed>>;

/** The document ids in the stream, in its order, once there are so many of them. */
async function idsOnce(bed: Bed, count: number, process: SluiceProcess): Promise<number[]> {
  const ids = async () => {
    const messages = process.running ? await bed.messages() : [];
    return messages.map(({ payload }) => (JSON.parse(payload.toString()) as { documentKey: Order }).documentKey._id);
  };
  const wait = { ...WAIT, message: `${count} messages are in the stream` };
  await waitFor(async () => (await ids()).length >= count, wait).catch((cause: unknown) => {
    throw new Error(process.stderr.slice(-3_000), { cause });
  });
  return ids();
}

async function healthOf({ url }: Bed) {
  const response = await fetch(`${url}/healthz`);
  return { status: response.status, body: (await response.json()) as { components: Record<string, unknown> } };
}

async function isUp(bed: Bed): Promise<boolean> {
  return (await healthOf(bed)).status === 200;
}

/**
 * What the connector leaves behind: a stream with the messages of `events`, and the tokens of all of them but the last,
 * as when it was killed between the two.
 */
async function leaveBehind(bed: Bed, events: readonly { readonly id: string; readonly _id: number }[]): Promise<void> {
  const connection = await connect({ servers: [...bed.servers] });
  const [recorded] = recording.collections;
  const { metadata: _metadata, ...config } = { ...recorded?.streamConfig } as Partial<StreamConfig>;
  const { stream } = bed;
  // The window is over when the drop-in starts.
  const own = { name: stream, subjects: [`${stream}.*`], duplicate_window: 100_000_000 };
  await (await jetstreamManager(connection)).streams.add({ ...config, ...own });
  for (const { id, _id } of events) {
    await jetstream(connection).publish(`${stream}.insert`, `{"documentKey":{"_id":${_id}}}`, { msgID: id });
  }
  await connection.close();
  const tokens = bed.client.db(bed.positions).collection(bed.collection);
  for (const { id } of events.slice(0, -1)) await tokens.insertOne({ value: id });
}

test('it continues behind the connector: nothing lost, nothing twice, also after the duplicate window', async () => {
  const bed = await connectorBed(await testNats());
  await using _bed = bed;
  await using oracle = await startOracle({ uri: bed.uri, db: bed.database });
  const insert = (_id: number) => bed.orders.insertOne({ _id, name: 'Søn <a@b>' });
  for (const _id of [1, 2, 3]) await insert(_id);
  const published = (await oracle.settle()).map(({ id }, index) => ({ id, _id: index + 1 }));
  await leaveBehind(bed, published);
  for (const _id of [4, 5]) await insert(_id);
  await delay(200);
  const file = join(bed.directory, 'other.yaml');
  const collection = { dbName: bed.database, collName: bed.collection, tokensDbName: bed.positions };
  await writeFile(file, JSON.stringify({ connector: { collections: [collection] } }));
  {
    await using sluice = bed.run([file]);
    assert.deepEqual(await idsOnce(bed, 5, sluice), [1, 2, 3, 4, 5]);
    await waitFor(() => isUp(bed), { ...WAIT, message: 'it is up' });
    assert.deepEqual((await healthOf(bed)).body, JSON.parse(recording.health.body));
    assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
  }
  await insert(6);
  await bed.orders.drop();
  await insert(7);
  await using again = bed.run([file]);
  assert.deepEqual(await idsOnce(bed, 7, again), [1, 2, 3, 4, 5, 6, 7]);
  const inserts = (await oracle.settle()).filter(({ op }) => op === 'insert');
  const messages = await bed.messages();
  assert.deepEqual(
    messages.map(({ subject, headers }) => [subject, headers['Nats-Msg-Id']]),
    inserts.map(({ id }) => [`${bed.stream}.insert`, id]),
  );
  const last = messages.at(-1);
  const names = Object.keys(last?.headers ?? {}).filter((name) => !name.startsWith('Nats-'));
  assert.deepEqual(names, ['content-type']);
  assert.match(last?.payload.toString() ?? '', /"fullDocument":\{"_id":7,"name":"Søn <a@b>"\}/);
});

test('variables alone are enough; /healthz says DOWN while NATS is away', { timeout: 600_000 }, async () => {
  await using nats = await startNats();
  const bed = await connectorBed(nats.servers);
  await using _bed = bed;
  const env = { MONGO_WATCH_COLLECTIONS: `${bed.database}.${bed.collection}`, RAFT_CLUSTER_SIZE: '1' };
  await using sluice = bed.run([], { env });
  await waitFor(() => isUp(bed), { ...WAIT, message: 'it is up' });
  await bed.orders.insertOne({ _id: 1, name: 'Ada' });
  assert.deepEqual(await idsOnce(bed, 1, sluice), [1]);
  await nats.stop();
  const down = { status: 'DOWN', components: { mongo: { status: 'UP' }, nats: { status: 'DOWN' } } };
  const isDown = async () => isDeepStrictEqual(await healthOf(bed), { status: 503, body: down });
  await waitFor(isDown, { ...WAIT, message: 'it is down although nothing has to be written' });
  await bed.orders.insertOne({ _id: 2, name: 'Grace' });
  await nats.start();
  await waitFor(() => isUp(bed), { ...WAIT, message: 'it is up again' });
  assert.deepEqual(await idsOnce(bed, 2, sluice), [1, 2]);
});

test('RAFT_CLUSTER_SIZE: one process works, the others stand by', { timeout: 600_000 }, async () => {
  const bed = await connectorBed(await testNats());
  await using _bed = bed;
  const ports = await freePorts(2);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const start = (port: number) => {
    const watched = { MONGO_WATCH_COLLECTIONS: `${bed.database}.${bed.collection}` };
    return bed.run([], { env: { ...watched, HTTP_PORT: String(port), RAFT_CLUSTER_SIZE: '2' } });
  };
  const standby = async (url: string | undefined) => {
    const { status, body } = await healthOf({ ...bed, url: url ?? '' });
    assert.deepEqual([status, body], [200, JSON.parse(recording.health.body)]);
    const ready = (await (await fetch(`${url}/readyz`)).json()) as { pipelines: { standby: boolean }[] };
    return ready.pipelines[0]?.standby;
  };
  await using first = start(ports[0] ?? 0);
  await waitFor(async () => (await standby(urls[0])) === false, { ...WAIT, message: 'the first one works' });
  await using second = start(ports[1] ?? 0);
  await waitFor(async () => (await standby(urls[1])) === true, { ...WAIT, message: 'the second one stands by' });
  await bed.orders.insertOne({ _id: 1, name: 'Ada' });
  assert.deepEqual(await idsOnce(bed, 1, first), [1]);
  assert.equal((await first.end('SIGTERM')).code, 0, first.stderr);
  await bed.orders.insertOne({ _id: 2, name: 'Grace' });
  assert.deepEqual(await idsOnce(bed, 2, second), [1, 2]);
});
