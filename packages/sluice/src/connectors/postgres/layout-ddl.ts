import { segmentName, segmentsOf } from '../../core/field-path.ts';
import type { ChildTable, Column, ColumnType, LayoutStep, TableLayout } from './columns/layout.ts';
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
 * The value of a column in its wider type. As a text it is what stands in the document, so that rows of before and of
 * after the change look alike; that also brings in what did not fit before.
 */
export function wideningExpression({ name, path }: Column, from: ColumnType, to: ColumnType): string {
  const column = quoteName(name);
  const segments = segmentsOf(path).map((segment) => quoteText(segmentName(segment)));
  const inDocument = `array[${segments.join(', ')}]`;
  switch (to) {
    case 'text':
      return `document #>> ${inDocument}`;
    case 'jsonb':
      return `document #> ${inDocument}`;
    case 'bytea':
      return from === 'uuid' ? `decode(replace(${column}::text, '-', ''), 'hex')` : `${column}::text::bytea`;
    case 'numeric':
    case 'double precision':
      return `case jsonb_typeof(document #> ${inDocument}) when 'number' then (document #>> ${inDocument})::numeric::${to} else ${column}::${to} end`;
    default:
      return `${column}::text::${to}`;
  }
}

/** The value as a text in a statement. */
export function quoteText(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
