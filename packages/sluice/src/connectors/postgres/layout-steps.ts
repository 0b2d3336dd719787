import { DatabaseError } from 'pg';
import { failureOf, stateOf } from './classify.ts';
import type { Session } from './client.ts';
import type { LayoutStep, TableLayout } from './columns/layout.ts';
import { stepStatements } from './layout-ddl.ts';
import type { TableNames, Unfilled } from './target-table.ts';

/** A step that the server did not take. */
export interface NotMade {
  readonly step: LayoutStep;
  readonly relation: string;
  /** Without contents of documents. */
  readonly reason: string;
  readonly hint: string;
}

/** What came of steps. */
export interface StepsOutcome {
  /** With the steps that were made. */
  readonly layout: TableLayout;
  readonly made: readonly LayoutStep[];
  readonly refused: readonly NotMade[];
  /** For which there was no lock to be had. */
  readonly busy: readonly NotMade[];
}

/** Waiting for a lock has ended: by the limit, by a deadlock. */
const BUSY_STATES = new Set(['55P03', '40P01']);

/**
 * Makes the steps within the transaction that is open, each on its own: one that is refused leaves the others and the
 * transaction as they are. Waits `lockMs` for a lock, and only once for each relation. Throws errors of a lost connection.
 */
export async function makeSteps(
  session: Session,
  table: TableNames & { readonly layout: TableLayout },
  steps: readonly LayoutStep[],
  { lockMs, signal }: { readonly lockMs: number; readonly signal: AbortSignal },
): Promise<StepsOutcome> {
  let { layout } = table;
  const made: LayoutStep[] = [];
  const refused: NotMade[] = [];
  const busy: NotMade[] = [];
  const run = (text: string) => session.query({ text, isUnbounded: true }, signal);
  await run(`set local lock_timeout = ${lockMs}`);
  for (const step of steps) {
    const relation = relationOf(table.name, step);
    if (busy.some((other) => other.relation === relation)) continue;
    await run('savepoint step');
    try {
      for (const text of stepStatements(table, step)) await run(text);
      await run('release savepoint step');
      layout = withStep(layout, step);
      made.push(step);
    } catch (error) {
      // Whatever the server has against it: without it the documents are written all the same.
      if (!(error instanceof DatabaseError) || session.isLost) throw error;
      await run('rollback to savepoint step');
      const notMade = { step, relation, ...reasonOf(error, table.shown, step) };
      (BUSY_STATES.has(stateOf(error) ?? '') ? busy : refused).push(notMade);
    }
  }
  await run('set local lock_timeout = 0');
  return { layout, made, refused, busy };
}

/** The relation that a step needs a lock on. */
export function relationOf(table: string, step: LayoutStep): string {
  return step.kind === 'add-child-table' ? table : (step.child ?? table);
}

/** What of the table does not have values of the documents that are there, after a step. */
export function unfilledBy(step: LayoutStep): readonly Unfilled[] {
  if (step.kind === 'widen') return [];
  if (step.kind === 'add-child-table') return [{ child: step.table.name }];
  return [{ ...(step.child !== undefined && { child: step.child }), column: step.column.name }];
}

/** For messages. */
export function shownStep(step: LayoutStep): string {
  if (step.kind === 'add-child-table') return `new table ${step.table.name}`;
  const name = `${step.child === undefined ? '' : `${step.child}.`}${step.column.name}`;
  return step.kind === 'widen' ? `${name} ${step.from} → ${step.to}` : `new column ${name} ${step.column.type}`;
}

function withStep({ columns, children }: TableLayout, step: LayoutStep): TableLayout {
  if (step.kind === 'add-child-table') return { columns, children: [...children, step.table] };
  const changed = (own: TableLayout['columns']) =>
    own.some(({ path }) => path === step.column.path)
      ? own.map((column) => (column.path === step.column.path ? step.column : column))
      : [...own, step.column];
  if (step.child === undefined) return { columns: changed(columns), children };
  return {
    columns,
    children: children.map((child) =>
      child.name === step.child ? { ...child, columns: changed(child.columns) } : child,
    ),
  };
}

function reasonOf(error: DatabaseError, shown: string, step: LayoutStep): Pick<NotMade, 'reason' | 'hint'> {
  const reason = failureOf(error, 'tables', `change ${shown} (${shownStep(step)})`).message;
  return { reason, hint: hintOf(error.code ?? '') };
}

function hintOf(state: string): string {
  if (BUSY_STATES.has(state)) return 'Look for long transactions on the table: pg_locks, pg_stat_activity.';
  if (state === '42501') return 'Make the user of Sluice the owner of the table, or make the change as its owner.';
  if (state === '54011') return 'Lower `columns.most` or exclude fields: the table has no room for another column.';
  return 'Something of yours uses the column (a view, a rule, a generated column, a constraint, a trigger, a policy, a publication): drop it, let Sluice make the change, and create it again; or make the change yourself.';
}
