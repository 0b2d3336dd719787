import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import type { PlainDifferences } from '../src/testing/compare-common.ts';
import { comparePostgres } from '../src/testing/compare-postgres.ts';
import { compareSearch, isTombstone, readIndex } from '../src/testing/compare-search.ts';
import { waitFor } from '../src/testing/wait-for.ts';

/** Collections of a source database. */
export interface SourcePlace {
  readonly uri: string;
  readonly db: string;
}

/** A place of its own in a target that keeps documents. Disposing it removes what is there. */
export interface DocumentTarget extends AsyncDisposable {
  /** What it is, with the part of its names that is its own; for messages. */
  readonly name: string;
  /** The `sink` section of a pipeline into it; `address` instead of its own, for what is reached through a proxy. */
  sink(settings?: object, address?: string): object;
  /** How it differs from a collection of the source. */
  differences(source: SourcePlace, coll: string): Promise<PlainDifferences>;
  /** Names of the ids that are there. */
  ids(source: SourcePlace, coll: string): Promise<readonly string[]>;
  /** Loses all documents of a collection, as if somebody had removed them by hand. */
  lose(source: SourcePlace, coll: string): Promise<void>;
}

/** An update may find its document gone: then the delete follows. */
const LOOKED_UP = { missingDocument: 'skip' };

/** A source that gives whole documents. */
export function wholeDocuments({ uri, db }: SourcePlace, settings: object = {}): object {
  return { mongodb: { uri, include: [`${db}.*`], fullDocument: 'updateLookup', maxAwaitTime: '200ms', ...settings } };
}

/** Indexes of their own in this cluster. */
export function searchTarget(url: string): DocumentTarget {
  const prefix = `t${randomUUID().slice(0, 8)}`;
  return {
    name: `the index ${prefix}`,
    sink: (settings = {}, address = url) => ({
      search: { nodes: [address], index: `${prefix}-{coll}`, ...LOOKED_UP, ...settings },
    }),
    differences: (source, coll) => compareSearch({ ...source, coll }, { url, index: `${prefix}-${coll}` }),
    async ids(_source, coll) {
      const found: string[] = [];
      for await (const { id, source } of readIndex({ url, index: `${prefix}-${coll}` })) {
        if (!isTombstone(source)) found.push(id);
      }
      return found;
    },
    async lose(_source, coll) {
      await fetch(`${url}/${prefix}-${coll}`, { method: 'DELETE' });
    },
    async [Symbol.asyncDispose]() {
      await fetch(`${url}/${prefix}-*`, { method: 'DELETE' });
    },
  };
}

/** A target in PostgreSQL. */
export interface PostgresTarget extends DocumentTarget {
  /** Where the tables of a source database are, and those that Sluice keeps for itself. */
  schema(db: string): string;
  readonly stateSchema: string;
}

/** Schemas of their own in this database. `columns`: those of fields that are compared, too; each is called as its field. */
export function postgresTarget(uri: string, columns: readonly string[] = []): PostgresTarget {
  const prefix = `t${randomUUID().slice(0, 8)}`;
  const stateSchema = `${prefix}_state`;
  const schema = (db: string) => `${prefix}_${db}`;
  return {
    name: `the schema ${prefix}`,
    schema,
    stateSchema,
    sink: (settings = {}, address = uri) => ({
      postgres: { uri: address, schema: schema('{db}'), stateSchema, ...LOOKED_UP, ...settings },
    }),
    differences: (source, coll) =>
      comparePostgres(
        { ...source, coll },
        { connection: uri, schema: schema(source.db), table: coll },
        { columns: Object.fromEntries(columns.map((name) => [name, name])) },
      ),
    ids: ({ db }, coll) =>
      withPostgres(uri, async (client) => {
        const found = await client.query<{ _id: string }>(`select _id from "${schema(db)}"."${coll}"`);
        return found.rows.map(({ _id }) => _id);
      }),
    lose: ({ db }, coll) =>
      withPostgres(uri, async (client) => {
        await client.query(`delete from "${schema(db)}"."${coll}"`);
      }),
    async [Symbol.asyncDispose]() {
      await withPostgres(uri, async (client) => {
        const found = await client.query<{ name: string }>(
          `select nspname as name from pg_namespace where nspname like '${prefix}\\_%'`,
        );
        for (const { name } of found.rows) await client.query(`drop schema "${name}" cascade`);
      });
    },
  };
}

/** Opens a connection, runs the work and closes it. */
export async function withPostgres<T>(uri: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: uri });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Waits until the target holds what the collections of the source hold; on a timeout the error shows what differs. */
export async function waitUntilEqual(
  target: DocumentTarget,
  source: SourcePlace,
  { collections, timeoutMs }: { readonly collections: readonly string[]; readonly timeoutMs: number },
): Promise<void> {
  let shown = 'it was never compared';
  const isEqual = async () => {
    const all = await Promise.all(
      collections.map(async (coll) => ({ coll, found: await target.differences(source, coll) })),
    );
    shown = all.map(({ coll, found }) => `${coll}: ${differencesText(found)}`).join('; ');
    return all.every(({ found }) => found.missing.length + found.extra.length + found.different.length === 0);
  };
  try {
    await waitFor(isEqual, { timeoutMs, intervalMs: 500, message: 'the target is equal', retryErrors: true });
  } catch (cause) {
    throw new Error(`${target.name} differs from ${source.db}: ${shown}`, { cause });
  }
}

function differencesText({ missing, extra, different, details }: PlainDifferences): string {
  const some = (ids: readonly string[]) => `${ids.length} (${ids.slice(0, 5).join(', ')})`;
  return `missing ${some(missing)}, extra ${some(extra)}, different ${some(different)} ${details.slice(0, 3).join('; ')}`;
}
