import type { Rejection } from '../../core/sink.ts';
import { timeText } from './binary-array.ts';
import { isConflict, isRowRefusal, isUniqueConflict, rowRefused } from './classify.ts';
import type { TriedState } from './collapse.ts';
import { quoteName } from './names.ts';
import type { TableStatements } from './statements.ts';
import type { TargetTable } from './tables.ts';
import {
  isDelete,
  isObsolete,
  removeAlone,
  type TableRows,
  type TargetRow,
  type WriteScope,
  writeRows,
} from './write-table.ts';

/** A state of a document, and its row; without one it is refused anyway. */
export interface RowState extends TriedState {
  readonly row: TargetRow | undefined;
}

/** The states of a document that are still to be tried, the newest first. */
export type DocumentStates = readonly RowState[];

/** Documents of one table of which the server may refuse some. */
export interface CarefulPart {
  readonly table: TargetTable;
  readonly statements: TableStatements;
  readonly documents: readonly DocumentStates[];
}

/** A state that is refused for good. */
export interface Refusal {
  readonly state: RowState;
  /** Of the server; undefined when the state had no row. */
  readonly cause: unknown;
  readonly rejection: Rejection;
}

/** What came of one table. */
export interface CarefulOutcome {
  readonly part: CarefulPart;
  /** How many documents were put into the table or found there. */
  readonly taken: number;
  readonly refusals: readonly Refusal[];
  /** States that are in the way of other rows or wait for them. An older state of the same document may be written. */
  readonly conflicts: readonly DocumentStates[];
}

/**
 * Writes documents in the transaction of the scope, each with its newest state that the server takes, as if every change
 * had been written by itself. What it does not take is found by halving what fails. Rows that collide with others in an
 * index, or refer to rows that are not there, are tried again behind the rest; what still is then is refused when this is the last try. Throws errors
 * that are not about rows.
 */
export async function writeCarefully(
  parts: readonly CarefulPart[],
  scope: WriteScope,
  isLast: boolean,
): Promise<readonly CarefulOutcome[]> {
  // What is checked at the end of the transaction is to be refused with its row.
  await scope.session.query({ text: 'set constraints all immediate' }, scope.signal);
  const writers = parts.map((part) => new CarefulTable(part, scope));
  const postponed: CarefulTable[] = [];
  for (const writer of writers) {
    const error = await writer.writeAll();
    if (error === undefined) continue;
    // Other tables of the batch may have what it refers to.
    if (isConflict(error) && parts.length > 1) postponed.push(writer);
    else await writer.divideAll();
  }
  for (const writer of postponed) if ((await writer.writeAll()) !== undefined) await writer.divideAll();
  await settle(writers, scope);
  if (isLast) for (const writer of writers) writer.giveUp();
  return writers.map((writer) => writer.outcome);
}

/** Tries what waits again for as long as that gets some of it written; then all at once, each out of the way first. */
async function settle(writers: readonly CarefulTable[], scope: WriteScope): Promise<void> {
  const count = () => writers.reduce((sum, { waiting }) => sum + waiting.length, 0);
  for (let before = count() + 1; count() > 0 && count() < before; ) {
    before = count();
    for (const writer of writers) await writer.again();
  }
  const colliding = writers.flatMap((writer) => writer.colliding());
  if (colliding.length < 2) return;
  const error = await inSavepoint(scope, () => exchange(colliding, scope));
  if (error === undefined) for (const writer of writers) writer.exchanged();
}

interface Waiting {
  readonly state: RowState;
  readonly cause: unknown;
}

/** The part of one table. */
class CarefulTable {
  readonly #part: CarefulPart;
  readonly #scope: WriteScope;
  readonly #refusals: Refusal[] = [];
  #waiting: (readonly Waiting[])[] = [];
  #taken = 0;

  constructor(part: CarefulPart, scope: WriteScope) {
    this.#part = part;
    this.#scope = scope;
  }

  get outcome(): CarefulOutcome {
    const conflicts = this.#waiting.map((states) => states.map(({ state }) => state));
    return { part: this.#part, taken: this.#taken, refusals: this.#refusals, conflicts };
  }

  /** States that wait. */
  get waiting(): readonly Waiting[] {
    return this.#waiting.flat();
  }

  /** Writes the newest states, or nothing; resolves with the error when it is about rows. */
  async writeAll(): Promise<unknown> {
    const { documents } = this.#part;
    if (documents.some(([first]) => first?.row === undefined)) return new Error('one has no row');
    const error = await this.#tryWrite(documents);
    if (error === undefined) this.#taken += documents.length;
    return error;
  }

  /** Writes what the server takes. Deletes first, which make room. */
  async divideAll(): Promise<void> {
    const { documents } = this.#part;
    const isGone = ([first]: DocumentStates) => first?.row !== undefined && isDelete(first.row);
    await this.#divide(documents.filter(isGone));
    await this.#divide(documents.filter((states) => !isGone(states)));
  }

  /** Tries what waits again. */
  async again(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const states of waiting) await this.#place(states.map(({ state }) => state));
  }

  /** Newest states that wait because of another row in an index. */
  colliding(): readonly TableRows[] {
    return this.#waiting.flatMap(([first]) =>
      first?.state.row !== undefined && isUniqueConflict(first.cause) ? [this.#rows([first.state.row])] : [],
    );
  }

  /** What collided is written. */
  exchanged(): void {
    const waiting = this.#waiting.filter(([first]) => !isUniqueConflict(first?.cause));
    this.#taken += this.#waiting.length - waiting.length;
    this.#waiting = waiting;
  }

  async #divide(documents: readonly DocumentStates[]): Promise<void> {
    const [one] = documents;
    if (one === undefined) return;
    if (documents.length === 1) return await this.#place(one);
    const isWhole = documents.every(([first]) => first?.row !== undefined);
    if (isWhole && (await this.#tryWrite(documents)) === undefined) {
      this.#taken += documents.length;
      return;
    }
    const middle = documents.length >> 1;
    await this.#divide(documents.slice(0, middle));
    await this.#divide(documents.slice(middle));
  }

  /** Writes the newest state of a document that the server takes. */
  async #place(states: DocumentStates): Promise<void> {
    const waiting: Waiting[] = [];
    for (const state of states) {
      const { row, change, error: known } = state;
      if (row === undefined) {
        if (known !== undefined) this.#refuse(state, undefined, { envelope: change.envelope, error: known });
        continue;
      }
      const cause = await this.#tryWrite([[state]]);
      if (cause === undefined || (await isObsolete(this.#rows([row]), row, this.#scope))) {
        this.#taken += 1;
        break;
      }
      if (isConflict(cause)) waiting.push({ state, cause });
      else this.#refuse(state, cause, refusedBy(cause, state, this.#part.table));
    }
    if (waiting.length > 0) this.#waiting.push(waiting);
  }

  #refuse(state: RowState, cause: unknown, rejection: Rejection): void {
    this.#refusals.push({ state, cause, rejection });
  }

  /** Refuses what still waits. */
  giveUp(): void {
    for (const { state, cause } of this.waiting) this.#refuse(state, cause, refusedBy(cause, state, this.#part.table));
    this.#waiting = [];
  }

  async #tryWrite(documents: readonly DocumentStates[]): Promise<unknown> {
    const rows = documents.flatMap(([first]) => (first?.row === undefined ? [] : [first.row]));
    const part = this.#rows(rows);
    const error = await inSavepoint(this.#scope, () => writeRows(part, this.#scope));
    if (error === undefined || !rows.every(isDelete)) return error;
    // An empty row may be what is refused.
    return await inSavepoint(this.#scope, () => removeAlone(part, this.#scope));
  }

  #rows(rows: readonly TargetRow[]): TableRows {
    const { table, statements } = this.#part;
    return { table, statements, rows };
  }
}

function refusedBy(cause: unknown, { change }: RowState, { shown }: TargetTable): Rejection {
  return { envelope: change.envelope, error: rowRefused(cause, shown) };
}

/** Runs the work; resolves with the error of the server, which has undone it, when that is about rows. */
export async function inSavepoint({ session, signal }: WriteScope, work: () => Promise<unknown>): Promise<unknown> {
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

/**
 * Rows that have each other's values: all are emptied, then written. They are not deleted meanwhile, because rows of others
 * that refer to them might go with them.
 */
async function exchange(waiting: readonly TableRows[], scope: WriteScope): Promise<void> {
  const { session, signal } = scope;
  for (const { table, rows } of waiting) {
    const values = table.layout.columns.map(({ name }) => `, ${quoteName(name)} = null`).join('');
    const text = `update ${table.path} set document = 'null'${values} where _id = $1 and (_ts, _ord) < ($2::bigint, $3::bigint)`;
    for (const { change } of rows) {
      const { id, version } = change;
      await session.prepared(text, [id, timeText(version), version.ordinal], signal);
    }
  }
  for (const part of waiting) await writeRows(part, scope);
}
