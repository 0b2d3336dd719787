import type { Version } from '../../core/change-event.ts';
import { ordinalArray, textArray, timeArray, timeText } from './binary-array.ts';
import type { Column } from './columns/layout.ts';
import { quoteName, quotePath } from './names.ts';
import { tableStatements } from './statements.ts';
import { raiseFloor, sweep, type TableWork } from './sweep.ts';
import type { TargetTable } from './tables.ts';

/** Rows that one transaction moves. */
const PAGE_ROWS = 2_000;

/** A table whose rows get another one's name. */
export interface Rename {
  readonly from: TargetTable;
  readonly to: TargetTable;
  /** Of the event. */
  readonly version: Version;
}

/**
 * Moves what is older than the event from one table to the other, where it gets the version of the event: it is the state
 * of that collection then. Rows are copied rather than the table renamed, so that it can be repeated at any time: what was
 * moved has left the old table, whose floor then keeps changes of before out, and what is newer is never touched. What the
 * new table had before is gone at the source.
 */
export async function moveRows(work: TableWork, rename: Rename): Promise<void> {
  const { from, to, version } = rename;
  await raiseFloor(work, from, version);
  const doing = `move rows from ${from.shown} to ${to.shown}`;
  for (let moved = PAGE_ROWS; moved > 0; ) moved = await work.transaction(doing, () => movePage(work, rename));
  await sweep(work, to, version);
}

async function movePage(work: TableWork, rename: Rename): Promise<number> {
  const { from, to, version } = rename;
  const { rows } = await work.query({
    text: `select _id from ${from.path} where (_ts, _ord) < ($1::bigint, $2::bigint) order by _id limit ${PAGE_ROWS} for update`,
    values: [timeText(version), version.ordinal],
  });
  const ids = rows.map(({ _id }) => String(_id));
  if (ids.length === 0) return 0;
  const versions = [version];
  const columns = sharedColumns(from.layout.columns, to.layout.columns);
  const { rows: copied } = await work.query({
    text: `insert into ${to.path} as t (${['_id', 'document', '_ts', '_ord', ...columns.map(({ target }) => target)].join(', ')})
      select ${['_id', 'document', '($2::bigint[])[1]', '($3::bigint[])[1]', ...columns.map(({ value }) => value)].join(', ')}
      from ${from.path} where _id = any ($1::text[]) order by _id
      on conflict (_id) do update set ${setExcluded(columns, to)}
      where (t._ts, t._ord) < (excluded._ts, excluded._ord) returning t._id`,
    values: [textArray(ids), timeArray(versions), ordinalArray(versions)],
  });
  await moveChildren(work, rename, textArray(copied.map(({ _id }) => String(_id))));
  const { guard } = tableStatements(to, work.parts.state);
  await work.query({ text: guard, values: [textArray(ids)] });
  await work.query({ text: `delete from ${from.path} where _id = any ($1::text[])`, values: [textArray(ids)] });
  return ids.length;
}

async function moveChildren(work: TableWork, { from, to }: Rename, ids: Buffer): Promise<void> {
  for (const target of to.layout.children) {
    const targetPath = quotePath(to.schema, target.name);
    await work.query({ text: `delete from ${targetPath} where _parent = any ($1::text[])`, values: [ids] });
    const source = from.layout.children.find(({ path }) => path === target.path);
    if (source === undefined) continue;
    const columns = sharedColumns(source.columns, target.columns);
    await work.query({
      text: `insert into ${targetPath} (${['_parent', '_index', 'document', ...columns.map((column) => column.target)].join(', ')})
        select ${['_parent', '_index', 'document', ...columns.map(({ value }) => value)].join(', ')}
        from ${quotePath(from.schema, source.name)} where _parent = any ($1::text[])`,
      values: [ids],
    });
  }
}

interface SharedColumn {
  /** Name in the new table. */
  readonly target: string;
  /** Value from the old one. */
  readonly value: string;
}

/** Columns for the same field. The new table has been laid out for all fields of the old one. */
function sharedColumns(from: readonly Column[], to: readonly Column[]): readonly SharedColumn[] {
  return to.flatMap(({ name, path, type }) => {
    const source = from.find((column) => column.path === path);
    if (source === undefined) return [];
    const value = quoteName(source.name);
    return [{ target: quoteName(name), value: source.type === type ? value : `${value}::text::${type}` }];
  });
}

/** Columns that only the new table has are emptied. */
function setExcluded(columns: readonly SharedColumn[], to: TargetTable): string {
  const all = ['document', '_ts', '_ord', ...to.layout.columns.map(({ name }) => quoteName(name))];
  const given = new Set(['document', '_ts', '_ord', ...columns.map(({ target }) => target)]);
  return all.map((name) => `${name} = ${given.has(name) ? `excluded.${name}` : 'null'}`).join(', ');
}
