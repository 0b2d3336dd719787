import type { QueryResult } from 'pg';
import { jsonbArray, ordinalArray, textArray, timeArray, timeText } from './binary-array.ts';
import type { Row, Session, Value } from './client.ts';
import type { Change } from './collapse.ts';
import type { ChildRows } from './columns/row-reader.ts';
import { type Floor, isNewerThan, readFloor } from './floor.ts';
import type { TableStatements } from './statements.ts';
import type { TargetTable } from './tables.ts';

/*
 * How rows are written so that nothing old ever overwrites or revives anything new, whoever else writes: another lane, a
 * second pipeline, a process that was replaced and does not know it yet. Everything runs under READ COMMITTED, where each
 * statement sees what was committed before it began.
 *
 * Two writes of one document wait for each other at its row: an upsert locks the row it finds (also when the guard leaves
 * it as it is), or puts one there, on which another insert of that key waits in the primary key. A delete does the same
 * first, in the same statement, by an upsert that changes nothing about a row and puts an empty one where there is none;
 * otherwise it would not see a row that another transaction has inserted and not committed. What holds the row until its
 * transaction ends is then alone with this document, so the outcome is that of one after the other:
 *
 * - Upsert, then delete: the delete finds the row, and removes it unless it is newer.
 * - Delete, then upsert: the upsert finds no row and inserts one. The guard, a statement of its own and so with a newer
 *   view than the upsert, sees the delete in the log and takes the row back unless it is newer.
 * - Upsert and upsert: the second finds the row, and changes it only when it is newer.
 *
 * A sweep raises the floor of the table while nobody can write to it, and the guard reads the floor after the upsert; so
 * an upsert is seen by the sweep, or sees it. The same holds for the revision: a column is added while nobody writes, and
 * who wrote without knowing the column sees another revision and does it again.
 *
 * Rows are locked in the order of their ids, tables in that of their numbers, so two writers do not wait for each other;
 * where they do all the same (constraints and triggers of the user), the server ends one, which is repeated.
 */

/** A document as it is to be written. */
export interface TargetRow {
  readonly change: Change;
  readonly values: readonly (string | null)[];
  readonly children: readonly ChildRows[];
}

/** Rows of one table, in the order of their ids. */
export interface TableRows {
  readonly table: TargetTable;
  readonly statements: TableStatements;
  readonly rows: readonly TargetRow[];
}

/** The transaction that something is written in. */
export interface WriteScope {
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Asked before each statement. */
  readonly ensureOwned?: (() => void) | undefined;
}

/** Somebody has changed the columns of the table since the rows were made. Or the table is no longer known. */
export class LayoutChanged extends Error {}

/** Writes rows of one table. Throws errors of the client library, and `LayoutChanged`. */
export async function writeRows(part: TableRows, scope: WriteScope): Promise<void> {
  const { statements, rows } = part;
  const deleted = rows.filter(isDelete);
  const kept = deleted.length === 0 ? rows : rows.filter((row) => !isDelete(row));
  const newer = await upsert(part, deleted.length > 0, scope);
  if (deleted.length > 0) await run(scope, statements.remove, versionArrays(deleted));
  if (kept.length === 0) return;
  if (statements.children.length > 0) {
    const ids = new Set(newer.rows.map(({ _id }) => _id));
    await writeChildren(
      part,
      kept.filter(({ change }) => ids.has(change.id)),
      scope,
    );
  }
  await guard(part, kept, scope);
}

/** Whether the document is gone. */
export function isDelete({ change }: TargetRow): boolean {
  return change.document === undefined;
}

/** Deletes rows without putting anything where there are none, for tables that take no empty rows: nobody else may write. */
export async function removeAlone({ table, statements, rows }: TableRows, scope: WriteScope): Promise<void> {
  await run(scope, `lock table ${table.path} in share row exclusive mode`, []);
  await run(scope, statements.remove, versionArrays(rows));
}

/** Whether the table has the state of the row, or a newer one, or one by which it is gone. */
export async function isObsolete(
  { statements }: TableRows,
  { change }: TargetRow,
  scope: WriteScope,
): Promise<boolean> {
  const { id, version } = change;
  const { rows } = await run(scope, statements.obsolete, [id, timeText(version), version.ordinal]);
  return rows.length > 0;
}

const NULL_JSON = Buffer.from('null');

async function upsert(
  { table, statements, rows }: TableRows,
  holds: boolean,
  scope: WriteScope,
): Promise<QueryResult<Row>> {
  const versions = rows.map(({ change }) => change.version);
  const values = [
    textArray(rows.map(({ change }) => change.id)),
    jsonbArray(rows.map(({ change }) => change.json ?? NULL_JSON)),
    timeArray(versions),
    ordinalArray(versions),
    ...table.layout.columns.map((_, index) => textArray(rows.map((row) => row.values[index] ?? null))),
  ];
  if (!holds) return await run(scope, statements.upsert, values);
  return await run(scope, statements.upsertAndHold, [...values, `{${rows.map(isDelete).join(',')}}`]);
}

function versionArrays(rows: readonly TargetRow[]): readonly Value[] {
  const versions = rows.map(({ change }) => change.version);
  return [textArray(rows.map(({ change }) => change.id)), timeArray(versions), ordinalArray(versions)];
}

/** Writes the child rows of documents anew. */
async function writeChildren(
  { table, statements }: TableRows,
  rows: readonly TargetRow[],
  scope: WriteScope,
): Promise<void> {
  if (rows.length === 0) return;
  const ids = textArray(rows.map(({ change }) => change.id));
  for (const [at, { clear, insert }] of statements.children.entries()) {
    const { columns = [] } = table.layout.children[at] ?? {};
    await run(scope, clear, [ids]);
    const elements = rows.flatMap(({ change, children }) => {
      const { documents = [], values = [] } = children[at] ?? {};
      return documents.map((json, index) => ({ parent: change.id, index, json, values: values[index] ?? [] }));
    });
    if (elements.length === 0) continue;
    await run(scope, insert, [
      textArray(elements.map(({ parent }) => parent)),
      `{${elements.map(({ index }) => index).join(',')}}`,
      jsonbArray(elements.map(({ json }) => json)),
      ...columns.map((_, index) => textArray(elements.map(({ values }) => values[index] ?? null))),
    ]);
  }
}

async function guard({ table, statements }: TableRows, kept: readonly TargetRow[], scope: WriteScope): Promise<void> {
  const ids = textArray(kept.map(({ change }) => change.id));
  const { rows } = await run(scope, statements.guard, [ids]);
  const [known] = rows;
  if (known === undefined || Number(known['revision']) !== table.revision) throw new LayoutChanged();
  const floor: Floor | undefined = readFloor(known);
  if (floor !== undefined && kept.some(({ change }) => isNewerThan(floor, change.version))) {
    await run(scope, statements.guardFloor, [ids]);
  }
}

async function run(
  { session, signal, ensureOwned }: WriteScope,
  text: string,
  values: readonly Value[],
): Promise<QueryResult<Row>> {
  ensureOwned?.();
  return await session.prepared(text, values, signal);
}
