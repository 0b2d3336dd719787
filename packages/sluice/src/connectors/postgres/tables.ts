import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedField } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { Row, Session, Statement } from './client.ts';
import type { ColumnsConfig } from './columns/columns-config.ts';
import { identifier } from './columns/identifier.ts';
import { type Column, type LayoutPlan, planLayout, type TableLayout, type WantedLayout } from './columns/layout.ts';
import type { Misfit } from './columns/misfits.ts';
import { wantedLayout } from './columns/wanted.ts';
import { createTable, layoutStatements, stepStatements } from './layout-ddl.ts';
import { quotePath, schemaName, type TargetNames, type WantedTable } from './names.ts';
import { makeSchema, type StateTables, TABLES_LOCK } from './state-tables.ts';

/** How long to wait until nobody reads or writes a table that is to get a column. */
const LOCK_TIMEOUT = '10s';

/** The table of a collection as it was when it was looked at. */
export interface TargetTable {
  /** By which the delete log knows it. */
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** As it stands in statements. */
  readonly path: string;
  /** For messages. */
  readonly shown: string;
  readonly layout: TableLayout;
  /** Another one for each change of the layout. */
  readonly revision: number;
}

/** What is known of the documents that a table is for. */
export interface KnownFields {
  readonly learned?: readonly LearnedField[] | undefined;
  readonly validator?: readonly LearnedField[] | undefined;
  readonly misfits?: readonly Misfit[] | undefined;
  /** Columns that it is to have in any case: those of a table whose rows come into it. */
  readonly like?: TableLayout | undefined;
}

/** What tables are made with. */
export interface TablesParts {
  readonly state: StateTables;
  readonly names: TargetNames;
  readonly columns: ColumnsConfig;
  readonly logger: Logger;
}

/**
 * The registry of tables: which table a collection has, and what columns it has. Every change is one transaction under a
 * lock that all processes take, and finds what others have done before.
 */
export class Tables {
  readonly #parts: TablesParts;
  readonly #told = new Set<string>();

  constructor(parts: TablesParts) {
    this.#parts = parts;
  }

  /** The table of a collection; undefined when none was made for it. */
  async find(session: Session, namespace: Namespace, signal: AbortSignal): Promise<TargetTable | undefined> {
    const run = this.#runner(session, namespace, signal);
    const row = await this.#registered(run, this.#parts.names.of(namespace));
    return row === undefined ? undefined : asTable(row);
  }

  /**
   * The table of a collection, made or changed to be as the settings and what is known of the documents want it. Throws
   * `config` when it was asked to stop at changes of the documents, and `transient` when others hold the table.
   */
  async layOut(session: Session, namespace: Namespace, known: KnownFields, signal: AbortSignal): Promise<TargetTable> {
    const run = this.#runner(session, namespace, signal);
    const wanted = this.#parts.names.of(namespace);
    const before = await this.#registered(run, wanted);
    const plan = before && this.#plan(asTable(before), namespace, known, () => false);
    if (before !== undefined && plan?.steps.length === 0 && before['is_there'] === true) {
      this.#tell(asTable(before), plan);
      return asTable(before);
    }
    try {
      await run({ text: 'begin' });
      await run({ text: `set local lock_timeout = '${LOCK_TIMEOUT}'` });
      await run({ text: 'set local statement_timeout = 0' });
      await run({ text: TABLES_LOCK, isUnbounded: true });
      const table = await this.#change(session, namespace, known, signal);
      await run({ text: 'commit' });
      return table;
    } catch (error) {
      await session.query({ text: 'rollback' }, signal).catch(() => {});
      throw error;
    }
  }

  async #change(session: Session, namespace: Namespace, known: KnownFields, signal: AbortSignal): Promise<TargetTable> {
    const run = this.#runner(session, namespace, signal);
    const wanted = this.#parts.names.of(namespace);
    const found = await this.#registered(run, wanted);
    const registered = found ?? (await this.#register(session, wanted, run, signal));
    const table = asTable(registered);
    // A table of that name may have been there before, made by somebody else.
    const isReady = found?.['is_there'] === true;
    if (!isReady) await makeSchema(session, table.schema, signal);
    const taken = await this.#takenNames(run, table.schema);
    const plan = this.#plan(table, namespace, known, (name) => taken.has(name), found === undefined);
    const statements = [
      ...(isReady ? [] : layoutStatements(table, table.layout)),
      ...plan.steps.flatMap((step) => stepStatements(table, step)),
    ];
    if (!isReady) {
      await run({ text: createTable(table) });
      await this.#checkOwnColumns(run, table);
    }
    for (const text of statements) await run({ text, isUnbounded: true });
    this.#tell(table, plan);
    if (plan.steps.length === 0) return table;
    this.#parts.logger.info(
      { table: table.shown, changes: plan.steps.map(shownStep) },
      'the columns of the table follow the documents',
    );
    const { rows } = await run({
      text: `update ${this.#parts.state.tables} set layout = $2::jsonb, revision = revision + 1 where id = $1 returning revision`,
      values: [table.id, JSON.stringify(plan.layout)],
    });
    return { ...table, layout: plan.layout, revision: Number(rows[0]?.['revision']) };
  }

  #plan(
    table: TargetTable,
    namespace: Namespace,
    { learned, validator, misfits, like }: KnownFields,
    isTaken: (name: string) => boolean,
    isNew = false,
  ): LayoutPlan {
    const fields = learned === undefined ? undefined : { fields: learned };
    const config = this.#parts.columns;
    const wanted =
      like === undefined
        ? wantedLayout({ table: table.name, namespace, config, learned: fields, validator, misfits })
        : wantedLike(like, { table: table.name, drift: config.drift });
    const plan = planLayout(isNew ? undefined : table.layout, wanted, isTaken);
    if (plan.stop !== undefined) throw plan.stop;
    return plan;
  }

  /** Gives the table a name that no other has, and notes it. */
  async #register(session: Session, wanted: WantedTable, run: Run, signal: AbortSignal): Promise<Row> {
    const { tables } = this.#parts.state;
    const schema = schemaName(wanted.schema);
    await makeSchema(session, schema, signal);
    const { rows: others } = await run({
      text: `select table_name as name from ${tables} where table_schema = $1
        union all select child ->> 'name' from ${tables}, jsonb_array_elements(layout -> 'children') as child where table_schema = $1`,
      values: [schema],
    });
    const taken = new Set(others.map(({ name }) => String(name)));
    if (schema === this.#parts.state.schema) for (const own of ['tables', 'deleted', 'checkpoints']) taken.add(own);
    const name = identifier(wanted.table, (text) => taken.has(text));
    await run({
      text: `insert into ${tables} (wanted_schema, wanted_table, table_schema, table_name) values ($1, $2, $3, $4)`,
      values: [wanted.schema, wanted.table, schema, name],
    });
    const row = await this.#registered(run, wanted);
    if (row === undefined) throw missing(wanted);
    return row;
  }

  async #registered(run: Run, { schema, table }: WantedTable): Promise<Row | undefined> {
    const { rows } = await run({
      text: `select id, table_schema, table_name, layout, revision,
          exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = table_schema and c.relname = table_name)
          and not exists (select from jsonb_array_elements(layout -> 'children') as child
            where not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where n.nspname = table_schema and c.relname = child ->> 'name')) as is_there
        from ${this.#parts.state.tables} where wanted_schema = $1 and wanted_table = $2`,
      values: [schema, table],
    });
    return rows[0];
  }

  /** Names of tables, views and indexes that are there, and of tables that are to be. */
  async #takenNames(run: Run, schema: string): Promise<ReadonlySet<string>> {
    const { rows } = await run({
      text: `select relname::text as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1
        union all select table_name from ${this.#parts.state.tables} where table_schema = $1`,
      values: [schema],
    });
    return new Set(rows.map(({ name }) => String(name)));
  }

  async #checkOwnColumns(run: Run, table: TargetTable): Promise<void> {
    const { rows } = await run({
      text: `select a.attname::text as name, pg_catalog.format_type(a.atttypid, null) as type
        from pg_catalog.pg_attribute a where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped`,
      values: [table.path],
    });
    const types = new Map(rows.map(({ name, type }) => [String(name), String(type)]));
    const own = [
      ['_id', 'text'],
      ['document', 'jsonb'],
      ['_ts', 'bigint'],
      ['_ord', 'bigint'],
    ] as const;
    if (own.every(([name, type]) => types.get(name) === type)) return;
    throw new SluiceError(`the table ${table.shown} is there, but it was not made by Sluice`, {
      kind: 'config',
      code: 'postgres.table-foreign',
      hint: 'Rename or drop it, or set `schema` and `table` so that the documents go elsewhere.',
    });
  }

  /** Says once per field that it has no column, where nobody asked for that. */
  #tell({ shown }: TargetTable, { kept }: LayoutPlan): void {
    for (const { path, types, why } of kept) {
      const line = `${shown}\0${path}\0${why}`;
      if (why === 'excluded' || why === 'unseen' || why === 'container' || this.#told.has(line)) continue;
      this.#told.add(line);
      this.#parts.logger.info({ table: shown, field: path, types, why }, 'the field stays in `document` only');
    }
  }

  #runner(session: Session, namespace: Namespace, signal: AbortSignal): Run {
    const doing = `lay out the table of ${formatNamespace(namespace)}`;
    return async (statement) => await session.run('tables', doing, statement, signal);
  }
}

/** All columns of another table. */
function wantedLike({ columns, children }: TableLayout, rest: Pick<WantedLayout, 'table' | 'drift'>): WantedLayout {
  const most = Number.POSITIVE_INFINITY;
  const wanted = (column: Column) => ({ ...column, types: [], listed: true, fixed: true });
  return {
    ...rest,
    columns: columns.map(wanted),
    children: children.map(({ path, columns: own }) => ({ path, columns: own.map(wanted), most })),
    kept: [],
    most,
  };
}

type Run = (statement: Statement) => Promise<{ readonly rows: readonly Row[] }>;

function asTable(row: Row): TargetTable {
  const schema = String(row['table_schema']);
  const name = String(row['table_name']);
  return {
    id: Number(row['id']),
    schema,
    name,
    path: quotePath(schema, name),
    shown: `${schema}.${name}`,
    layout: row['layout'] as TableLayout,
    revision: Number(row['revision']),
  };
}

function shownStep(step: LayoutPlan['steps'][number]): string {
  if (step.kind === 'add-child-table') return `new table ${step.table.name}`;
  const name = `${step.child === undefined ? '' : `${step.child}.`}${step.column.name}`;
  return step.kind === 'widen' ? `${name} ${step.from} → ${step.to}` : `new column ${name} ${step.column.type}`;
}

function missing({ schema, table }: WantedTable): SluiceError {
  return new SluiceError(`the table for ${schema}.${table} was not registered`, {
    kind: 'internal',
    code: 'postgres.not-registered',
  });
}
