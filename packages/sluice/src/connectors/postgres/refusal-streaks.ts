import { SluiceError } from '../../core/failure.ts';
import { type CarefulOutcome, inSavepoint, type Refusal } from './careful-write.ts';
import { isTableRefusal } from './classify.ts';
import { quoteName } from './names.ts';
import type { TargetTable } from './tables.ts';
import type { WriteScope } from './write-table.ts';

/** So many documents in a row are refused before the table is suspected. */
const SUSPICIOUS = 100;
/** Rows of the table that are tried then, at each end. */
const SAMPLE_ROWS = 5;

/**
 * Tells a mistake in a table from documents that it does not take. A constraint or trigger may refuse any number of
 * documents, which are dead letters. But when it has refused many in a row, and takes none of the rows either that it
 * already holds, no document of the collection can be written: then they are not to end as dead letters all.
 */
export class RefusalStreaks {
  readonly #streaks = new Map<number, number>();

  /** Notes that tables have taken documents. */
  end(tables: readonly TargetTable[]): void {
    if (this.#streaks.size > 0) for (const { id } of tables) this.#streaks.delete(id);
  }

  /** Notes what became of the documents of a table. Throws `config` when it takes none at all; writes nothing. */
  async note({ part: { table }, taken, refusals }: CarefulOutcome, probe: Probe): Promise<void> {
    if (taken > 0) return this.end([table]);
    const [last, ...others] = refusals.filter(({ cause }) => isTableRefusal(cause)).toReversed();
    if (last === undefined) return;
    const streak = (this.#streaks.get(table.id) ?? 0) + 1 + others.length;
    this.#streaks.set(table.id, streak);
    if (streak < SUSPICIOUS) return;
    if (!(await probe(table))) throw nothingTaken(table, last, streak);
    this.end([table]);
  }
}

/** Whether the table takes some row. */
export type Probe = (table: TargetTable) => Promise<boolean>;

/**
 * Whether the table would take one of the rows that it holds. Constraints and triggers look at a row before it is found to
 * be there already, so nothing is written; what triggers do is for the caller to roll back.
 */
export async function takesOwnRows({ path, layout }: TargetTable, scope: WriteScope): Promise<boolean> {
  const { session, signal } = scope;
  const ends = ['asc', 'desc'].map((order) => `(select _id from ${path} order by _id ${order} limit ${SAMPLE_ROWS})`);
  const { rows } = await session.query({ text: ends.join(' union ') }, signal);
  const names = ['_id', 'document', '_ts', '_ord', ...layout.columns.map(({ name }) => quoteName(name))].join(', ');
  const text = `insert into ${path} (${names}) select ${names} from ${path} where _id = $1 on conflict (_id) do nothing`;
  for (const { _id } of rows) {
    const again = { text, values: [String(_id)] };
    if ((await inSavepoint(scope, () => session.query(again, signal))) === undefined) return true;
  }
  return false;
}

function nothingTaken({ shown }: TargetTable, { rejection }: Refusal, count: number): SluiceError {
  const what = `the table ${shown} has refused ${count} documents in a row and would not take its own rows either`;
  return new SluiceError(`${what}: ${rejection.error.message}`, {
    kind: 'config',
    code: 'postgres.every-row-refused',
    hint: `Look at the constraints and triggers of ${shown}, and for columns of yours that must not be null; then start again.`,
  });
}
