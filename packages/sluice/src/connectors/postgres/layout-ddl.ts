import type { ChildTable, Column, ColumnType, LayoutStep, TableLayout } from './columns/layout.ts';
import { documentValue } from './document-value.ts';
import { quoteName, quotePath } from './names.ts';

/** A table that is laid out. */
export interface LaidOut {
  readonly schema: string;
  readonly name: string;
}

/** Columns that every table has. Ids compare by their bytes, whatever the collation of the database does. */
const OWN_COLUMNS = `_id text collate "C" primary key, document jsonb not null, _ts bigint not null, _ord bigint not null`;

/** Makes the table of a collection, without promoted columns. */
export function createTable({ schema, name }: LaidOut): string {
  return `create table if not exists ${quotePath(schema, name)} (${OWN_COLUMNS})`;
}

/** The statements of a step. They can be repeated. */
export function stepStatements(table: LaidOut, step: LayoutStep): readonly string[] {
  if (step.kind === 'add-child-table') return childStatements(table, step.table);
  const path = quotePath(table.schema, step.child ?? table.name);
  const { column } = step;
  if (step.kind === 'add-column') return [addColumn(path, column)];
  const value = wideningExpression(column, step.from, step.to);
  return [`alter table ${path} alter column ${quoteName(column.name)} type ${step.to} using (${value})`];
}

/** Everything that tables of this layout have; what is there already stays as it is. */
export function layoutStatements(table: LaidOut, { columns, children }: TableLayout): readonly string[] {
  const path = quotePath(table.schema, table.name);
  return [
    createTable(table),
    ...columns.map((column) => addColumn(path, column)),
    ...children.flatMap((child) => childStatements(table, child)),
  ];
}

/** Binds a child table that has outlived its table to the one that is made anew: what it has is of no document there. */
export function rebindChild({ schema, name }: LaidOut, child: string): readonly string[] {
  const path = quotePath(schema, child);
  return [
    `delete from ${path}`,
    `alter table ${path} add foreign key (_parent) references ${quotePath(schema, name)} (_id) on delete cascade`,
  ];
}

/** Rows of a child table go with their parent. */
function childStatements({ schema, name }: LaidOut, child: ChildTable): readonly string[] {
  const path = quotePath(schema, child.name);
  const parent = `_parent text collate "C" not null references ${quotePath(schema, name)} (_id) on delete cascade`;
  return [
    `create table if not exists ${path} (${parent}, _index integer not null, document jsonb not null, primary key (_parent, _index))`,
    ...child.columns.map((column) => addColumn(path, column)),
  ];
}

function addColumn(path: string, { name, type }: Column): string {
  return `alter table ${path} add column if not exists ${quoteName(name)} ${type}`;
}

/**
 * The value of a column in its wider type. It is what stands in the document where that can be told, so that rows of before
 * and of after the change look alike; that also brings in what did not fit before. Never fails.
 */
export function wideningExpression(
  { name, path }: Pick<Column, 'name' | 'path'>,
  from: ColumnType,
  to: ColumnType,
): string {
  const column = quoteName(name);
  const inDocument = documentValue(path, to);
  if (from === 'uuid' && to === 'bytea') return `decode(replace(${column}::text, '-', ''), 'hex')`;
  const isNumber = (type: ColumnType) => type === 'bigint' || type === 'numeric' || type === 'double precision';
  return isNumber(from) && to === 'numeric' ? `coalesce(${inDocument}, ${column}::numeric)` : inDocument;
}
