import { DatabaseError } from 'pg';
import type { Logger } from '../../core/logger.ts';
import { failureOf, isSerializationFailure, stateOf } from './classify.ts';
import type { Session } from './client.ts';
import type { Column } from './columns/layout.ts';
import { fillStatements, pageEnd } from './fill-statements.ts';
import type { TableRegistry } from './table-registry.ts';
import type { TargetTable } from './target-table.ts';
import { inTransaction } from './transaction.ts';

/** Rows that one transaction looks at: as many as take about so long, since documents may be large. */
const PAGE_ROWS = { first: 100, least: 10, most: 5_000 };
const PAGE_MS = 20;
/** How long batches may wait for it: once when a column is new, and with each batch after that until all is done. */
const FIRST_MS = 300;
const BATCH_MS = 10;
const LOCK_MS = 1_000;
/** After somebody else had locked rows for that long. */
const PAUSE_MS = 5_000;

interface Fill {
  readonly table: TargetTable;
  readonly statements: readonly string[];
  /** The id up to which it is done. */
  after: string;
  pageRows: number;
  isRunning: boolean;
  budgetMs: number;
  againAt: number;
}

/**
 * Gives new columns and child tables the values of the documents that were there before, a few rows with each batch, so
 * that nobody waits for a large table. What is not done when the process ends begins anew with the next one.
 */
export class ColumnFill {
  readonly #registry: TableRegistry;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #fills = new Map<number, Fill>();

  constructor(parts: { readonly registry: TableRegistry; readonly logger: Logger; readonly now: () => number }) {
    this.#registry = parts.registry;
    this.#logger = parts.logger;
    this.#now = parts.now;
  }

  /** Takes in what is to be filled of the table as it is now. */
  take(table: TargetTable, isBinary: (child: string | undefined, column: Column) => boolean): void {
    const before = this.#fills.get(table.id);
    const statements = fillStatements(table, isBinary);
    if (table.unfilled.length === 0) this.#fills.delete(table.id);
    else if (before === undefined || before.statements.join() !== statements.join()) {
      const fresh = { after: '', pageRows: PAGE_ROWS.first, isRunning: false, budgetMs: FIRST_MS, againAt: 0 };
      this.#fills.set(table.id, { table, statements, ...fresh });
    }
  }

  /** Whether there is something to do for the table now. Cheap. */
  isDue(table: number): boolean {
    const fill = this.#fills.size === 0 ? undefined : this.#fills.get(table);
    return fill !== undefined && !fill.isRunning && fill.againAt <= this.#now();
  }

  /** Goes on for a while; one lane at a time. Only throws when the connection is lost, and aborts. */
  async run(session: Session, table: number, signal: AbortSignal): Promise<void> {
    const fill = this.#fills.get(table);
    if (fill === undefined || fill.isRunning) return;
    fill.isRunning = true;
    try {
      const end = this.#now() + fill.budgetMs;
      fill.budgetMs = BATCH_MS;
      let isDone = fill.statements.length === 0;
      while (!isDone) {
        const from = this.#now();
        isDone = await this.#page(session, fill, signal);
        const now = this.#now();
        fill.pageRows = nextPageRows(fill.pageRows, now - from);
        if (now >= end) break;
      }
      if (isDone) await this.#end(session, fill, signal);
    } catch (error) {
      if (!(error instanceof DatabaseError) || session.isLost) throw error;
      await this.#failed(session, fill, error, signal);
    } finally {
      fill.isRunning = false;
    }
  }

  async #page(session: Session, fill: Fill, signal: AbortSignal): Promise<boolean> {
    const { table, statements, after } = fill;
    return await inTransaction(session, signal, async () => {
      await session.query({ text: `set local lock_timeout = ${LOCK_MS}` }, signal);
      const { rows } = await session.query({ text: pageEnd(table), values: [after, fill.pageRows] }, signal);
      const last: unknown = rows[0]?.['last'];
      if (typeof last !== 'string') return true;
      for (const text of statements) await session.query({ text, values: [after, last] }, signal);
      fill.after = last;
      return false;
    });
  }

  async #end(session: Session, { table }: Fill, signal: AbortSignal): Promise<void> {
    this.#fills.delete(table.id);
    await this.#registry.noteFilled((statement) => session.query(statement, signal), table);
  }

  async #failed(session: Session, fill: Fill, error: DatabaseError, signal: AbortSignal): Promise<void> {
    if (stateOf(error) === '55P03' || isSerializationFailure(error)) {
      fill.againAt = this.#now() + PAUSE_MS;
      return;
    }
    const { table } = fill;
    const reason = failureOf(error, 'tables', `fill new columns of ${table.shown}`).message;
    this.#logger.warn(
      { table: table.shown, reason },
      'new columns stay empty in rows of before until those are written',
    );
    await this.#end(session, fill, signal);
  }
}

function nextPageRows(rows: number, tookMs: number): number {
  return Math.max(PAGE_ROWS.least, Math.min(PAGE_ROWS.most, tookMs > PAGE_MS ? Math.floor(rows / 2) : rows * 2));
}
