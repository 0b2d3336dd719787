import type { Version } from '../../core/change-event.ts';
import { textArray, timeText } from './binary-array.ts';
import { type HeldRows, inSavepoint, joinHeld, NONE_HELD, rowByRow } from './row-by-row.ts';
import type { TableWork } from './table-work.ts';
import type { TargetTable } from './tables.ts';

export { TableWork, type TableWorkParts } from './table-work.ts';

/** Rows that one transaction looks at. */
const PAGE_ROWS = 10_000;
/** The same where the server refuses some of them, which takes statements, and time, for each. */
const CAREFUL_ROWS = 1_000;

/**
 * Sees to it that nothing older than the version is or comes into the table. Waits until nobody writes to it: what was
 * written before is seen by the statements behind it, and what is written after it sees the floor (`write-table.ts`).
 */
export async function raiseFloor(work: TableWork, table: TargetTable, version: Version): Promise<void> {
  const { tables } = work.parts.state;
  await work.transaction(`raise the floor of ${table.shown}`, async () => {
    await work.query({ text: `lock table ${table.path} in share row exclusive mode` });
    await work.query({
      text: `update ${tables} set floor_ts = $2, floor_ord = $3
        where id = $1 and (floor_ts is null or (floor_ts, floor_ord) < ($2::bigint, $3::bigint))`,
      values: [table.id, timeText(version), version.ordinal],
    });
  });
}

/** What came of a sweep. */
export interface Swept {
  readonly rows: number;
  /** Rows that a foreign key or a trigger of the user keeps. */
  readonly held: HeldRows;
}

/**
 * Deletes what is older than the version and raises the floor of the table to it. Rows that the server does not let go stay,
 * and the others go. Can be repeated.
 */
export async function sweep(work: TableWork, table: TargetTable, version: Version): Promise<Swept> {
  await raiseFloor(work, table, version);
  let rows = 0;
  let held = NONE_HELD;
  for (let last: string | undefined = ''; last !== undefined; ) {
    const page = await sweepPage(work, table, version, last);
    rows += page.rows;
    held = joinHeld(held, page.held);
    last = page.last;
  }
  return { rows, held };
}

interface Page extends Swept {
  /** Where the next page begins; undefined behind the last. */
  readonly last: string | undefined;
}

async function sweepPage(work: TableWork, table: TargetTable, version: Version, after: string): Promise<Page> {
  const { path } = table;
  const remove = async (ids: readonly string[]) =>
    void (await work.query({ text: `delete from ${path} where _id = any ($1::text[])`, values: [textArray(ids)] }));
  const removeOne = async (id: string): Promise<HeldRows> => {
    const error = await inSavepoint(work, () => remove([id]));
    return error === undefined ? NONE_HELD : { count: 1, error };
  };
  const page = async (most: number, how: (ids: readonly string[]) => Promise<HeldRows>): Promise<Page> => {
    const { old, last } = await lockPage(work, table, version, { after, most });
    const held = old.length === 0 ? NONE_HELD : await how(old);
    return { rows: old.length - held.count, held, last };
  };
  return await work.transaction(
    `empty ${table.shown}`,
    () =>
      page(PAGE_ROWS, async (ids) => {
        await remove(ids);
        return NONE_HELD;
      }),
    () => page(CAREFUL_ROWS, (ids) => rowByRow(work, ids, remove, removeOne)),
  );
}

/**
 * The ids of a page that are older than the version, locked in the order of the ids, as all writers do. Pages go along the
 * primary key, so that each row is looked at once. No id is empty.
 */
async function lockPage(
  work: TableWork,
  { path }: TargetTable,
  version: Version,
  { after, most }: { readonly after: string; readonly most: number },
) {
  const { rows } = await work.query({
    text: `with page as materialized (select _id from ${path} where _id > $1 collate "C" order by _id limit ${most})
      select (select max(_id) from page) as last, array(
        select t._id from ${path} t where t._id = any (array(select _id from page))
        and (t._ts, t._ord) < ($2::bigint, $3::bigint) order by t._id for update) as old`,
    values: [after, timeText(version), version.ordinal],
  });
  const { last, old } = rows[0] ?? {};
  return { old: (old ?? []) as readonly string[], last: typeof last === 'string' ? last : undefined };
}
