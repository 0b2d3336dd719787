/*
 * Runs the MongoDB source connector and Debezium's MongoDB connector on a fixed script of writes and records what they
 * write together with the change events of the same writes. The result is the golden file that the formats are
 * compared with. Needs Java, Maven and Go; run it by hand: node scripts/record-connect-outputs.ts
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BSON, type Document, MongoClient, type Timestamp } from 'mongodb';
import {
  type ConnectRecording,
  GO_BODIES_CASE,
  GO_BODIES_FILE,
  RECORDING_FILE,
  type RecordedCase,
  type RecordedRecord,
} from '../packages/sluice/src/testing/connect-recording.ts';
import { type AnyDocument, seed, write } from '../packages/sluice/src/testing/connect-writes.ts';
import { readTopic } from '../packages/sluice/src/testing/kafka-reader.ts';
import { kafkajsClient } from '../packages/sluice/src/testing/kafkajs-client.ts';
import { CONNECT_VERSIONS } from '../packages/sluice/src/testing/servers/find-connect.ts';
import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { type ConnectorConfig, startConnect } from '../packages/sluice/src/testing/servers/kafka-connect.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { waitFor } from '../packages/sluice/src/testing/wait-for.ts';
import { readEvents } from './read-events.ts';

const DATABASE = 'shop';
const COLLECTION = 'types';
const NAMESPACE = `${DATABASE}.${COLLECTION}`;
/** Written until every connector has shown one; left out of the recording. */
const PROBE = 'probe-';
const LAST = 'last-write';
const LIMIT = { timeoutMs: 120_000, intervalMs: 500 };

interface Plan {
  readonly name: string;
  readonly config: ConnectorConfig;
  /** True: it also reads what was there before. */
  readonly copies: boolean;
  readonly stream: Document;
}

const NO_DOCUMENTS: Document = {};
/** Also stands for documents that are looked up: each update is seen before the next one. */
const IMAGES: Document = { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' };

const formatter = (name: string) => ({
  'output.json.formatter': `com.mongodb.kafka.connect.source.json.formatter.${name}`,
});
const images = {
  'change.stream.full.document': 'whenAvailable',
  'change.stream.full.document.before.change': 'whenAvailable',
};
const document = { 'publish.full.document.only': 'true', 'publish.full.document.only.tombstone.on.delete': 'true' };
const copy = { 'startup.mode': 'copy_existing' };
const postImages = {
  'capture.mode': 'change_streams_update_full_with_pre_image',
  'capture.mode.full.update.type': 'post_image',
};

function plans(uri: string): readonly Plan[] {
  const mongodb = (name: string, config: ConnectorConfig): ConnectorConfig => ({
    'connector.class': 'com.mongodb.kafka.connect.MongoSourceConnector',
    'connection.uri': uri,
    'topic.prefix': name,
    database: DATABASE,
    collection: COLLECTION,
    'poll.await.time.ms': '200',
    ...config,
  });
  const debezium = (name: string, config: ConnectorConfig): ConnectorConfig => ({
    'connector.class': 'io.debezium.connector.mongodb.MongoDbConnector',
    'mongodb.connection.string': uri,
    'topic.prefix': name,
    'collection.include.list': NAMESPACE,
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'key.converter.schemas.enable': 'false',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter.schemas.enable': 'false',
    'poll.interval.ms': '200',
    ...config,
  });
  return [
    { name: 'm-default', copies: false, stream: NO_DOCUMENTS, config: mongodb('m-default', {}) },
    { name: 'm-copy', copies: true, stream: IMAGES, config: mongodb('m-copy', { ...copy, ...images }) },
    {
      name: 'm-extended',
      copies: true,
      stream: IMAGES,
      config: mongodb('m-extended', { ...copy, ...images, ...formatter('ExtendedJson') }),
    },
    {
      name: 'm-simplified',
      copies: true,
      stream: IMAGES,
      config: mongodb('m-simplified', { ...copy, ...images, ...formatter('SimplifiedJson') }),
    },
    {
      name: 'm-document',
      copies: true,
      stream: IMAGES,
      config: mongodb('m-document', { ...copy, ...images, ...document }),
    },
    {
      name: 'm-document-simplified',
      copies: false,
      stream: IMAGES,
      config: mongodb('m-document-simplified', { ...images, ...document, ...formatter('SimplifiedJson') }),
    },
    {
      name: 'm-token',
      copies: false,
      stream: NO_DOCUMENTS,
      config: mongodb('m-token', { 'change.stream.document.key.as.key': 'false' }),
    },
    { name: 'd-images', copies: true, stream: IMAGES, config: debezium('d-images', postImages) },
    {
      name: 'd-plain',
      copies: false,
      stream: NO_DOCUMENTS,
      config: debezium('d-plain', { 'capture.mode': 'change_streams', 'snapshot.mode': 'no_data' }),
    },
    {
      name: 'd-quiet',
      copies: false,
      stream: IMAGES,
      config: debezium('d-quiet', { ...postImages, 'snapshot.mode': 'no_data', 'tombstones.on.delete': 'false' }),
    },
  ];
}

async function record(): Promise<void> {
  await using mongo = await startMongo();
  await using kafka = await startKafka({ config: { 'auto.create.topics.enable': 'true', 'num.partitions': '1' } });
  await using worker = await startConnect(kafka.brokers);
  await using client = new MongoClient(mongo.uri);
  const collection = client.db(DATABASE).collection<AnyDocument>(COLLECTION);
  await client.db(DATABASE).createCollection(COLLECTION, { changeStreamPreAndPostImages: { enabled: true } });
  await seed(collection);
  const before = await collection.find({}, { raw: true }).toArray();
  // So that the events from now on begin with one that is left out.
  await collection.insertOne({ _id: `${PROBE}0` } as never);
  const { operationTime } = await client.db('admin').command({ ping: 1 });
  const uri = mongo.uri.replace(/\?.*/, '?replicaSet=sluice');
  const all = plans(uri);
  for (const { name, config } of all) await worker.start(name, config);
  const topicOf = ({ name }: Plan) => `${name}.${NAMESPACE}`;
  const read = async (plan: Plan) => recordsOf(kafka.brokers, topicOf(plan));
  await waitFor(
    async () => {
      await collection.insertOne({ _id: `${PROBE}${Date.now()}` } as never);
      const seen = await Promise.all(all.map(read));
      return seen.every((records) => records.some(({ value }) => value?.includes(PROBE)));
    },
    { ...LIMIT, message: 'every connector shows a probe', retryErrors: true },
  );
  const countAll = async () => (await Promise.all(all.map(read))).map(({ length }) => length).join();
  const settled = async () => {
    let counts = '';
    const isQuiet = async () => counts === (counts = await countAll());
    await waitFor(isQuiet, { ...LIMIT, message: 'every connector has shown everything' });
  };
  await write(client, collection, settled);
  await collection.insertOne({ _id: LAST } as never);
  const finished = async () =>
    (await Promise.all(all.map(read))).every((records) => records.some(({ value }) => value?.includes(LAST)));
  await waitFor(finished, { ...LIMIT, message: 'every connector shows the last write' });
  const isNoise = (text: string | Buffer | null) => text?.includes(PROBE) === true || text?.includes(LAST) === true;
  const cases: RecordedCase[] = [];
  for (const plan of all) {
    const records = (await read(plan)).filter(({ key, value }) => !isNoise(value) && !isNoise(key));
    const all = await readEvents(client, {
      database: DATABASE,
      collection: COLLECTION,
      options: plan.stream,
      start: operationTime as Timestamp,
      isLast: (event) => event.includes(LAST),
    });
    const events = all.filter((event) => !isNoise(event));
    const { 'connection.uri': _uri, 'mongodb.connection.string': _string, ...config } = plan.config;
    cases.push({
      name: plan.name,
      config,
      before: plan.copies ? before.map((document) => ({ ns: NAMESPACE, document: base64(document) })) : [],
      events: events.map((event) => event.toString('base64')),
      records,
    });
  }
  const recording: ConnectRecording = { versions: CONNECT_VERSIONS, replicaSet: 'sluice', cases };
  writeFileSync(RECORDING_FILE, gzipSync(`${JSON.stringify(recording, null, 1)}\n`, { level: 9 }));
  writeGoBodies(cases);
  for (const { name, records, events } of cases) {
    process.stdout.write(`${name}: ${records.length} records, ${events.length} events\n`);
  }
}

/** The events as the Go driver writes them; needs Go. */
function writeGoBodies(cases: readonly RecordedCase[]): void {
  const events = cases.find(({ name }) => name === GO_BODIES_CASE)?.events ?? [];
  const input = `${events.join('\n')}\n`;
  const cwd = resolve(import.meta.dirname, 'go-bodies');
  writeFileSync(GO_BODIES_FILE, execFileSync('go', ['run', '.'], { cwd, input, maxBuffer: 64 * 1024 * 1024 }));
}

function base64(document: unknown): string {
  return Buffer.from(Buffer.isBuffer(document) ? document : BSON.serialize(document as object)).toString('base64');
}

async function recordsOf(brokers: readonly string[], topic: string): Promise<readonly RecordedRecord[]> {
  const admin = kafkajsClient({ brokers }).admin();
  await admin.connect();
  const exists = (await admin.listTopics()).includes(topic);
  await admin.disconnect();
  if (!exists) return [];
  const records = await readTopic({ brokers }, topic);
  return records.map(({ key, value }) => ({ topic, key: text(key), value: text(value) }));
}

function text(bytes: Buffer | null): string | null {
  return bytes === null ? null : bytes.toString();
}

await record();
