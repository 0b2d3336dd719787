import { textArray } from './binary-array.ts';
import type { Row, Session, Statement } from './client.ts';
import { quoteName } from './names.ts';

/** One process at a time makes or changes tables; the number says "sluice". */
export const TABLES_LOCK = `select pg_advisory_xact_lock(x'736c75696365'::bigint)`;

/**
 * Sluice's own tables:
 *
 * - `tables`: which table a collection has. `wanted_schema` and `wanted_table` are the names by the templates, which may
 *   be longer than those of the server. `source` is the collection whose documents are in it, as the source names it; null
 *   until one was seen (`table-owners.ts`). `layout` are the promoted columns and child tables as JSON, `revision` grows with
 *   every change of them. Nothing older than (`floor_ts`, `floor_ord`) is in the table any more: it was swept.
 * - `deleted`: the version at which a document was deleted, and when that was noted.
 * - `checkpoints`: one row per partition, with the epoch of its owner.
 */
export class StateTables {
  readonly schema: string;
  readonly tables: string;
  readonly deleted: string;
  readonly checkpoints: string;

  constructor(schema: string) {
    this.schema = schema;
    const own = quoteName(schema);
    this.tables = `${own}.tables`;
    this.deleted = `${own}.deleted`;
    this.checkpoints = `${own}.checkpoints`;
  }

  /** Makes what is missing. Throws classified errors of the phase `tables`. */
  async prepare(session: Session, signal: AbortSignal): Promise<void> {
    const doing = `prepare the schema ${this.schema}`;
    const run = (statement: Statement) => session.run('tables', doing, statement, signal);
    if (await this.#isReady(run)) return;
    await run({ text: 'begin read write' });
    try {
      await run({ text: TABLES_LOCK });
      // Others may have made it meanwhile, and hold locks on it while they wait for this one.
      if (!(await this.#isReady(run))) {
        await makeSchema(session, this.schema, signal);
        for (const text of this.#statements()) await run({ text });
      }
      await run({ text: 'commit' });
    } catch (error) {
      await session.query({ text: 'rollback' }, signal).catch(() => session.abandon());
      throw error;
    }
  }

  async #isReady(run: (statement: Statement) => Promise<{ readonly rows: readonly Row[] }>): Promise<boolean> {
    const names = [this.tables, this.deleted, this.checkpoints];
    const { rows } = await run({
      text: `select (select count(to_regclass(name))::int from unnest($1::text[]) as wanted (name)) as found,
        exists (select from pg_catalog.pg_attribute
          where attrelid = to_regclass($2) and attname = 'source' and not attisdropped) as has_source`,
      values: [textArray(names), this.tables],
    });
    return rows[0]?.['found'] === names.length && rows[0]['has_source'] === true;
  }

  #statements(): readonly string[] {
    return [
      `create table if not exists ${this.tables} (
        id integer generated always as identity primary key,
        wanted_schema text not null, wanted_table text not null,
        table_schema text not null, table_name text not null,
        layout jsonb not null default '{"columns": [], "children": []}', revision integer not null default 0,
        floor_ts bigint, floor_ord bigint,
        unique (wanted_schema, wanted_table), unique (table_schema, table_name))`,
      `alter table ${this.tables} add column if not exists source text`,
      `create table if not exists ${this.deleted} (
        table_id integer not null, _id text collate "C" not null, _ts bigint not null, _ord bigint not null,
        at timestamptz not null default now(), primary key (table_id, _id))`,
      `create index if not exists deleted_at on ${this.deleted} (at)`,
      `create table if not exists ${this.checkpoints} (
        partition text primary key, epoch bigint not null, checkpoint text, saved_at timestamptz)`,
    ];
  }
}

/** Makes the schema unless it is there; asking first, because `if not exists` wants the privilege all the same. */
export async function makeSchema(session: Session, schema: string, signal: AbortSignal): Promise<void> {
  const doing = `make the schema ${schema}`;
  const text = 'select 1 from pg_catalog.pg_namespace where nspname = $1';
  const { rows } = await session.run('tables', doing, { text, values: [schema] }, signal);
  if (rows.length > 0) return;
  await session.run('tables', doing, { text: `create schema if not exists ${quoteName(schema)}` }, signal);
}
