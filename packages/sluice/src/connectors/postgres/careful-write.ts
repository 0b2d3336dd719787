import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import { timeText } from './binary-array.ts';
import { isRowRefusal, isUniqueConflict, rowRefused, stateOf, uniqueConflict } from './classify.ts';
import { removeAlone, type TableRows, type TargetRow, type WriteScope, writeRows } from './write-table.ts';

/** When so many rows of a table are refused for one reason, and no row is taken, it is not about the rows. */
const MANY_ROWS = 100;

/** A row that the server does not take. */
interface RefusedRow {
  readonly part: TableRows;
  readonly row: TargetRow;
  readonly error: unknown;
}

/** What came of writing rows of which the server does not take some. */
export interface CarefulOutcome {
  readonly rejections: readonly Rejection[];
  /** Rows that only collide with other rows in unique indexes, which may go away. */
  readonly conflicts: readonly TableRows[];
}

/**
 * Writes rows in the transaction of the scope, each that the server takes, and finds the ones that it does not by halving
 * what fails. Rows that collide with others in a unique index are tried again behind the rest, which may have made room.
 * Throws `config` when no row at all is taken of many, and errors that are not about rows.
 */
export async function writeCarefully(parts: readonly TableRows[], scope: WriteScope): Promise<CarefulOutcome> {
  // What is checked at the end of the transaction is to be refused with its row.
  await scope.session.query({ text: 'set constraints all immediate' }, scope.signal);
  const refused: RefusedRow[] = [];
  const conflicts: RefusedRow[] = [];
  for (const part of parts) {
    const ofPart: RefusedRow[] = [];
    await divide(part, scope, ofPart);
    refuseTable(part, ofPart);
    for (const one of ofPart) (isUniqueConflict(one.error) ? conflicts : refused).push(one);
  }
  const left = await settle(conflicts, scope);
  return {
    rejections: [...refused, ...left.filter(({ error }) => !isUniqueConflict(error))].map(asRejection),
    conflicts: left.filter(({ error }) => isUniqueConflict(error)).map(({ part, row }) => ({ ...part, rows: [row] })),
  };
}

/** What becomes of rows that collide for good. */
export function conflictRejections(conflicts: readonly TableRows[]): readonly Rejection[] {
  return conflicts.flatMap(({ table, rows }) =>
    rows.map(({ change }) => ({ envelope: change.envelope, error: uniqueConflict(table.shown) })),
  );
}

function asRejection({ part, row, error }: RefusedRow): Rejection {
  return { envelope: row.change.envelope, error: rowRefused(error, part.table.shown) };
}

async function divide(part: TableRows, scope: WriteScope, refused: RefusedRow[]): Promise<void> {
  const error = await tryWrite(part, scope);
  if (error === undefined) return;
  const { rows } = part;
  const [row] = rows;
  if (rows.length > 1) {
    const middle = rows.length >> 1;
    await divide({ ...part, rows: rows.slice(0, middle) }, scope, refused);
    await divide({ ...part, rows: rows.slice(middle) }, scope, refused);
  } else if (row !== undefined) {
    refused.push({ part, row, error });
  }
}

/** Writes the rows, or nothing; resolves with the error when it is about one of them. */
async function tryWrite(part: TableRows, scope: WriteScope): Promise<unknown> {
  const error = await inSavepoint(scope, () => writeRows(part, scope));
  const [row, ...others] = part.rows;
  if (error === undefined || others.length > 0 || row?.json !== undefined) return error;
  // An empty row may be what is refused.
  return await inSavepoint(scope, () => removeAlone(part, scope));
}

async function inSavepoint({ session, signal }: WriteScope, work: () => Promise<void>): Promise<unknown> {
  await session.query({ text: 'savepoint rows' }, signal);
  try {
    await work();
    await session.query({ text: 'release savepoint rows' }, signal);
    return undefined;
  } catch (error) {
    if (!isRowRefusal(error)) throw error;
    await session.query({ text: 'rollback to savepoint rows; release savepoint rows' }, signal);
    return error;
  }
}

/** Tries colliding rows again for as long as that gets some of them written; then all at once, each out of the way first. */
async function settle(conflicts: readonly RefusedRow[], scope: WriteScope): Promise<readonly RefusedRow[]> {
  let waiting = conflicts;
  for (let before = waiting.length + 1; waiting.length > 0 && waiting.length < before; ) {
    before = waiting.length;
    const again: RefusedRow[] = [];
    for (const one of waiting) {
      const error = await tryWrite({ ...one.part, rows: [one.row] }, scope);
      if (error !== undefined) again.push({ ...one, error });
    }
    waiting = again;
  }
  if (waiting.length < 2) return waiting;
  const error = await inSavepoint(scope, () => exchange(waiting, scope));
  return error === undefined ? [] : waiting;
}

/** Rows that have each other's values: all go, then all come again. */
async function exchange(waiting: readonly RefusedRow[], scope: WriteScope): Promise<void> {
  for (const { part, row } of waiting) {
    const text = `delete from ${part.table.path} t where _id = $1 and (t._ts, t._ord) < ($2::bigint, $3::bigint)`;
    const { id, version } = row.change;
    await scope.session.prepared(text, [id, timeText(version), version.ordinal], scope.signal);
  }
  for (const { part, row } of waiting) await writeRows({ ...part, rows: [row] }, scope);
}

function refuseTable({ table, rows }: TableRows, refused: readonly RefusedRow[]): void {
  if (rows.length < MANY_ROWS || refused.length < rows.length) return;
  const reasons = new Set(refused.map(({ error }) => rowRefused(error, table.shown).message));
  const [reason] = reasons;
  if (reasons.size > 1 || refused.some(({ error }) => isUniqueConflict(error))) return;
  throw new SluiceError(`none of ${rows.length} documents can be written: ${reason ?? ''}`, {
    kind: 'config',
    code: 'postgres.every-row-refused',
    hint: `It is about the table ${table.shown} rather than the documents (SQLSTATE ${stateOf(refused[0]?.error) ?? ''}): look at its constraints and triggers, then start again.`,
  });
}
