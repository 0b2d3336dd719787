import type { Document, UUID } from 'mongodb';
import { classify, serverCode } from '../classify.ts';
import { runCommand } from '../client.ts';
import { literalDatabases, type Scope, scopeIncludes } from '../scope.ts';
import type { SnapshotContext } from './raw-read.ts';

const UNAUTHORIZED = 13;

/** How a collection stores its documents. */
export type CollectionKind =
  | 'ordinary'
  /** In the order of `_id`, without an index on it. */
  | 'clustered'
  /** The server refuses to read one as of a time (6.0 does). Not known without `listCollections`: then it is `ordinary`. */
  | 'capped';

/** A collection whose documents can be copied. */
export interface CatalogEntry {
  readonly db: string;
  readonly coll: string;
  /** Base64 of its UUID; undefined when the user may not list collections with their details. */
  readonly uuid: string | undefined;
  /** Its default collation; undefined when that is the simple one, so that keys are in plain BSON order. */
  readonly collation: Document | undefined;
  readonly kind: CollectionKind;
}

/** What a scope covers at the moment. */
export interface Catalog {
  readonly collections: readonly CatalogEntry[];
  /** `db.coll` of the time series in the scope: they can be neither streamed nor copied. */
  readonly timeSeries: readonly string[];
}

/**
 * Lists the collections of a scope; views and system collections are left out. Works with any user that may
 * read them: without the privilege `listCollections` (the role `read` has it) it lists what the user has rights on,
 * without UUIDs.
 */
export async function listCollections(context: SnapshotContext, scope: Scope): Promise<Catalog> {
  const collections: CatalogEntry[] = [];
  const timeSeries: string[] = [];
  for (const db of literalDatabases(scope) ?? (await databaseNames(context))) {
    for (const info of await collectionInfos(context, db, scope)) {
      const coll = String(info['name']);
      if (coll.startsWith('system.') || !scopeIncludes(scope, db, coll)) continue;
      if (info['type'] === 'timeseries') timeSeries.push(`${db}.${coll}`);
      else if (info['type'] === 'collection') {
        const entry = info['info'] === undefined ? await probe(context, db, coll) : entryOf(db, coll, info);
        if (entry !== undefined) collections.push(entry);
      }
    }
  }
  return { collections, timeSeries };
}

async function databaseNames({ client, readPreference, signal }: SnapshotContext): Promise<string[]> {
  const asking = { client, signal, phase: 'snapshot', doing: 'list the databases' } as const;
  const reply = await runCommand(asking, 'admin', { listDatabases: 1, nameOnly: true }, readPreference);
  return (reply['databases'] as Document[]).map((database) => String(database['name']));
}

/** With all details, or where that is not allowed only names and types. */
async function collectionInfos(context: SnapshotContext, db: string, scope: Scope): Promise<Document[]> {
  const { client, readPreference, signal } = context;
  const filter = scope.level === 'collection' ? { name: scope.coll } : {};
  const list = (options: { nameOnly?: boolean; authorizedCollections?: boolean }): Promise<Document[]> =>
    client
      .db(db, { readPreference })
      .listCollections(filter, { ...options, signal })
      .toArray();
  try {
    return await list({}).catch((error: unknown) => {
      if (serverCode(error) !== UNAUTHORIZED) throw error;
      return list({ nameOnly: true, authorizedCollections: true });
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw classify(error, 'snapshot', `list the collections of ${db}`);
  }
}

function entryOf(db: string, coll: string, { info, options }: Document): CatalogEntry {
  const uuid = info.uuid as UUID | undefined;
  return {
    db,
    coll,
    uuid: uuid === undefined ? undefined : Buffer.from(uuid.buffer).toString('base64'),
    collation: options?.collation,
    kind: options?.clusteredIndex !== undefined ? 'clustered' : options?.capped === true ? 'capped' : 'ordinary',
  };
}

/** A query plan tells, to anyone who may run the query, what else only `listCollections` would. */
async function probe(context: SnapshotContext, db: string, coll: string): Promise<CatalogEntry | undefined> {
  const { client, readPreference, signal } = context;
  const asking = { client, signal, phase: 'snapshot', doing: `look at the index of ${db}.${coll}` } as const;
  const explain = { explain: { find: coll, hint: { _id: 1 } }, verbosity: 'queryPlanner' };
  const plan = await runCommand(asking, db, explain, readPreference);
  const stage = nodesOf(plan).find((node) => /^(IXSCAN|CLUSTERED_IXSCAN|COLLSCAN|EOF)$/.test(String(node['stage'])));
  // It was dropped after it was listed.
  if (stage?.['stage'] === 'EOF') return undefined;
  const collation = nodesOf(plan).find((node) => node['collation'] !== undefined)?.['collation'];
  return { db, coll, uuid: undefined, collation, kind: stage?.['stage'] === 'IXSCAN' ? 'ordinary' : 'clustered' };
}

/** All documents inside a plan: its shape depends on the server's version and on sharding. */
function nodesOf(value: unknown): Document[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(nodesOf)];
}
