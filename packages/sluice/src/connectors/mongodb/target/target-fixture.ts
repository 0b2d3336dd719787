import { randomBytes } from 'node:crypto';
import { type Db, MongoClient } from 'mongodb';
import type { ChangeEvent } from '../../../core/change-event.ts';
import type { Checkpoint } from '../../../core/checkpoint.ts';
import type { SinkContext } from '../../../core/connector.ts';
import type { Envelope } from '../../../core/envelope.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Rejection, Sink, WriteContext, WriteResult } from '../../../core/sink.ts';
import { contractFormat } from '../../../testing/contracts/sink.ts';
import { mongodbSinkConfig } from './config.ts';
import { mongodbSink } from './sink.ts';

/*
 * What the tests of this folder share: databases of their own, sinks on them, and writing events with what became of them.
 */

/** A source database and one to write to, with random names; dropped when disposed. */
export class TargetFixture implements AsyncDisposable {
  readonly uri: string;
  readonly client: MongoClient;
  readonly source: Db;
  readonly target: Db;
  readonly log: string[] = [];

  private constructor(uri: string, client: MongoClient) {
    this.uri = uri;
    this.client = client;
    const name = `test_${randomBytes(5).toString('hex')}`;
    this.source = client.db(`${name}_source`);
    this.target = client.db(name);
  }

  static async open(uri: string): Promise<TargetFixture> {
    return new TargetFixture(uri, await new MongoClient(uri).connect());
  }

  get context(): SinkContext {
    const signal = new AbortController().signal;
    return { pipeline: 'test', partition: 'test/0', logger: recorder(this.log), signal, format: contractFormat };
  }

  /** A sink that writes to the target database, with its own collections there too. */
  sink(settings: Record<string, unknown> = {}): Promise<Sink> {
    const database = this.target.databaseName;
    const own = { versions: { database }, checkpoints: { database } };
    return mongodbSink.open(mongodbSinkConfig.parse({ uri: this.uri, database, ...own, ...settings }), this.context);
  }

  /** The documents of a collection as the bytes that they are stored as, in the order of their ids. */
  async raw(name: string, db = this.target): Promise<Buffer[]> {
    const cursor = db.collection(name).find({}, { raw: true, sort: { _id: 1 } });
    return ((await cursor.toArray()) as unknown as Buffer[]).map((bytes) => Buffer.from(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.dropDatabase().catch(() => {});
    await this.target.dropDatabase().catch(() => {});
    await this.client.close();
  }
}

/** What became of a batch. */
export interface WrittenBatch extends WriteResult {
  readonly rejections: readonly Rejection[];
}

/** Where the events of a test stand behind: the position of the last one. */
export function checkpointOf(events: readonly ChangeEvent[], epoch = 1): Checkpoint {
  const position = events.at(-1)?.position ?? { token: '', clusterTime: { t: 0, i: 0 } };
  return { partition: 'test/0', epoch, position, deployment: 'rs0', fingerprint: 'f', savedAtMs: Date.now() };
}

/** Writes the events as one batch. */
export async function writeEvents(
  sink: Sink,
  events: readonly ChangeEvent[],
  { epoch, ...context }: Partial<WriteContext> & { readonly epoch?: number | undefined } = {},
): Promise<WrittenBatch> {
  const rejections: Rejection[] = [];
  const result = await sink.write(events.map(asEnvelope), {
    checkpoint: checkpointOf(events, epoch),
    signal: new AbortController().signal,
    reject: async (more) => void rejections.push(...more),
    ...context,
  });
  return { ...result, rejections };
}

function asEnvelope(event: ChangeEvent): Envelope {
  return { event, namespace: event.namespace };
}

function recorder(lines: string[]): Logger {
  const log = (_fields: object, message: string) => void lines.push(message);
  const logger: Logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
  return logger;
}
