import { type Document, type MongoClient, MongoNetworkTimeoutError, MongoServerError } from 'mongodb';
import { parseCursorReply } from '../../../bson/reply.ts';
import { formatNamespace, type Namespace } from '../../../core/change-event.ts';
import { type Fields, fieldsIn, fieldsOfDocument, textOf } from './raw-fields.ts';
import { refusalOr } from './refusal.ts';

const WRITE_CONCERN = { w: 'majority', wtimeout: 60_000 } as const;
/** More than a server has collections in one answer of 16 MB. */
const ALL = 1_000_000;

/** What the target has under a name. */
export interface Existing {
  readonly type: string;
  readonly options: Fields;
}

/** Commands on the target. */
export class TargetCommands {
  readonly #client: MongoClient;

  constructor(client: MongoClient) {
    this.#client = client;
  }

  /**
   * Resolves when a majority has it; an index may take hours. Throws `Refused` for what would be refused again, and
   * classified errors for everything else.
   */
  async run(db: string, command: Document, doing: string, signal: AbortSignal): Promise<void> {
    const { writeConcernError } = await this.#send(db, { ...command, writeConcern: WRITE_CONCERN }, doing, signal);
    if (writeConcernError !== undefined) throw refusalOr(new MongoServerError(writeConcernError), doing);
  }

  /** What is there under a name; undefined when nothing is. */
  async existing({ db, coll }: Namespace, signal: AbortSignal): Promise<Existing | undefined> {
    const [entry] = await this.#list(db, { name: coll }, signal);
    if (entry === undefined) return undefined;
    return { type: textOf(entry, 'type') ?? 'collection', options: fieldsIn(entry.get('options')) };
  }

  /** The names of what a database has of these types. */
  async namesOf(db: string, types: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const entries = await this.#list(db, { type: { $in: types } }, signal);
    return entries.flatMap((entry) => textOf(entry, 'name') ?? []);
  }

  async #list(db: string, filter: Document, signal: AbortSignal): Promise<readonly Fields[]> {
    const doing = `ask what the target has in ${formatNamespace({ db, coll: '' })}`;
    const command = { listCollections: 1, filter, cursor: { batchSize: ALL } };
    const reply = await this.#send(db, command, doing, signal, { raw: true });
    return parseCursorReply(reply['cursor'] as Uint8Array).events.map(fieldsOfDocument);
  }

  async #send(
    db: string,
    command: Document,
    doing: string,
    signal: AbortSignal,
    more: { readonly raw?: boolean } = {},
  ): Promise<Document> {
    signal.throwIfAborted();
    const options = { signal, readPreference: 'primary', ...more } as const;
    for (;;) {
      try {
        return await this.#client.db(db).command(command, options);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        // The server is silent while it builds, and goes on without us; the same command waits for the same build.
        const isBuilding = 'createIndexes' in command && error instanceof MongoNetworkTimeoutError;
        if (!isBuilding) throw refusalOr(error, doing);
      }
    }
  }
}
