import type { Version } from '../../core/change-event.ts';
import { timeText } from './binary-array.ts';
import type { TargetCheckpoints } from './checkpoint-store.ts';
import { failureUnlessAbort } from './classify.ts';
import type { Session, Statement } from './client.ts';
import type { StateTables } from './state-tables.ts';
import type { Tables, TargetTable } from './tables.ts';
import { inTransaction } from './transaction.ts';
import type { PartContext } from './write-batch.ts';

/** Rows that one transaction looks at. */
const PAGE_ROWS = 10_000;

/** What changes of whole tables are made with. */
export interface TableWorkParts {
  readonly state: StateTables;
  readonly tables: Tables;
  readonly checkpoints: TargetCheckpoints | undefined;
}

/** One connection that changes whole tables, in transactions that an older owner cannot commit. */
export class TableWork {
  readonly session: Session;
  readonly parts: TableWorkParts;
  readonly #context: PartContext;

  constructor(session: Session, parts: TableWorkParts, context: PartContext) {
    this.session = session;
    this.parts = parts;
    this.#context = context;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  /** Runs the work in a transaction. Throws classified errors of the phase `write`. */
  async transaction<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const { signal, checkpoint } = this.#context;
    try {
      return await inTransaction(this.session, signal, async () => {
        await this.parts.checkpoints?.ensureOwnedIn(this.session, checkpoint, signal);
        return await work();
      });
    } catch (error) {
      throw failureUnlessAbort(error, 'write', doing, signal);
    }
  }

  /** Runs a statement of the transaction; errors are those of the client library. */
  async query(statement: Statement) {
    this.#context.ensureOwned?.();
    return await this.session.query(statement, this.signal);
  }
}

/**
 * Sees to it that nothing older than the version is or comes into the table. Waits until nobody writes to it: what was
 * written before is seen by the statements behind it, and what is written after it sees the floor (`write-table.ts`).
 */
export async function raiseFloor(work: TableWork, table: TargetTable, version: Version): Promise<void> {
  const { tables } = work.parts.state;
  await work.transaction(`raise the floor of ${table.shown}`, async () => {
    await work.query({ text: `lock table ${table.path} in share row exclusive mode` });
    await work.query({
      text: `update ${tables} set floor_ts = $2, floor_ord = $3
        where id = $1 and (floor_ts is null or (floor_ts, floor_ord) < ($2::bigint, $3::bigint))`,
      values: [table.id, timeText(version), version.ordinal],
    });
  });
}

/** Deletes what is older than the version and raises the floor of the table to it. Can be repeated. */
export async function sweep(work: TableWork, table: TargetTable, version: Version): Promise<number> {
  await raiseFloor(work, table, version);
  let swept = 0;
  for (let last: string | undefined = ''; last !== undefined; ) {
    const page: Page = await work.transaction(`empty ${table.shown}`, () =>
      sweepPage(work, table, version, last ?? ''),
    );
    swept += page.swept;
    last = page.last;
  }
  return swept;
}

interface Page {
  readonly swept: number;
  /** Where the next page begins; undefined behind the last. */
  readonly last: string | undefined;
}

/** Pages go along the primary key, so that each row is looked at once. No id is empty. */
async function sweepPage(work: TableWork, { path }: TargetTable, version: Version, after: string): Promise<Page> {
  const { rows } = await work.query({
    text: `with page as (select _id from ${path} where _id > $1 collate "C" order by _id limit ${PAGE_ROWS}),
      swept as (
        delete from ${path} t using page p where t._id = p._id and (t._ts, t._ord) < ($2::bigint, $3::bigint) returning 1)
      select (select max(_id) from page) as last, (select count(*) from swept) as swept`,
    values: [after, timeText(version), version.ordinal],
  });
  const { last, swept } = rows[0] ?? {};
  return { swept: Number(swept), last: typeof last === 'string' ? last : undefined };
}
