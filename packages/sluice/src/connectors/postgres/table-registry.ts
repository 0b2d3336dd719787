import { SluiceError } from '../../core/failure.ts';
import type { Row, Statement } from './client.ts';
import { identifier } from './columns/identifier.ts';
import type { TableLayout } from './columns/layout.ts';
import { schemaName, type WantedTable } from './names.ts';
import type { StateTables } from './state-tables.ts';
import { followed, isOwnTable, RELATION, type Relation, type Relations } from './table-catalog.ts';
import { type TargetTable, tableNames, type Unfilled } from './target-table.ts';

/** Runs a statement, as `Session.run` or within a transaction. */
export type Run = (statement: Statement) => Promise<{ readonly rows: readonly Row[] }>;

/** What is noted of a table, beside what the server has. */
export interface Registered {
  /** With the layout as far as it is there. */
  readonly table: TargetTable;
  /** The table and its child tables, those that are there. */
  readonly relations: Relations;
  /** Whether the table itself is there. */
  readonly isThere: boolean;
  /** Whether somebody else has changed columns or child tables. */
  readonly isChanged: boolean;
}

const OWN_TABLES = ['tables', 'deleted', 'checkpoints'];

/** The rows of `tables`: which table a collection has, and with which columns. */
export class TableRegistry {
  readonly #state: StateTables;

  constructor(state: StateTables) {
    this.#state = state;
  }

  /** Undefined when none was noted. Throws `config` when another relation has taken the place of the table. */
  async find(run: Run, { schema, table }: WantedTable): Promise<Registered | undefined> {
    const { rows } = await run({
      text: `select t.id, t.table_schema, t.table_name, t.layout, t.revision,
          (select jsonb_object_agg(c.relname, ${RELATION})
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = t.table_schema and c.relname = any (array(
              select t.table_name union all select child ->> 'name' from jsonb_array_elements(t.layout -> 'children') as child))
          ) as relations
        from ${this.#state.tables} t where t.wanted_schema = $1 and t.wanted_table = $2`,
      values: [schema, table],
    });
    return rows[0] && asRegistered(rows[0]);
  }

  /**
   * Gives the collection a table with a name that is free, and notes it: a name that a view, an index, a type or a table
   * of somebody else has is passed over. A table that was Sluice's and is no longer noted is taken over.
   */
  async register(run: Run, wanted: WantedTable): Promise<Registered> {
    const schema = schemaName(wanted.schema);
    const noted = await this.#notedNames(run, schema);
    const relations = await this.#relations(run, schema);
    const types = await this.#typeNames(run, schema);
    const name = identifier(wanted.table, (text) => {
      const relation = relations.get(text);
      return noted.has(text) || types.has(text) || (relation !== undefined && !isOwnTable(relation));
    });
    await run({
      text: `insert into ${this.#state.tables} (wanted_schema, wanted_table, table_schema, table_name) values ($1, $2, $3, $4)`,
      values: [wanted.schema, wanted.table, schema, name],
    });
    const registered = await this.find(run, wanted);
    if (registered === undefined) throw notRegistered(wanted);
    return registered;
  }

  /** Names that are not free for a new child table of the table. One of its own that is gone may come back. */
  async takenNames(run: Run, { id, schema }: Pick<TargetTable, 'id' | 'schema'>): Promise<ReadonlySet<string>> {
    const [noted, relations, types] = [
      await this.#notedNames(run, schema, id),
      await this.#relations(run, schema),
      await this.#typeNames(run, schema),
    ];
    return new Set([...noted, ...relations.keys(), ...types]);
  }

  /** Notes the layout; resolves with the table as it is then. */
  async save(run: Run, table: TargetTable, layout: TableLayout, unfilled: readonly Unfilled[]): Promise<TargetTable> {
    const { rows } = await run({
      text: `update ${this.#state.tables} set layout = $2::jsonb, revision = revision + 1 where id = $1 returning revision`,
      values: [table.id, JSON.stringify({ ...layout, ...(unfilled.length > 0 && { unfilled }) })],
    });
    return { ...table, layout, unfilled, revision: Number(rows[0]?.['revision'] ?? table.revision) };
  }

  /** Notes that there is nothing left to fill, unless more has come since. */
  async noteFilled(run: Run, { id, unfilled }: Pick<TargetTable, 'id' | 'unfilled'>): Promise<void> {
    await run({
      text: `update ${this.#state.tables} set layout = layout - 'unfilled' where id = $1 and layout -> 'unfilled' = $2::jsonb`,
      values: [id, JSON.stringify(unfilled)],
    });
  }

  async #notedNames(run: Run, schema: string, own = 0): Promise<Set<string>> {
    const { tables } = this.#state;
    const { rows } = await run({
      text: `select table_name as name from ${tables} where table_schema = $1
        union all select child ->> 'name' from ${tables}, jsonb_array_elements(layout -> 'children') as child where table_schema = $1 and id <> $2`,
      values: [schema, own],
    });
    return new Set([...rows.map(({ name }) => String(name)), ...(schema === this.#state.schema ? OWN_TABLES : [])]);
  }

  async #relations(run: Run, schema: string): Promise<Relations> {
    const { rows } = await run({
      text: `select c.relname::text as name, ${RELATION} as relation
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1`,
      values: [schema],
    });
    return new Map(rows.map(({ name, relation }) => [String(name), relation as Relation]));
  }

  /** A table has a type of its name. Types of arrays make way. */
  async #typeNames(run: Run, schema: string): Promise<ReadonlySet<string>> {
    const { rows } = await run({
      text: `select t.typname::text as name from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where n.nspname = $1 and t.typrelid = 0 and t.typcategory <> 'A'`,
      values: [schema],
    });
    return new Set(rows.map(({ name }) => String(name)));
  }
}

function asRegistered(row: Row): Registered {
  const noted = row['layout'] as TableLayout & { readonly unfilled?: readonly Unfilled[] };
  const found = row['relations'] as Readonly<Record<string, Relation>> | null;
  const relations = new Map(Object.entries(found ?? {}));
  const names = tableNames(Number(row['id']), String(row['table_schema']), String(row['table_name']));
  const own = relations.get(names.name);
  if (own !== undefined && !isOwnTable(own)) throw foreign(names.shown);
  const { columns, children, unfilled = [] } = noted;
  const layout = followed({ columns, children }, names.name, relations);
  const isChanged = own !== undefined && JSON.stringify(layout) !== JSON.stringify({ columns, children });
  const table = { ...names, layout, unfilled, revision: Number(row['revision']) };
  return { table, relations, isThere: own !== undefined, isChanged };
}

function foreign(shown: string): SluiceError {
  return new SluiceError(`${shown} is there, but it is not the table that Sluice has made`, {
    kind: 'config',
    code: 'postgres.table-foreign',
    hint: 'Rename or drop what has the name now, so that the table is made again, or bring its columns `_id` text, `document` jsonb, `_ts` bigint and `_ord` bigint back.',
  });
}

function notRegistered({ schema, table }: WantedTable): SluiceError {
  return new SluiceError(`the table for ${schema}.${table} was not registered`, {
    kind: 'internal',
    code: 'postgres.not-registered',
  });
}
