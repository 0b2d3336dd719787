import type { Version } from '../../core/change-event.ts';
import { ordinalArray, textArray, timeArray, timeText } from './binary-array.ts';
import type { ChildTable, Column } from './columns/layout.ts';
import { documentValue } from './document-value.ts';
import { quoteName, quotePath } from './names.ts';
import { type HeldRows, inSavepoint, joinHeld, NONE_HELD, rowByRow } from './row-by-row.ts';
import { tableStatements } from './statements.ts';
import { raiseFloor, sweep } from './sweep.ts';
import type { TableWork } from './table-work.ts';
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

/** What came of a rename. */
export interface Moved {
  /** Rows that the server does not let go, or does not take under the new name: they stay in the old table. */
  readonly kept: HeldRows;
  /** Rows of before in the new table that it does not let go. */
  readonly stale: HeldRows;
}

/**
 * Moves what is older than the event from one table to the other, where it gets the version of the event: it is the state
 * of that collection then. Rows are copied rather than the table renamed, so that it can be repeated at any time: what was
 * moved has left the old table, whose floor then keeps changes of before out, and what is newer is never touched. What the
 * new table had before is gone at the source.
 *
 * The floor also keeps out changes of before that nobody has written yet. So whoever reads the changes must have written all
 * of them before the event: a pipeline that is one of several readers must not do this.
 */
export async function moveRows(work: TableWork, rename: Rename): Promise<Moved> {
  const { from, to, version } = rename;
  await raiseFloor(work, from, version);
  const doing = `move rows from ${from.shown} to ${to.shown}`;
  const move = new RowMove(work, rename);
  let kept = NONE_HELD;
  for (let last: string | undefined = ''; last !== undefined; ) {
    const after: string = last;
    const page = await work.transaction(
      doing,
      () => move.page(after, (ids) => move.together(ids)),
      () => move.page(after, (ids) => move.carefully(ids)),
    );
    kept = joinHeld(kept, page.held);
    last = page.last;
  }
  const { held: stale } = await sweep(work, to, version);
  return { kept, stale };
}

interface Page {
  readonly held: HeldRows;
  /** Where the next page begins; undefined behind the last. */
  readonly last: string | undefined;
}

/** Which values the new rows get: those of all columns, or only those that the old table has as they are. */
type Values = 'all' | 'same';

/** The statements that move rows; each call is in a transaction of the caller. */
class RowMove {
  readonly #work: TableWork;
  readonly #rename: Rename;

  constructor(work: TableWork, rename: Rename) {
    this.#work = work;
    this.#rename = rename;
  }

  /** Rows are locked in the order of their ids, as all writers do. */
  async page(after: string, how: (ids: readonly string[]) => Promise<HeldRows>): Promise<Page> {
    const { from, version } = this.#rename;
    const { rows } = await this.#work.query({
      text: `select _id from ${from.path} where _id > $1 collate "C" and (_ts, _ord) < ($2::bigint, $3::bigint)
        order by _id limit ${PAGE_ROWS} for update`,
      values: [after, timeText(version), version.ordinal],
    });
    const ids = rows.map(({ _id }) => String(_id));
    return { held: ids.length === 0 ? NONE_HELD : await how(ids), last: ids.at(-1) };
  }

  async together(ids: readonly string[]): Promise<HeldRows> {
    await this.#move(ids, 'all');
    return NONE_HELD;
  }

  /** A row that the new table takes, but the old one does not let go, is in both. */
  async carefully(ids: readonly string[]): Promise<HeldRows> {
    const attempt = (step: () => Promise<void>) => inSavepoint(this.#work, step);
    return await rowByRow(
      this.#work,
      ids,
      (some) => this.#move(some, 'all'),
      async (id) => {
        let error = await attempt(() => this.#copy([id], 'all'));
        // A text in the document that looks like a value of the column, and is none.
        if (error !== undefined) error = await attempt(() => this.#copy([id], 'same'));
        error ??= await attempt(() => this.#remove([id]));
        return error === undefined ? NONE_HELD : { count: 1, error };
      },
    );
  }

  async #move(ids: readonly string[], values: Values): Promise<void> {
    await this.#copy(ids, values);
    await this.#remove(ids);
  }

  async #remove(ids: readonly string[]): Promise<void> {
    const text = `delete from ${this.#rename.from.path} where _id = any ($1::text[])`;
    await this.#work.query({ text, values: [textArray(ids)] });
  }

  async #copy(ids: readonly string[], values: Values): Promise<void> {
    const { from, to, version } = this.#rename;
    const { columns } = to.layout;
    const names = ['document', '_ts', '_ord', ...columns.map(({ name }) => quoteName(name))];
    const given = [
      'document',
      '($2::bigint[])[1]',
      '($3::bigint[])[1]',
      ...this.#values(from.layout.columns, columns, values),
    ];
    const { rows } = await this.#work.query({
      text: `insert into ${to.path} as t (_id, ${names.join(', ')})
        select _id, ${given.join(', ')} from ${from.path} where _id = any ($1::text[]) order by _id
        on conflict (_id) do update set ${names.map((name) => `${name} = excluded.${name}`).join(', ')}
        where (t._ts, t._ord) < (excluded._ts, excluded._ord) returning t._id`,
      values: [textArray(ids), timeArray([version]), ordinalArray([version])],
    });
    const copied = textArray(rows.map(({ _id }) => String(_id)));
    for (const child of to.layout.children) await this.#copyChildren(child, copied, values);
    const { guard, guardFloor } = tableStatements(to, this.#work.parts.state);
    for (const text of [guard, guardFloor]) await this.#work.query({ text, values: [textArray(ids)] });
  }

  async #copyChildren(target: ChildTable, ids: Buffer, values: Values): Promise<void> {
    const { from, to } = this.#rename;
    const path = quotePath(to.schema, target.name);
    await this.#work.query({ text: `delete from ${path} where _parent = any ($1::text[])`, values: [ids] });
    const source = from.layout.children.find((child) => child.path === target.path);
    const names = ['_parent', '_index', 'document', ...target.columns.map(({ name }) => quoteName(name))];
    const given = ['_parent', '_index', 'document', ...this.#values(source?.columns ?? [], target.columns, values)];
    const rows = source === undefined ? elementsOf(from, target) : quotePath(from.schema, source.name);
    await this.#work.query({
      text: `insert into ${path} (${names.join(', ')})
        select ${given.join(', ')} from ${rows} as elements where _parent = any ($1::text[])`,
      values: [ids],
    });
  }

  #values(from: readonly Column[], to: readonly Column[], values: Values): readonly string[] {
    return to.map((column) => {
      const same = from.find(({ path }) => path === column.path);
      return values === 'all' || same?.type === column.type ? valueOf(same, column) : `null::${column.type}`;
    });
  }
}

/** The value of a column of the new table: that of the old one where it is the same, else what is in the document. */
function valueOf(from: Column | undefined, { path, type }: Column): string {
  if (from?.type === type) return quoteName(from.name);
  if (from?.type === 'uuid' && type === 'bytea') return `uuid_send(${quoteName(from.name)})`;
  // Where the old table has no column nothing but the new one says what is in the field.
  const value = documentValue(path, type, from === undefined);
  return type === 'bytea'
    ? `case jsonb_typeof(${documentValue(path, 'jsonb')}) when 'string' then ${value} end`
    : value;
}

/** The elements of an array that the old table has no rows for. */
function elementsOf({ path }: TargetTable, child: ChildTable): string {
  const array = documentValue(child.path, 'jsonb');
  return `(select p._id as _parent, (e.at - 1)::integer as _index, e.element as document from ${path} p
    cross join lateral jsonb_array_elements(case jsonb_typeof(${array}) when 'array' then ${array} else '[]' end)
      with ordinality as e (element, at))`;
}
