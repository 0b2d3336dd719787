import { randomUUID } from 'node:crypto';
import type { PipelineStatus } from '../src/core/status.ts';
import type { DeliveredRecord } from '../src/testing/delivery-checks.ts';
import { readTopic } from '../src/testing/kafka-reader.ts';
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
  const directory: TempDir = await tempDir('bed');
  const id = randomUUID().slice(0, 8);
  const [name, db, topic] = [`bed-${id}`, `bed_${id}`, `bed-${id}`];
  const [port] = await freePorts(1);
  const configOf = (source: object) => ({
    version: 1,
    http: { listen: `127.0.0.1:${port}` },
    pipelines: {
      [name]: {
        source: { mongodb: { uri: '${env:BED_MONGO_URI}', include: [`${db}.*`], maxAwaitTime: '200ms', ...source } },
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
      },
    },
  });
  const configure = async (source: object) => void (await writeConfig(directory.path, configOf(source)));
  await configure(options.source ?? {});
  const url = `http://127.0.0.1:${port}`;
  const configPath = `${directory.path}/sluice.yaml`;
  return {
    name,
    db,
    topic,
    url,
    configPath,
    directory: directory.path,
    configure,
    start: (extra = {}) =>
      new SluiceProcess(['run', '-c', configPath], { ...extra, env: { BED_MONGO_URI: options.mongo, ...extra.env } }),
    waitFor: (process, condition, timeoutMs = 60_000) =>
      waitForStatus(url, condition, { pipeline: name, process, timeoutMs }),
    async delivered() {
      const records = await readTopic({ brokers: options.brokers }, topic);
      return records.map(({ headers, partition }) => ({ id: headers['sluice.id'] ?? 'no id', place: partition }));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** True once the stream is open and its first position is safe, so that nothing written from now on can be missed. */
export function isReady(status: PipelineStatus): boolean {
  return status.state === 'running' && status.checkpoint !== undefined;
}
