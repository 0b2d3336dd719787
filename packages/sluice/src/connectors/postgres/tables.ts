import type { Namespace } from '../../core/change-event.ts';
import type { Logger } from '../../core/logger.ts';
import { failureUnlessAbort } from './classify.ts';
import type { Session } from './client.ts';
import { ColumnFill } from './column-fill.ts';
import type { ColumnsConfig } from './columns/columns-config.ts';
import type { TargetNames, WantedTable } from './names.ts';
import { PostponedSteps } from './postponed-steps.ts';
import type { StateTables } from './state-tables.ts';
import { type KnownFields, type LayoutRequest, layingOut, TableChanges } from './table-changes.ts';
import type { TableGates } from './table-gates.ts';
import { type Run, TableRegistry } from './table-registry.ts';
import { TableReports } from './table-reports.ts';
import type { TargetTable } from './target-table.ts';

export type { KnownFields } from './table-changes.ts';
export type { TargetTable } from './target-table.ts';

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
  readonly #changes: TableChanges;

  constructor(parts: TablesParts) {
    const { state, logger, now = () => performance.now() } = parts;
    this.#parts = parts;
    this.#registry = new TableRegistry(state);
    this.#postponed = new PostponedSteps(now);
    this.#fill = new ColumnFill({ registry: this.#registry, logger, now });
    this.#reports = new TableReports(logger);
    const [registry, postponed, reports] = [this.#registry, this.#postponed, this.#reports];
    this.#changes = new TableChanges({ columns: parts.columns, registry, postponed, reports });
  }

  /** The table of a collection; undefined when none was made for it, or it is no longer there. */
  async find(session: Session, namespace: Namespace, signal: AbortSignal): Promise<TargetTable | undefined> {
    const run = runner(session, layingOut(namespace), signal);
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
    const before = await this.#registry.find(runner(session, layingOut(namespace), signal), wanted);
    if (before !== undefined) {
      const { plan, due } = this.#changes.dueSteps(before, request);
      if (before.isThere && !before.isChanged && due.length === 0) {
        this.#reports.kept(before.table, plan);
        return this.#settled(before.table, request);
      }
    }
    return await this.#parts.gates.change(gateOf(wanted), async () =>
      this.#settled(await this.#changes.change(request), request),
    );
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

  #settled(table: TargetTable, { known }: LayoutRequest): TargetTable {
    this.#postponed.settle(table.id, known.misfits ?? []);
    const types = new Map((known.learned ?? []).map((field) => [field.path, field.types]));
    this.#fill.take(table, (child, { path }) => {
      const array = table.layout.children.find(({ name }) => name === child)?.path;
      const own = types.get(array === undefined ? path : `${array}[].${path}`);
      return own?.every((type) => type === 'binData' || type === 'null') === true;
    });
    return table;
  }
}

/** By which the gates know the table. */
export function gateOf({ schema, table }: WantedTable): string {
  return `${schema}\0${table}`;
}

function runner(session: Session, what: string, signal: AbortSignal): Run {
  return async (statement) => await session.run('tables', what, statement, signal);
}
