import { setTimeout as pause } from 'node:timers/promises';
import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedField } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import { failureUnlessAbort } from './classify.ts';
import type { Session, Statement } from './client.ts';
import { ColumnFill } from './column-fill.ts';
import type { ColumnsConfig } from './columns/columns-config.ts';
import type { LayoutPlan, LayoutStep, TableLayout } from './columns/layout.ts';
import type { Misfit } from './columns/misfits.ts';
import { createTable, layoutStatements } from './layout-ddl.ts';
import { planTable } from './layout-planning.ts';
import { makeSteps, type NotMade, relationOf, shownStep, unfilledBy } from './layout-steps.ts';
import type { TargetNames, WantedTable } from './names.ts';
import { PostponedSteps } from './postponed-steps.ts';
import { makeSchema, type StateTables, TABLES_LOCK } from './state-tables.ts';
import type { TableGates } from './table-gates.ts';
import { type Registered, type Run, TableRegistry } from './table-registry.ts';
import { TableReports } from './table-reports.ts';
import type { TargetTable, Unfilled } from './target-table.ts';
import { inTransaction } from './transaction.ts';

export type { TargetTable } from './target-table.ts';

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

/** What tables are made with. */
export interface TablesParts {
  readonly state: StateTables;
  readonly names: TargetNames;
  readonly columns: ColumnsConfig;
  readonly gates: TableGates;
  readonly logger: Logger;
  /** Milliseconds that never go back. */
  readonly now?: (() => number) | undefined;
}

/** What is asked of a table. */
interface Request {
  readonly session: Session;
  readonly namespace: Namespace;
  readonly wanted: WantedTable;
  readonly known: KnownFields;
  readonly signal: AbortSignal;
}

/** What one transaction has done. */
interface Change {
  readonly table: TargetTable;
  readonly busy: readonly NotMade[];
  /** Whether there may be more to do. */
  readonly isMore: boolean;
}

/**
 * The registry of tables: which table a collection has, and what columns it has. Changes are made under a lock that all
 * processes take, and find what others have done before. One that cannot be made now, because the server refuses it or
 * others use the table, never stops anything: it is tried again later, and the values stay in `document` until then.
 */
export class Tables {
  readonly #parts: TablesParts;
  readonly #registry: TableRegistry;
  readonly #postponed: PostponedSteps;
  readonly #fill: ColumnFill;
  readonly #reports: TableReports;

  constructor(parts: TablesParts) {
    const { state, logger, now = () => performance.now() } = parts;
    this.#parts = parts;
    this.#registry = new TableRegistry(state);
    this.#postponed = new PostponedSteps(now);
    this.#fill = new ColumnFill({ registry: this.#registry, logger, now });
    this.#reports = new TableReports(logger);
  }

  /** The table of a collection; undefined when none was made for it, or it is no longer there. */
  async find(session: Session, namespace: Namespace, signal: AbortSignal): Promise<TargetTable | undefined> {
    const run = runner(session, doing(namespace), signal);
    const found = await this.#registry.find(run, this.#parts.names.of(namespace));
    return found?.isThere === true ? found.table : undefined;
  }

  /**
   * The table of a collection, made or changed to be as the settings and what is known of the documents want it, as far as
   * the server lets it. Throws `config` when it was asked to stop at changes of the documents, or something else has taken
   * the place of the table.
   */
  async layOut(session: Session, namespace: Namespace, known: KnownFields, signal: AbortSignal): Promise<TargetTable> {
    const wanted = this.#parts.names.of(namespace);
    const request = { session, namespace, wanted, known, signal };
    const before = await this.#registry.find(runner(session, doing(namespace), signal), wanted);
    if (before !== undefined) {
      const plan = this.#plan(before, this.#withPostponed(request, before.table.id));
      if (before.isThere && !before.isChanged && this.#dueSteps(before.table, plan).length === 0) {
        this.#reports.kept(before.table, plan);
        return this.#settled(before.table, request);
      }
    }
    return await this.#parts.gates.change(gateOf(wanted), () => this.#change(request));
  }

  /** Whether something of the table is to be tried again by `layOut`. Cheap. */
  isDue(table: number): boolean {
    return this.#postponed.isDue(table);
  }

  /** Goes on with what new columns of the table lack, for a moment. Must be called outside of a transaction. Cheap when there is nothing. */
  async fill(session: Session, table: number, signal: AbortSignal): Promise<void> {
    if (!this.#fill.isDue(table)) return;
    try {
      await this.#fill.run(session, table, signal);
    } catch (error) {
      throw failureUnlessAbort(error, 'tables', 'fill new columns', signal);
    }
  }

  async #change(request: Request): Promise<TargetTable> {
    const { namespace, signal } = request;
    for (let [rounds, tries] = [0, 0]; ; rounds++) {
      if (rounds > MOST_ROUNDS) throw changedByOthers(namespace);
      const change = await this.#inTransaction(request, () => this.#changeOnce(request, LOCK_TRIES_MS[tries] ?? 0));
      const { table, busy, isMore } = change;
      if (busy.length === 0 && !isMore) return this.#settled(table, request);
      if (busy.length === 0) continue;
      tries += 1;
      if (tries < LOCK_TRIES_MS.length) {
        await pauseFor(LOCK_TRIES_MS[tries] ?? 0, signal);
        continue;
      }
      for (const one of busy) {
        if (this.#postponed.busy(table.id, one.relation)) this.#reports.busy(table, one, namespace);
      }
      tries = 0;
    }
  }

  /** Makes the table, or what may be done together: all that is new, or one change of a type, which may rewrite the table. */
  async #changeOnce(request: Request, lockMs: number): Promise<Change> {
    const { session, wanted, signal } = request;
    const run: Run = async (statement) => await session.query(statement, signal);
    await run({ text: `select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)` });
    await run({ text: TABLE_LOCK, values: [gateOf(wanted).replace('\0', '.')], isUnbounded: true });
    const found = await this.#registry.find(run, wanted);
    const isNew = found === undefined;
    const before = found ?? (await this.#register(request, run));
    const { table, isThere } = before;
    if (!isThere) await this.#make(request, run, table);
    const plan = await this.#planWithNames(before, request, { isNew, run });
    const due = this.#dueSteps(table, plan);
    const news = due.filter(({ kind }) => kind !== 'widen');
    const steps = news.length > 0 ? news : due.slice(0, 1);
    const outcome = await makeSteps(session, table, steps, { lockMs, signal });
    for (const one of outcome.refused) {
      if (this.#postponed.refused(table.id, one.relation, one.step)) this.#reports.refused(table, one);
    }
    if (outcome.busy.length === 0) this.#reports.kept(table, plan);
    const isMore = due.length > steps.length;
    if (outcome.made.length === 0 && !before.isChanged) return { table, busy: outcome.busy, isMore };
    this.#reports.changed(table, outcome.made.map(shownStep), before.isChanged);
    // A table that was just made has no rows that would lack anything.
    const isEmpty = !isThere;
    const unfilled = isEmpty ? [] : [...table.unfilled, ...outcome.made.flatMap(unfilledBy)];
    const saved = await this.#registry.save(run, table, outcome.layout, distinct(unfilled));
    return { table: saved, busy: outcome.busy, isMore };
  }

  async #register({ session, wanted, signal }: Request, run: Run): Promise<Registered> {
    await run({ text: TABLES_LOCK, isUnbounded: true });
    const registered = await this.#registry.register(run, wanted);
    await makeSchema(session, registered.table.schema, signal);
    this.#reports.registered(registered, wanted);
    return registered;
  }

  /** Everything that is noted of the table; there is nothing else of its name. */
  async #make({ session, signal }: Request, run: Run, table: TargetTable): Promise<void> {
    await makeSchema(session, table.schema, signal);
    for (const text of [createTable(table), ...layoutStatements(table, table.layout)]) await run({ text });
  }

  /** Names of child tables are chosen when nobody else chooses any. */
  async #planWithNames(before: Registered, request: Request, { isNew, run }: Planning): Promise<LayoutPlan> {
    const complete = this.#withPostponed(request, before.table.id);
    const plan = this.#plan(before, complete, { isNew });
    if (!plan.steps.some(({ kind }) => kind === 'add-child-table')) return plan;
    await run({ text: TABLES_LOCK, isUnbounded: true });
    const taken = await this.#registry.takenNames(run, before.table.schema);
    return this.#plan(before, complete, { isNew, isTaken: (name) => taken.has(name) });
  }

  #plan(before: Registered, { namespace, known }: Request, how: Parameters<typeof planTable>[2] = {}): LayoutPlan {
    const plan = planTable(before, { ...known, namespace, config: this.#parts.columns }, how);
    if (plan.stop !== undefined) throw plan.stop;
    return plan;
  }

  #dueSteps(table: TargetTable, { steps }: LayoutPlan): readonly LayoutStep[] {
    return steps.filter((step) => !this.#postponed.isHeld(table.id, relationOf(table.name, step), step));
  }

  /** Values that once wanted a change come again with it. */
  #withPostponed(request: Request, table: number): Request {
    const waiting = this.#postponed.isDue(table) ? this.#postponed.misfits(table) : [];
    if (waiting.length === 0) return request;
    const { known } = request;
    return { ...request, known: { ...known, misfits: [...(known.misfits ?? []), ...waiting] } };
  }

  #settled(table: TargetTable, { known }: Request): TargetTable {
    this.#postponed.settle(table.id, known.misfits ?? []);
    const types = new Map((known.learned ?? []).map((field) => [field.path, field.types]));
    this.#fill.take(table, (child, { path }) => {
      const array = table.layout.children.find(({ name }) => name === child)?.path;
      const own = types.get(array === undefined ? path : `${array}[].${path}`);
      return own?.every((type) => type === 'binData' || type === 'null') === true;
    });
    return table;
  }

  async #inTransaction<T>({ session, namespace, signal }: Request, work: () => Promise<T>): Promise<T> {
    try {
      return await inTransaction(session, signal, work);
    } catch (error) {
      throw failureUnlessAbort(error, 'tables', doing(namespace), signal);
    }
  }
}

interface Planning {
  readonly isNew: boolean;
  readonly run: Run;
}

/** By which the gates know the table. */
export function gateOf({ schema, table }: WantedTable): string {
  return `${schema}\0${table}`;
}

function changedByOthers(namespace: Namespace): SluiceError {
  return new SluiceError(`the table of ${formatNamespace(namespace)} is changed again and again by others`, {
    kind: 'transient',
    code: 'postgres.table-changed',
    hint: 'Find out who changes the table, or the schema of Sluice, at the same time. It is tried again.',
  });
}

function doing(namespace: Namespace): string {
  return `lay out the table of ${formatNamespace(namespace)}`;
}

function runner(session: Session, what: string, signal: AbortSignal): Run {
  return async (statement: Statement) => await session.run('tables', what, statement, signal);
}

function distinct(unfilled: readonly Unfilled[]): readonly Unfilled[] {
  return [...new Map(unfilled.map((one) => [JSON.stringify(one), one])).values()];
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
