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
  /**
   * As `upsert`, with a last array that says which documents are deleted: their rows are locked as they are, and where there
   * is none an empty one is put.
   */
  readonly upsertAndHold: string;
  /** `$1` ids, `$2` times, `$3` ordinals: deletes what is not newer, and notes that these were deleted. */
  readonly remove: string;
  /** `$1` id, `$2` time, `$3` ordinal: a row when that is no news for the table. */
  readonly obsolete: string;
  /** `$1` ids: takes back what was deleted at the same time; returns `floor_ts`, `floor_ord`, `revision`. */
  readonly guard: string;
  /** `$1` ids: takes back what is older than what was swept. */
  readonly guardFloor: string;
  readonly children: readonly ChildStatements[];
}

/**
 * The statements of a table. How they keep two writers apart, under READ COMMITTED, is told in `write-table.ts`. Arrays
 * are in the order of the ids, and rows are locked in that order.
 *
 * What is looked up by keys is written so that no other way is left (`lateral` with `offset 0`): a server plans a prepared
 * statement once, for a table that may still be empty then. Rows can be named by `ctid` where the transaction has locked
 * them before.
 */
export function tableStatements(table: TargetTable, state: StateTables): TableStatements {
  const { path, id, layout } = table;
  return {
    upsert: upsertStatement(table, false),
    upsertAndHold: upsertStatement(table, true),
    remove: `with removed as (
        delete from ${path} where ctid = any (array(
          select found.ctid from unnest($1::text[], $2::bigint[], $3::bigint[]) as gone (id, ts, ord)
          cross join lateral (
            select ctid from ${path} t where t._id = gone.id and (t._ts, t._ord) <= (gone.ts, gone.ord) offset 0) as found)))
      insert into ${state.deleted} as d (table_id, _id, _ts, _ord)
      select ${id}, * from unnest($1::text[], $2::bigint[], $3::bigint[])
      on conflict (table_id, _id) do update set _ts = excluded._ts, _ord = excluded._ord, at = excluded.at
      where (d._ts, d._ord) < (excluded._ts, excluded._ord)`,
    obsolete: `select 1 as yes from ${path} where _id = $1 and (_ts, _ord) >= ($2::bigint, $3::bigint)
      union all select 1 from ${state.deleted} where table_id = ${id} and _id = $1 and (_ts, _ord) >= ($2::bigint, $3::bigint)
      union all select 1 from ${state.tables} where id = ${id} and (floor_ts, floor_ord) > ($2::bigint, $3::bigint)`,
    guard: `with taken_back as (
        delete from ${path} where ctid = any (array(
          select found.ctid from unnest($1::text[]) as written (id)
          cross join lateral (
            select _ts, _ord from ${state.deleted} where table_id = ${id} and _id = written.id offset 0) as gone
          cross join lateral (
            select ctid from ${path} t
            where t._id = written.id and (t._ts, t._ord) <= (gone._ts, gone._ord) offset 0) as found)))
      select floor_ts, floor_ord, revision from ${state.tables} where id = ${id}`,
    guardFloor: `delete from ${path} t using ${state.tables} f
      where f.id = ${id} and t._id = any ($1::text[]) and (t._ts, t._ord) < (f.floor_ts, f.floor_ord)`,
    children: layout.children.map((child) => childStatements(table.schema, child)),
  };
}

/** Older than every version: a row that is there is never changed by it, only locked. */
const OLDEST = `'-9223372036854775808'::bigint`;

function upsertStatement({ path, layout: { columns, children } }: TargetTable, holds: boolean): string {
  const names = columns.map(({ name }) => quoteName(name));
  const all = ['_id', 'document', '_ts', '_ord', ...names];
  const arrays = ['$1::text[]', '$2::jsonb[]', '$3::bigint[]', '$4::bigint[]', ...textArrays(columns, 5)];
  const given = ['id', 'document', 'ts', 'ord', ...aliases(columns)];
  const changes = all.slice(1).map((name) => `${name} = excluded.${name}`);
  let values = ['id', 'document', 'ts', 'ord', ...casts(columns)];
  let held = '';
  if (holds) {
    arrays.push(`$${5 + columns.length}::boolean[]`);
    given.push('gone');
    // Constraints and triggers look at a row before it is found to be there: then it is to be as it is.
    values = [
      'u.id',
      `case when gone then coalesce(held.document, 'null') else u.document end`,
      `case when gone then ${OLDEST} else u.ts end`,
      'u.ord',
      ...casts(columns).map((value, at) => `case when gone then held.${names[at]} else u.${value} end`),
    ];
    held = `left join lateral (select * from ${path} t where gone and t._id = u.id offset 0) as held on true`;
  }
  return `insert into ${path} as t (${all.join(', ')})
    select ${values.join(', ')}
    from unnest(${arrays.join(', ')}) as u (${given.join(', ')}) ${held}
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
