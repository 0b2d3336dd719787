import type { ChildTable, Column } from './columns/layout.ts';
import { quoteName, quotePath } from './names.ts';
import type { StateTables } from './state-tables.ts';
import type { TargetTable } from './tables.ts';

/** What is written to a child table. */
export interface ChildStatements {
  /** `$1` ids of parents. */
  readonly clear: string;
  /** `$1` parents, `$2` indexes, `$3` documents, then one array of texts per column. */
  readonly insert: string;
}

/** The statements that write to one table. */
export interface TableStatements {
  /** `$1` ids, `$2` documents, `$3` times, `$4` ordinals, then one array of texts per column. Returns ids with children. */
  readonly upsert: string;
  /** `$1` ids, `$2` times, `$3` ordinals: deletes what is not newer. */
  readonly remove: string;
  /** `$1` ids, `$2` times, `$3` ordinals: notes that these were deleted. */
  readonly log: string;
  /** `$1` ids: takes back what was deleted at the same time; returns `floor_ts`, `floor_ord`, `revision`. */
  readonly guard: string;
  /** `$1` ids: takes back what is older than what was swept. */
  readonly guardFloor: string;
  readonly children: readonly ChildStatements[];
}

/**
 * The statements of a table. How they keep two writers apart, under READ COMMITTED, is told in `write-table.ts`. Arrays
 * are in the order of the ids, and rows are locked in that order.
 */
export function tableStatements(table: TargetTable, state: StateTables): TableStatements {
  const { path, id, layout } = table;
  return {
    upsert: upsertStatement(table),
    remove: `delete from ${path} t using unnest($1::text[], $2::bigint[], $3::bigint[]) as gone (id, ts, ord)
      where t._id = gone.id collate "C" and (t._ts, t._ord) <= (gone.ts, gone.ord)`,
    log: `insert into ${state.deleted} as d (table_id, _id, _ts, _ord)
      select ${id}, * from unnest($1::text[], $2::bigint[], $3::bigint[])
      on conflict (table_id, _id) do update set _ts = excluded._ts, _ord = excluded._ord, at = excluded.at
      where (d._ts, d._ord) < (excluded._ts, excluded._ord)`,
    guard: `with taken_back as (
        delete from ${path} t using ${state.deleted} d
        where d.table_id = ${id} and d._id = any ($1::text[]) and t._id = d._id and (t._ts, t._ord) <= (d._ts, d._ord))
      select floor_ts, floor_ord, revision from ${state.tables} where id = ${id}`,
    guardFloor: `delete from ${path} t using ${state.tables} f
      where f.id = ${id} and t._id = any ($1::text[]) and (t._ts, t._ord) < (f.floor_ts, f.floor_ord)`,
    children: layout.children.map((child) => childStatements(table.schema, child)),
  };
}

function upsertStatement({ path, layout: { columns, children } }: TargetTable): string {
  const names = columns.map(({ name }) => quoteName(name));
  const all = ['_id', 'document', '_ts', '_ord', ...names];
  const arrays = ['$1::text[]', '$2::jsonb[]', '$3::bigint[]', '$4::bigint[]', ...textArrays(columns, 5)];
  const changes = all.slice(1).map((name) => `${name} = excluded.${name}`);
  return `insert into ${path} as t (${all.join(', ')})
    select ${['id', 'document', 'ts', 'ord', ...casts(columns)].join(', ')}
    from unnest(${arrays.join(', ')}) as u (${['id', 'document', 'ts', 'ord', ...aliases(columns)].join(', ')})
    on conflict (_id) do update set ${changes.join(', ')}
    where (t._ts, t._ord) < (excluded._ts, excluded._ord)${children.length === 0 ? '' : '\n    returning t._id'}`;
}

function childStatements(schema: string, { name, columns }: ChildTable): ChildStatements {
  const path = quotePath(schema, name);
  const all = ['_parent', '_index', 'document', ...columns.map((column) => quoteName(column.name))];
  const arrays = ['$1::text[]', '$2::integer[]', '$3::jsonb[]', ...textArrays(columns, 4)];
  return {
    clear: `delete from ${path} where _parent = any ($1::text[])`,
    insert: `insert into ${path} (${all.join(', ')})
      select ${['parent', 'index', 'document', ...casts(columns)].join(', ')}
      from unnest(${arrays.join(', ')}) as u (${['parent', 'index', 'document', ...aliases(columns)].join(', ')})`,
  };
}

function textArrays(columns: readonly Column[], first: number): readonly string[] {
  return columns.map((_, index) => `$${first + index}::text[]`);
}

/** Names that no column has, whatever it is called. */
function aliases(columns: readonly Column[]): readonly string[] {
  return columns.map((_, index) => `v${index}`);
}

function casts(columns: readonly Column[]): readonly string[] {
  return columns.map(({ type }, index) => (type === 'text' ? `v${index}` : `v${index}::${type}`));
}
