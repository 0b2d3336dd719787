import { type Document, type MongoClient, MongoServerError } from 'mongodb';
import type { ConnectorContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import { classify } from './classify.ts';
import { closeClient, openClient, runCommand } from './client.ts';
import type { MongodbCheckpointStoreConfig } from './config.ts';

const ANSWER_LIMIT_MS = 20_000;
const MAJORITY_LIMIT_MS = 15_000;
const WRITE_CONCERN = { w: 'majority', wtimeout: MAJORITY_LIMIT_MS } as const;

/** A collection of Sluice's own. Every write is confirmed by a majority before it counts. */
export class StateCollection implements AsyncDisposable {
  readonly client: MongoClient;
  readonly database: string;
  readonly collection: string;

  constructor(client: MongoClient, database: string, collection: string) {
    this.client = client;
    this.database = database;
    this.collection = collection;
  }

  /** `db.coll`, for messages. */
  get name(): string {
    return `${this.database}.${this.collection}`;
  }

  /** Runs `findAndModify`; returns the document as it is after the change. */
  async findAndModify(
    doing: string,
    query: Document,
    update: Document | readonly Document[],
    signal: AbortSignal,
  ): Promise<Document> {
    const command = { findAndModify: this.collection, query, update, upsert: true, new: true };
    const reply = await this.#write(doing, command, signal);
    return reply['value'] as Document;
  }

  /** Runs updates in order; returns how many documents they matched. */
  async update(doing: string, updates: readonly Document[], signal: AbortSignal): Promise<number> {
    const reply = await this.#write(doing, { update: this.collection, updates, ordered: true }, signal);
    return Number(reply['n']);
  }

  /** Removes what matches. */
  async remove(doing: string, query: Document, signal: AbortSignal): Promise<void> {
    await this.#write(doing, { delete: this.collection, deletes: [{ q: query, limit: 0 }] }, signal);
  }

  /** Makes the index unless it is there. */
  async ensureIndex(key: Document, name: string, signal: AbortSignal): Promise<void> {
    await this.#write(`prepare ${this.name}`, { createIndexes: this.collection, indexes: [{ key, name }] }, signal);
  }

  /** The document that matches, read from the primary with majority. */
  async findOne(
    doing: string,
    filter: Document,
    { projection, signal }: { readonly projection: Document; readonly signal: AbortSignal },
  ): Promise<Document | undefined> {
    const { client, database, collection: find } = this;
    const context = { client, phase: 'state', doing, signal, limitMs: ANSWER_LIMIT_MS } as const;
    const command = { find, filter, projection, limit: 1, singleBatch: true, readConcern: { level: 'majority' } };
    const reply = await runCommand(context, database, command);
    return reply['cursor'].firstBatch[0] as Document | undefined;
  }

  /** The documents that match, read with majority; `sort` must be backed by an index. */
  async *find(doing: string, filter: Document, sort: Document, signal: AbortSignal): AsyncGenerator<Document> {
    const options = { sort, signal, readConcern: { level: 'majority' } } as const;
    const cursor = this.client.db(this.database).collection(this.collection).find(filter, options);
    try {
      for await (const document of cursor) yield document;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw classify(error, 'state', doing);
    } finally {
      await cursor.close().catch(() => {});
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return closeClient(this.client);
  }

  async #write(doing: string, command: Document, signal: AbortSignal): Promise<Document> {
    const { client, database } = this;
    const context = { client, phase: 'state', doing, signal, limitMs: ANSWER_LIMIT_MS } as const;
    const reply = await runCommand(context, database, { ...command, writeConcern: WRITE_CONCERN });
    const [failed] = (reply['writeErrors'] ?? []) as Document[];
    if (failed !== undefined) throw classify(new MongoServerError(failed), 'state', doing);
    return reply;
  }
}

/** Connects to the deployment that holds the collection. The wiring has put in the URI of the source where none is set. */
export async function openStateCollection(
  config: MongodbCheckpointStoreConfig,
  context: ConnectorContext,
): Promise<StateCollection> {
  const { uri, tls, serverSelectionTimeout, database, collection } = config;
  if (uri === undefined) throw noUri(`${database}.${collection}`);
  const client = await openClient({ uri, tls, serverSelectionTimeout }, { purpose: 'state', signal: context.signal });
  return new StateCollection(client, database, collection);
}

function noUri(name: string): SluiceError {
  return new SluiceError(`no URI is configured for the collection ${name}`, {
    kind: 'config',
    code: 'mongodb.no-uri',
    hint: 'Set uri next to database and collection; it is only left out where the source is a MongoDB too.',
  });
}
