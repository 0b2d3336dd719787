import type { Document } from 'mongodb';
import { arrayValue, documentValue } from '../../../bson/build-document.ts';
import { BsonType, fieldsOf, findField } from '../../../bson/elements.ts';
import { textOfValue } from '../../../bson/make-values.ts';
import { type BsonValue, formatNamespace, type Namespace } from '../../../core/change-event.ts';
import { asSluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import { classify, serverCode } from '../classify.ts';
import { runCommand } from '../client.ts';
import { literalDatabases, type Scope, scopeIncludes } from '../scope.ts';
import type { Structure } from './marker-events.ts';
import { readRaw, type SnapshotContext } from './raw-read.ts';
import type { CollectionCopy } from './snapshot-state.ts';

/** Not by the read preference: a secondary that lags behind may not know of a collection or its indexes. */
const READ_FROM = 'primaryPreferred';
const UNAUTHORIZED = 13;
const NAMESPACE_NOT_FOUND = 26;
/** More indexes than a collection can have. */
const ALL_INDEXES = 1_000;
const ID_INDEX = '_id_';

/** What something is like, and its name. */
export interface NamedStructure extends Structure {
  readonly namespace: Namespace;
}

/**
 * Looks up what collections are like, byte for byte as the server says it. What the user may not ask for is left out, with a warning.
 */
export class StructureReader {
  readonly #context: SnapshotContext;
  readonly #logger: Logger;
  #warned = false;

  constructor(context: SnapshotContext, logger: Logger) {
    this.#context = { ...context, readPreference: READ_FROM };
    this.#logger = logger;
  }

  /** What a collection was made with; undefined when it is another one by now or gone. */
  async create({ namespace, uuid }: CollectionCopy): Promise<Structure | undefined> {
    return this.#ifAllowed(async () => {
      const entry = await this.#entry(namespace);
      if (entry === undefined || (uuid !== undefined && uuidOf(entry) !== uuid)) return undefined;
      const structure = structureOf(entry);
      return structure?.nsType === 'collection' ? structure : undefined;
    });
  }

  /** The indexes of a collection besides that on `_id`; undefined when it has none or is gone. */
  async indexes({ namespace }: Pick<CollectionCopy, 'namespace'>): Promise<Structure | undefined> {
    return this.#ifAllowed(() => this.#indexes(namespace, 'collection'));
  }

  /** Everything in the scope that has no rows to be copied: capped collections, time series, views. */
  async others(scope: Scope): Promise<readonly NamedStructure[]> {
    const found = await this.#ifAllowed(() => this.#others(scope));
    // Views stand last, as those on other views need these.
    return (found ?? []).toSorted((a, b) => Number(a.nsType === 'view') - Number(b.nsType === 'view'));
  }

  async #others(scope: Scope): Promise<NamedStructure[]> {
    const found: NamedStructure[] = [];
    for (const db of literalDatabases(scope) ?? (await this.#databases())) {
      for (const coll of await this.#names(db)) {
        if (coll.startsWith('system.') || !scopeIncludes(scope, db, coll)) continue;
        const namespace = { db, coll };
        const entry = await this.#entry(namespace);
        const structure = entry && structureOf(entry);
        if (entry === undefined || structure === undefined || isCopied(structure.nsType, entry)) continue;
        found.push({ ...structure, namespace });
        const indexes = structure.nsType === 'view' ? undefined : await this.#indexes(namespace, structure.nsType);
        if (indexes !== undefined) found.push({ ...indexes, namespace });
      }
    }
    return found;
  }

  async #indexes({ db, coll }: Namespace, nsType: Structure['nsType']): Promise<Structure | undefined> {
    const command = { listIndexes: coll, cursor: { batchSize: ALL_INDEXES } };
    try {
      const reply = await readRaw(this.#context, { db, command, doing: `list the indexes of ${db}.${coll}` });
      const wanted = reply.events.filter((index) => textAt(index, 'name') !== ID_INDEX && !isTrue(index, 'clustered'));
      if (wanted.length === 0) return undefined;
      const indexes = arrayValue(wanted.map((bytes) => ({ type: BsonType.document, bytes })));
      return { op: 'createIndexes', nsType, description: documentValue([['indexes', indexes]]) };
    } catch (error) {
      if (serverCode(error) === NAMESPACE_NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** What `listCollections` says of one name; undefined when there is nothing of that name. */
  async #entry({ db, coll }: Namespace): Promise<Uint8Array | undefined> {
    const command = { listCollections: 1, filter: { name: coll } };
    const doing = `ask what ${formatNamespace({ db, coll })} is like`;
    return (await readRaw(this.#context, { db, command, doing })).events[0];
  }

  async #names(db: string): Promise<string[]> {
    const { client, readPreference, signal } = this.#context;
    try {
      const cursor = client.db(db, { readPreference }).listCollections({}, { nameOnly: true, signal });
      return (await cursor.toArray()).map(({ name }) => name);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw classify(error, 'snapshot', `list the collections of ${db}`);
    }
  }

  async #databases(): Promise<string[]> {
    const { client, readPreference, signal } = this.#context;
    const asking = { client, signal, phase: 'snapshot', doing: 'list the databases' } as const;
    const reply = await runCommand(asking, 'admin', { listDatabases: 1, nameOnly: true }, readPreference);
    return (reply['databases'] as Document[]).map(({ name }) => String(name));
  }

  async #ifAllowed<T>(look: () => Promise<T>): Promise<T | undefined> {
    try {
      return await look();
    } catch (error) {
      if (serverCode(error) !== UNAUTHORIZED) throw error;
      if (!this.#warned) {
        this.#warned = true;
        const { message } = asSluiceError(error);
        this.#logger.warn({}, `options and indexes of collections are left out of the snapshot: ${message}`);
      }
      return undefined;
    }
  }
}

function structureOf(entry: Uint8Array): Structure | undefined {
  const nsType = textAt(entry, 'type');
  if (nsType !== 'collection' && nsType !== 'timeseries' && nsType !== 'view') return undefined;
  const options = findField(entry, 'options');
  const fields = options === undefined ? [] : [...fieldsOf(options.bytes)];
  const named = fields.map(({ name, ...value }): [string, BsonValue] => [name, value]);
  // As in the events of the server.
  const description = documentValue([...named, ['idIndex', findField(entry, 'idIndex')]]);
  return { op: 'create', nsType, description };
}

/** Those are described with their rows. */
function isCopied(nsType: Structure['nsType'], entry: Uint8Array): boolean {
  const options = findField(entry, 'options');
  return nsType === 'collection' && (options === undefined || !isTrue(options.bytes, 'capped'));
}

function uuidOf(entry: Uint8Array): string | undefined {
  const info = findField(entry, 'info');
  const uuid = info && findField(info.bytes, 'uuid');
  // A binary value: its length, its subtype, then the bytes.
  return uuid?.type === BsonType.binary ? Buffer.from(uuid.bytes.subarray(5)).toString('base64') : undefined;
}

function textAt(document: Uint8Array, name: string): string | undefined {
  const value = findField(document, name);
  return value?.type === BsonType.string ? textOfValue(value) : undefined;
}

function isTrue(document: Uint8Array, name: string): boolean {
  const value = findField(document, name);
  return value?.type === BsonType.boolean && value.bytes[0] === 1;
}
