import { setTimeout as pause } from 'node:timers/promises';
import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedField } from '../../core/learned-fields.ts';
import { failureUnlessAbort } from './classify.ts';
import type { Session } from './client.ts';
import type { ColumnsConfig } from './columns/columns-config.ts';
import type { LayoutPlan, LayoutStep, TableLayout } from './columns/layout.ts';
import type { Misfit } from './columns/misfits.ts';
import { createTable, layoutStatements, rebindChild } from './layout-ddl.ts';
import { planTable } from './layout-planning.ts';
import { makeSteps, type NotMade, relationOf, shownStep, unfilledBy } from './layout-steps.ts';
import type { WantedTable } from './names.ts';
import type { PostponedSteps } from './postponed-steps.ts';
import { makeSchema, TABLES_LOCK } from './state-tables.ts';
import type { Registered, Run, TableRegistry } from './table-registry.ts';
import type { TableReports } from './table-reports.ts';
import type { TargetTable, Unfilled } from './target-table.ts';
import { inTransaction } from './transaction.ts';

/**
 * How long a change waits for a lock on its table, in tries with pauses between them. Whoever comes meanwhile, readers too,
 * has to wait behind it, so each try is short; and a table that is in use for longer than all of them is changed later.
 */
const LOCK_TRIES_MS = [50, 100, 200, 400] as const;

/** One process at a time changes a table. Two numbers: apart from the lock for names. */
const TABLE_LOCK = `select pg_advisory_xact_lock(x'736c7563'::int, hashtext($1))`;

/** Transactions for one table, each with a step at least. More are only needed when others undo what is done. */
const MOST_ROUNDS = 2_000;

/** What is known of the documents that a table is for. */
export interface KnownFields {
  readonly learned?: readonly LearnedField[] | undefined;
  readonly validator?: readonly LearnedField[] | undefined;
  readonly misfits?: readonly Misfit[] | undefined;
  /** Columns that it is to have in any case: those of a table whose rows come into it. */
  readonly like?: TableLayout | undefined;
}

/** What is asked of a table. */
export interface LayoutRequest {
  readonly session: Session;
  readonly namespace: Namespace;
  readonly wanted: WantedTable;
  readonly known: KnownFields;
  readonly signal: AbortSignal;
}

/** What tables are changed with. */
export interface TableChangesParts {
  readonly columns: ColumnsConfig;
  readonly registry: TableRegistry;
  readonly postponed: PostponedSteps;
  readonly reports: TableReports;
}

/** What one transaction has done. */
interface Change {
  readonly table: TargetTable;
  readonly busy: readonly NotMade[];
  /** Whether there may be more to do. */
  readonly isMore: boolean;
}

/** Makes tables and changes their columns, as far as the server lets it; what has to wait is noted. */
export class TableChanges {
  readonly #parts: TableChangesParts;

  constructor(parts: TableChangesParts) {
    this.#parts = parts;
  }

  /** What has to be done now so that the table is as it is wanted. Throws `config` when it was asked to stop instead. */
  dueSteps(
    before: Registered,
    request: LayoutRequest,
  ): { readonly plan: LayoutPlan; readonly due: readonly LayoutStep[] } {
    const plan = this.#plan(before, this.#withPostponed(request, before.table.id));
    return { plan, due: this.#due(before.table, plan) };
  }

  /** The table as it is after the change. Nobody else in this process may use it meanwhile. Throws classified errors. */
  async change(request: LayoutRequest): Promise<TargetTable> {
    const { namespace, signal } = request;
    for (let [rounds, tries] = [0, 0]; ; rounds++) {
      if (rounds > MOST_ROUNDS) throw changedByOthers(namespace);
      const change = await this.#inTransaction(request, () => this.#changeOnce(request, LOCK_TRIES_MS[tries] ?? 0));
      const { table, busy, isMore } = change;
      if (busy.length === 0 && !isMore) return table;
      if (busy.length === 0) continue;
      tries += 1;
      if (tries < LOCK_TRIES_MS.length) {
        await pauseFor(LOCK_TRIES_MS[tries] ?? 0, signal);
        continue;
      }
      for (const one of busy) {
        if (this.#parts.postponed.busy(table.id, one.relation)) this.#parts.reports.busy(table, one, namespace);
      }
      tries = 0;
    }
  }

  /** Makes the table, or what may be done together: all that is new, or one change of a type, which may rewrite the table. */
  async #changeOnce(request: LayoutRequest, lockMs: number): Promise<Change> {
    const { session, wanted, signal } = request;
    const run: Run = async (statement) => await session.query(statement, signal);
    await run({ text: `select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)` });
    await run({ text: TABLE_LOCK, values: [`${wanted.schema}.${wanted.table}`], isUnbounded: true });
    const found = await this.#parts.registry.find(run, wanted);
    const isNew = found === undefined;
    const before = found ?? (await this.#register(request, run));
    const { table, isThere } = before;
    if (!isThere) await this.#make(request, run, before);
    if (!isThere && !isNew) this.#parts.reports.madeAgain(table);
    const plan = await this.#planWithNames(before, request, { isNew, run });
    const due = this.#due(table, plan);
    const news = due.filter(({ kind }) => kind !== 'widen');
    const steps = news.length > 0 ? news : due.slice(0, 1);
    const outcome = await makeSteps(session, table, steps, { lockMs, signal });
    for (const one of outcome.refused) {
      if (this.#parts.postponed.refused(table.id, one.relation, one.step)) this.#parts.reports.refused(table, one);
    }
    if (outcome.busy.length === 0) this.#parts.reports.kept(table, plan);
    const isMore = due.length > steps.length;
    if (outcome.made.length === 0 && !before.isChanged) return { table, busy: outcome.busy, isMore };
    this.#parts.reports.changed(table, outcome.made.map(shownStep), before.isChanged);
    // A table that was just made has no rows that would lack anything.
    const isEmpty = !isThere;
    const unfilled = isEmpty ? [] : [...table.unfilled, ...outcome.made.flatMap(unfilledBy)];
    const saved = await this.#parts.registry.save(run, table, outcome.layout, distinct(unfilled));
    return { table: saved, busy: outcome.busy, isMore };
  }

  async #register({ session, wanted, signal }: LayoutRequest, run: Run): Promise<Registered> {
    await run({ text: TABLES_LOCK, isUnbounded: true });
    const registered = await this.#parts.registry.register(run, wanted);
    await makeSchema(session, registered.table.schema, signal);
    this.#parts.reports.registered(registered, wanted);
    return registered;
  }

  /** Everything that is noted of the table; there is nothing else of its name. */
  async #make({ session, signal }: LayoutRequest, run: Run, { table, relations }: Registered): Promise<void> {
    await makeSchema(session, table.schema, signal);
    const left = table.layout.children.filter(({ name }) => relations.has(name));
    const bound = left.flatMap(({ name }) => rebindChild(table, name));
    for (const text of [createTable(table), ...bound, ...layoutStatements(table, table.layout)]) await run({ text });
  }

  /** Names of child tables are chosen when nobody else chooses any. */
  async #planWithNames(before: Registered, request: LayoutRequest, { isNew, run }: Planning): Promise<LayoutPlan> {
    const complete = this.#withPostponed(request, before.table.id);
    const plan = this.#plan(before, complete, { isNew });
    if (!plan.steps.some(({ kind }) => kind === 'add-child-table')) return plan;
    await run({ text: TABLES_LOCK, isUnbounded: true });
    const taken = await this.#parts.registry.takenNames(run, before.table);
    return this.#plan(before, complete, { isNew, isTaken: (name) => taken.has(name) });
  }

  #plan(
    before: Registered,
    { namespace, known }: LayoutRequest,
    how: Parameters<typeof planTable>[2] = {},
  ): LayoutPlan {
    const plan = planTable(before, { ...known, namespace, config: this.#parts.columns }, how);
    if (plan.stop !== undefined) throw plan.stop;
    return plan;
  }

  #due(table: TargetTable, { steps }: LayoutPlan): readonly LayoutStep[] {
    return steps.filter((step) => !this.#parts.postponed.isHeld(table.id, relationOf(table.name, step), step));
  }

  /** Values that once wanted a change come again with it. */
  #withPostponed(request: LayoutRequest, table: number): LayoutRequest {
    const waiting = this.#parts.postponed.isDue(table) ? this.#parts.postponed.misfits(table) : [];
    if (waiting.length === 0) return request;
    const { known } = request;
    return { ...request, known: { ...known, misfits: [...(known.misfits ?? []), ...waiting] } };
  }

  async #inTransaction<T>({ session, namespace, signal }: LayoutRequest, work: () => Promise<T>): Promise<T> {
    try {
      return await inTransaction(session, signal, work);
    } catch (error) {
      throw failureUnlessAbort(error, 'tables', layingOut(namespace), signal);
    }
  }
}

interface Planning {
  readonly isNew: boolean;
  readonly run: Run;
}

function changedByOthers(namespace: Namespace): SluiceError {
  return new SluiceError(`the table of ${formatNamespace(namespace)} is changed again and again by others`, {
    kind: 'transient',
    code: 'postgres.table-changed',
    hint: 'Find out who changes the table, or the schema of Sluice, at the same time. It is tried again.',
  });
}

/** For messages. */
export function layingOut(namespace: Namespace): string {
  return `lay out the table of ${formatNamespace(namespace)}`;
}

function distinct(unfilled: readonly Unfilled[]): readonly Unfilled[] {
  return [...new Map(unfilled.map((one) => [JSON.stringify(one), one])).values()];
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
