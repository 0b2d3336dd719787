import { randomBytes } from 'node:crypto';
import {
  type Collection,
  type CreateCollectionOptions,
  type Db,
  type Document,
  MongoClient,
  Timestamp,
  UUID,
} from 'mongodb';
import { array, document, embedded, string, type Value } from '../../../bson/test-support/bson-bytes.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import { sendRawCommand } from '../../../testing/raw-command.ts';
import { type ChunkRequest, readChunk } from './chunk-reader.ts';
import { idOf, type SnapshotContext } from './raw-read.ts';

/*
 * What the tests of snapshot reads share: a database of their own, collections with any keys, and reading in chunks.
 */

/** A database with a random name; dropped when disposed. */
export class CollectionFixture implements AsyncDisposable {
  readonly uri: string;
  readonly client: MongoClient;
  readonly db: Db;
  readonly #stop = new AbortController();

  private constructor(uri: string, client: MongoClient) {
    this.uri = uri;
    this.client = client;
    this.db = client.db(`test_${randomBytes(5).toString('hex')}`);
  }

  static async open(uri: string): Promise<CollectionFixture> {
    return new CollectionFixture(uri, await new MongoClient(uri).connect());
  }

  get context(): SnapshotContext {
    return { client: this.client, readPreference: 'primary', comment: 'test', signal: this.#stop.signal };
  }

  /** Creates a collection with a random name and these documents. */
  async collection(documents: readonly Document[] = [], options: CreateCollectionOptions = {}): Promise<Collection> {
    const collection = await this.db.createCollection(`c_${randomBytes(4).toString('hex')}`, options);
    if (documents.length > 0) await collection.insertMany([...documents]);
    return collection;
  }

  /** Inserts documents with these keys, in a random order, as the bytes they are. */
  async insertKeys(coll: string, keys: readonly Value[]): Promise<void> {
    const shuffled = keys.map((key) => ({ key, at: Math.random() })).toSorted((a, b) => a.at - b.at);
    const documents = array(...shuffled.map(({ key }) => embedded(['_id', key], ['v', string('x')])));
    const command = document(['insert', string(coll)], ['documents', documents], ['$db', string(this.db.databaseName)]);
    const reply = await sendRawCommand(this.uri, command);
    if (reply['n'] !== keys.length) throw new Error(`not all keys were stored: ${JSON.stringify(reply)}`);
  }

  /** The present cluster time. */
  async now(): Promise<ClusterTime> {
    const { operationTime } = await this.client.db('admin').command({ hello: 1 });
    return operationTime instanceof Timestamp
      ? { t: operationTime.high >>> 0, i: operationTime.low >>> 0 }
      : { t: 0, i: 0 };
  }

  async uuid(coll: string): Promise<string> {
    const [info] = await this.db.listCollections({ name: coll }).toArray();
    const uuid: unknown = info !== undefined && 'info' in info ? info.info?.uuid : undefined;
    if (!(uuid instanceof UUID)) throw new Error(`${coll} has no UUID`);
    return Buffer.from(uuid.buffer).toString('base64');
  }

  /** A request for all of a collection as it is now; members of `changes` replace those. */
  async request(coll: string, changes: Partial<ChunkRequest> = {}): Promise<ChunkRequest> {
    const [uuid, at] = [await this.uuid(coll), await this.now()];
    return { db: this.db.databaseName, coll, uuid, after: undefined, through: undefined, at, rows: 100, ...changes };
  }

  /** Reads a range to its end, chunk by chunk. */
  async readRange(request: ChunkRequest): Promise<{ rows: Uint8Array[]; chunks: number }> {
    const rows: Uint8Array[] = [];
    let after = request.after;
    for (let chunks = 1; ; chunks++) {
      const chunk = await readChunk(this.context, { ...request, after });
      rows.push(...chunk.rows);
      if (chunk.next === undefined) return { rows, chunks };
      after = chunk.next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.db.dropDatabase().catch(() => {});
    await this.client.close();
  }
}

/** Type and bytes of a key as text, for comparing lists of them. */
export function keyText({ type, bytes }: BsonValue): string {
  return `${type}:${Buffer.from(bytes).toString('hex')}`;
}

/** The keys of raw documents, as text. */
export function keyTexts(rows: readonly Uint8Array[]): string[] {
  return rows.map((row) => keyText(idOf(row)));
}

/** A key made for a test, as a value of an event. */
export function keyValue({ type, payload }: Value): BsonValue {
  return { type, bytes: payload };
}
