import { COLUMN_TYPES } from './columns/column-types.ts';
import type { Column, ColumnType, LayoutPlan, TableLayout } from './columns/layout.ts';

/** A relation as the server has it. */
export interface Relation {
  /** As `pg_class.relkind`. */
  readonly kind: string;
  /** Types by names; `generated` for columns that nobody can write to. */
  readonly columns: Readonly<Record<string, string>>;
}

/** Relations by their names. */
export type Relations = ReadonlyMap<string, Relation>;

/** An expression for what `Relation` has, of the `pg_class` row `c`. */
export const RELATION = `jsonb_build_object('kind', c.relkind, 'columns', (
  select coalesce(jsonb_object_agg(a.attname, case when a.attgenerated <> '' or a.attidentity = 'a' then 'generated'
    when a.atttypid = 'timestamptz'::regtype then 'timestamptz' else pg_catalog.format_type(a.atttypid, null) end), '{}')
  from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))`;

const TABLE_KINDS = new Set(['r', 'p']);
const OWN_COLUMNS = { _id: 'text', document: 'jsonb', _ts: 'bigint', _ord: 'bigint' };
const CHILD_COLUMNS = { _parent: 'text', _index: 'integer', document: 'jsonb' };

/** Whether the relation can be the table of a collection. */
export function isOwnTable(relation: Relation): boolean {
  return isTableWith(relation, OWN_COLUMNS);
}

function isTableWith({ kind, columns }: Relation, wanted: Readonly<Record<string, string>>): boolean {
  return TABLE_KINDS.has(kind) && Object.entries(wanted).every(([name, type]) => columns[name] === type);
}

/**
 * The layout as far as it is still there: without what was dropped or renamed, with the types that columns have. A column
 * that was made one that Sluice does not write is somebody else's from then on.
 */
export function followed(layout: TableLayout, name: string, relations: Relations): TableLayout {
  const main = relations.get(name);
  // All of it is made again.
  if (main === undefined) return layout;
  const children = layout.children.flatMap((child) => {
    const relation = relations.get(child.name);
    if (relation === undefined || !isTableWith(relation, CHILD_COLUMNS)) return [];
    return [{ ...child, columns: followedColumns(child.columns, relation) }];
  });
  return { columns: followedColumns(layout.columns, main), children };
}

function followedColumns(columns: readonly Column[], relation: Relation): readonly Column[] {
  return columns.flatMap((column) => {
    const type = COLUMN_TYPES.find((known: ColumnType) => known === relation.columns[column.name]);
    if (type === undefined) return [];
    return [type === column.type ? column : { ...column, type }];
  });
}

/** Names of all columns by the names of the relations. */
export function columnNames(relations: Relations): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map([...relations].map(([name, { columns }]) => [name, new Set(Object.keys(columns))]));
}

/** Adds names of columns that a plan would make and that are there with another type; true when there are any. */
export function addForeign(
  names: Map<string, Set<string>>,
  relations: Relations,
  { steps }: Pick<LayoutPlan, 'steps'>,
  table: string,
): boolean {
  let isMore = false;
  for (const step of steps) {
    if (step.kind !== 'add-column') continue;
    const relation = step.child ?? table;
    const type = relations.get(relation)?.columns[step.column.name];
    if (type === undefined || type === step.column.type) continue;
    names.set(relation, (names.get(relation) ?? new Set()).add(step.column.name));
    isMore = true;
  }
  return isMore;
}
