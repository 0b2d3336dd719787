import { randomBytes } from 'node:crypto';
import { BSON } from 'mongodb';
import { Client, type ClientConfig } from 'pg';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { LearnedCollection } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { Rejection, Sink, WriteContext, WriteResult } from '../../core/sink.ts';
import { contractFormat } from '../../testing/contracts/sink.ts';
import { type TestEventInit, testEvent } from '../../testing/events.ts';
import { postgresSinkConfig } from './config.ts';
import { postgresSink } from './sink.ts';

/*
 * What the tests of this folder share: schemas of their own, sinks on them, and writing events with what became of them.
 */

/** A schema for tables and one for Sluice's own, with random names; dropped when disposed. */
export class PostgresFixture implements AsyncDisposable {
  readonly uri: string;
  readonly client: Client;
  readonly schema: string;
  readonly stateSchema: string;
  readonly log: string[] = [];
  /** What the pipeline has learned, by collection. */
  readonly learned = new Map<string, LearnedCollection>();

  private constructor(uri: string, client: Client) {
    this.uri = uri;
    this.client = client;
    const name = `test_${randomBytes(5).toString('hex')}`;
    this.schema = name;
    this.stateSchema = `${name}_state`;
  }

  static async open(uri: string, connection: ClientConfig = { connectionString: uri }): Promise<PostgresFixture> {
    const client = new Client(connection);
    client.on('error', () => {});
    await client.connect();
    return new PostgresFixture(uri, client);
  }

  get context(): SinkContext {
    const signal = new AbortController().signal;
    const learned = { of: ({ coll }: { readonly coll: string }) => this.learned.get(coll) };
    const common = { pipeline: 'test', partition: 'test/0', signal, format: contractFormat };
    return { ...common, logger: recorder(this.log), learned };
  }

  /** A sink that writes to the schema. */
  sink(settings: Record<string, unknown> = {}): Promise<Sink> {
    const { uri, schema, stateSchema } = this;
    return postgresSink.open(postgresSinkConfig.parse({ uri, schema, stateSchema, ...settings }), this.context);
  }

  /** Rows of an answer. */
  async rows(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    return (await this.client.query<Record<string, unknown>>(text, [...values])).rows;
  }

  /** The documents of a table in the order of their ids. */
  async documents(table: string): Promise<readonly unknown[]> {
    const rows = await this.rows(`select document from ${this.schema}."${table}" order by _id`);
    return rows.map(({ document }) => document);
  }

  /** The ids of a table, in order. */
  async ids(table: string): Promise<readonly unknown[]> {
    return (await this.rows(`select _id from ${this.schema}."${table}" order by _id`)).map(({ _id }) => _id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const own = `select quote_ident(nspname) as name from pg_namespace where nspname like $1 || '%'`;
    // A server of the test's own may have been killed meanwhile, and nothing is left of it anyway.
    const schemas = await this.rows(own, [this.schema]).catch(() => []);
    for (const { name } of schemas) await this.client.query(`drop schema ${String(name)} cascade`);
    await this.client.end().catch(() => {});
  }
}

/** What a made-up event of this folder is made of. */
export interface EventInit extends TestEventInit {
  readonly coll?: string;
  /** Further fields of the event, as `to` of a rename. */
  readonly fields?: Record<string, unknown>;
}

/** A change event of the database `shop`. Its version grows with `sequence`. */
export function event({ coll = 'items', fields, ...init }: EventInit): ChangeEvent {
  const made = testEvent({ namespace: { db: 'shop', coll }, ...init });
  if (fields === undefined) return made;
  const others = testEvent({ ...init, op: 'insert', id: 1, document: fields });
  const inside = others.after();
  return { ...made, field: (name) => (inside === undefined ? undefined : fieldOf(inside, name)) };
}

function fieldOf(document: Uint8Array, name: string) {
  const value: unknown = BSON.deserialize(document, { promoteValues: false })[name];
  if (value === undefined) return undefined;
  const whole = BSON.serialize({ v: value });
  return { type: whole[4] ?? 0, bytes: whole.subarray(7, whole.length - 1) };
}

/** Where the events of a test stand behind: the position of the last one. */
export function checkpointOf(events: readonly ChangeEvent[], epoch = 1): Checkpoint {
  const position = events.at(-1)?.position ?? { token: '', clusterTime: { t: 0, i: 0 } };
  return { partition: 'test/0', epoch, position, deployment: 'rs0', fingerprint: 'f', savedAtMs: Date.now() };
}

/** What became of a batch. */
export interface WrittenBatch extends WriteResult {
  readonly rejections: readonly Rejection[];
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

function asEnvelope(one: ChangeEvent): Envelope {
  return { event: one, namespace: one.namespace };
}

function recorder(lines: string[]): Logger {
  const log = (_fields: object, message: string) => void lines.push(message);
  const logger: Logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
  return logger;
}
