import type { TargetCheckpoints } from './checkpoint-store.ts';
import { failureUnlessAbort, isRowRefusal } from './classify.ts';
import type { Session, Statement } from './client.ts';
import type { StateTables } from './state-tables.ts';
import type { Tables } from './tables.ts';
import { inTransaction } from './transaction.ts';
import type { PartContext } from './write-batch.ts';

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

  /**
   * Runs the work in a transaction. Where the server refuses a row of it, `carefully` is run instead in another one, in which
   * everything is checked at once. Throws classified errors of the phase `write`.
   */
  async transaction<T>(doing: string, work: () => Promise<T>, carefully?: () => Promise<T>): Promise<T> {
    try {
      try {
        return await this.#once(work);
      } catch (error) {
        if (carefully === undefined || !isRowRefusal(error)) throw error;
      }
      return await this.#once(async () => {
        await this.query({ text: 'set constraints all immediate' });
        return await carefully();
      });
    } catch (error) {
      throw failureUnlessAbort(error, 'write', doing, this.signal);
    }
  }

  /** The owner is asked for last: batches too take the row of the checkpoint after those of the tables. */
  async #once<T>(work: () => Promise<T>): Promise<T> {
    const { signal, checkpoint } = this.#context;
    return await inTransaction(this.session, signal, async () => {
      const result = await work();
      await this.parts.checkpoints?.ensureOwnedIn(this.session, checkpoint, signal);
      return result;
    });
  }

  /** Runs a statement of the transaction; errors are those of the client library. */
  async query(statement: Statement) {
    this.#context.ensureOwned?.();
    return await this.session.query(statement, this.signal);
  }
}
