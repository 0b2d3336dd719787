import { randomUUID } from 'node:crypto';
import type { PipelineStatus } from '../src/core/status.ts';
import type { DeliveredRecord } from '../src/testing/delivery-checks.ts';
import { readTopic } from '../src/testing/kafka-reader.ts';
import { readStream } from '../src/testing/nats-reader.ts';
import { freePorts } from '../src/testing/servers/free-port.ts';
import { type SluiceOptions, SluiceProcess, waitForStatus, writeConfig } from '../src/testing/sluice-process.ts';
import { type TempDir, tempDir } from '../src/testing/temp-dir.ts';

/** What a test changes of the usual pipeline. */
export interface BedOptions {
  readonly mongo: string;
  readonly brokers: readonly string[];
  readonly delivery?: 'at-least-once' | 'exactly-once';
  readonly source?: object;
  readonly sink?: object;
  readonly pipeline?: object;
}

/** One pipeline from a database of its own into a topic of its own, run by the real program. */
export interface PipelineBed extends AsyncDisposable {
  readonly name: string;
  readonly db: string;
  readonly topic: string;
  readonly url: string;
  readonly configPath: string;
  readonly directory: string;
  /** Starts `sluice run` as a new process. */
  start(options?: SluiceOptions): SluiceProcess;
  /** Writes the configuration anew with other settings of the source. */
  configure(source: object): Promise<void>;
  waitFor(
    process: SluiceProcess,
    condition: (status: PipelineStatus) => boolean,
    timeoutMs?: number,
  ): Promise<PipelineStatus>;
  /** Everything that a read_committed reader sees, as the delivery checks want it. */
  delivered(): Promise<DeliveredRecord[]>;
}

/** Prepares directory, names, port and configuration; nothing runs yet. */
export async function pipelineBed(options: BedOptions): Promise<PipelineBed> {
  const topic = `bed-${randomUUID().slice(0, 8)}`;
  const bed = await bedOver(await tempDir('bed'), options.mongo, (db) => ({
    source: {
      mongodb: { uri: '${env:BED_MONGO_URI}', include: [`${db}.*`], maxAwaitTime: '200ms', ...options.source },
    },
    sink: {
      kafka: {
        brokers: options.brokers,
        topic,
        delivery: options.delivery ?? 'at-least-once',
        createTopics: { partitions: 3, replicationFactor: 1 },
        ...options.sink,
      },
    },
    backoff: { min: '50ms', max: '1s' },
    ...options.pipeline,
  }));
  return {
    ...bed,
    topic,
    async delivered() {
      const records = await readTopic({ brokers: options.brokers }, topic);
      return records.map(({ headers, partition }) => ({ id: headers['sluice.id'] ?? 'no id', place: partition }));
    },
  };
}

interface BedPipeline {
  readonly source: { readonly mongodb: object };
  readonly [setting: string]: unknown;
}

async function bedOver(directory: TempDir, mongo: string, pipelineFor: (db: string) => BedPipeline) {
  const id = randomUUID().slice(0, 8);
  const [name, db] = [`bed-${id}`, `bed_${id}`];
  const [port] = await freePorts(1);
  const pipeline = pipelineFor(db);
  const configure = async (source: object) => {
    const changed = { ...pipeline, source: { mongodb: { ...pipeline.source.mongodb, ...source } } };
    const http = { listen: `\${env:BED_LISTEN:-127.0.0.1:${port}}` };
    await writeConfig(directory.path, { version: 1, http, pipelines: { [name]: changed } });
  };
  await configure({});
  const url = `http://127.0.0.1:${port}`;
  const configPath = `${directory.path}/sluice.yaml`;
  return {
    name,
    db,
    url,
    configPath,
    directory: directory.path,
    configure,
    start: (extra: SluiceOptions = {}) =>
      new SluiceProcess(['run', '-c', configPath], { ...extra, env: { BED_MONGO_URI: mongo, ...extra.env } }),
    waitFor: (process: SluiceProcess, condition: (status: PipelineStatus) => boolean, timeoutMs = 120_000) =>
      waitForStatus(url, condition, { pipeline: name, process, timeoutMs }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** True once the stream is open and its first position is safe, so that nothing written from now on can be missed. */
export function isReady(status: PipelineStatus): boolean {
  return status.state === 'running' && status.checkpoint !== undefined;
}

/** One pipeline from a database of its own into one file, run by the real program; positions and dead letters in files too. */
export interface FileBed extends Omit<PipelineBed, 'topic' | 'delivered'> {
  readonly output: string;
}

/** Prepares directory, names, port and configuration; nothing runs yet. */
export async function fileBed(options: Omit<BedOptions, 'brokers' | 'delivery'>): Promise<FileBed> {
  const directory: TempDir = await tempDir('bed');
  const output = `${directory.path}/changes.ndjson`;
  const bed = await bedOver(directory, options.mongo, (db) => ({
    source: {
      mongodb: { uri: '${env:BED_MONGO_URI}', include: [`${db}.*`], maxAwaitTime: '200ms', ...options.source },
    },
    sink: { file: { path: output, ...options.sink } },
    deadLetter: { file: { path: `${directory.path}/dead-letters.ndjson` } },
    backoff: { min: '50ms', max: '1s' },
    ...options.pipeline,
  }));
  return { ...bed, output };
}

/** One pipeline from a database of its own into a stream of its own, run by the real program. */
export interface NatsBed extends Omit<PipelineBed, 'topic'> {
  readonly stream: string;
}

/** Prepares directory, names, port and configuration; nothing runs yet. */
export async function natsBed(options: Omit<BedOptions, 'brokers'> & { servers: readonly string[] }): Promise<NatsBed> {
  const { servers } = options;
  const stream = `bed-${randomUUID().slice(0, 8)}`;
  const bed = await bedOver(await tempDir('bed'), options.mongo, (db) => ({
    source: {
      mongodb: { uri: '${env:BED_MONGO_URI}', include: [`${db}.*`], maxAwaitTime: '200ms', ...options.source },
    },
    sink: {
      nats: {
        servers,
        stream,
        subject: `${stream}.{coll}.{op}`,
        delivery: options.delivery ?? 'at-least-once',
        requestTimeout: '2s',
        ...options.sink,
      },
    },
    backoff: { min: '50ms', max: '1s' },
    ...options.pipeline,
  }));
  return {
    ...bed,
    stream,
    async delivered() {
      return (await readStream({ servers, stream })).map(({ headers }) => ({ id: headers['sluice.id'] ?? 'no id' }));
    },
  };
}
