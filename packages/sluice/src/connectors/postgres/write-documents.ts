import { isAbort, SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';
import { carefulPart, conflictsOf, everyState, withoutRefused } from './careful-parts.ts';
import { type CarefulOutcome, type CarefulPart, writeCarefully } from './careful-write.ts';
import type { TargetCheckpoints } from './checkpoint-store.ts';
import { failureOf, isRowRefusal } from './classify.ts';
import type { Session } from './client.ts';
import { allStates, type BatchPlan, type CollectionChanges } from './collapse.ts';
import type { Collections, MadeRows } from './collections.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { DeleteLog } from './delete-log.ts';
import type { DocumentJson } from './document-json.ts';
import { CHANGED } from './error-rules.ts';
import { isLayoutError } from './layout-errors.ts';
import type { TargetNames } from './names.ts';
import { PutAway } from './put-away.ts';
import { RefusalStreaks, takesOwnRows } from './refusal-streaks.ts';
import type { Sessions } from './sessions.ts';
import type { TableGates } from './table-gates.ts';
import { gateOf, type TargetTable } from './tables.ts';
import { inTransaction, inTrial, pauseBefore } from './transaction.ts';
import type { PartContext } from './write-batch.ts';
import { isDelete, LayoutChanged, type WriteScope, writeRows } from './write-table.ts';

/** What documents are written with. */
export interface DocumentWriterParts {
  readonly config: Pick<PostgresSinkConfig, 'attempts'>;
  readonly sessions: Sessions;
  readonly names: TargetNames;
  readonly json: DocumentJson;
  readonly collections: Collections;
  readonly gates: TableGates;
  /** Set with `delivery: exactly-once`. */
  readonly checkpoints: TargetCheckpoints | undefined;
  readonly log: DeleteLog;
}

/** How often rows are made again because somebody else changes the columns meanwhile. */
const MOST_LAYOUTS = 10;
/** Of tables that somebody else has changed; what is wrong after that is not mended by looking again. */
const MOST_REPAIRS = 3;

/** Writes the documents of a batch, with the checkpoint where that is kept with them. */
export class DocumentWriter {
  readonly #parts: DocumentWriterParts;
  readonly #streaks = new RefusalStreaks();

  constructor(parts: DocumentWriterParts) {
    this.#parts = parts;
  }

  /** Writes what is planned; resolves with how many events were rejected. Throws classified errors. */
  async write(plan: BatchPlan, context: PartContext): Promise<number> {
    const { sessions, log } = this.#parts;
    const putAway = new PutAway(context);
    const gates = plan.collections.map(({ namespace }) => gateOf(this.#parts.names.of(namespace)));
    await sessions.use(context.signal, async (session) => {
      await this.#deliver(session, plan, { context, putAway, gates });
      await log.tidy(session, context.signal);
    });
    return putAway.count;
  }

  /** First all at once; when the server refuses some row, again without the rows that it refuses. */
  async #deliver(session: Session, plan: BatchPlan, how: DeliverHow): Promise<void> {
    // Nothing is handed over while a transaction is open: it would hold its locks for that long.
    await this.#handOver(session, plan.rejections, how);
    for (let tries = 1; ; tries++) {
      try {
        const made = await this.#rowsOf(session, plan.collections, how.context);
        if (await this.#writeAll(session, made, how)) return;
        return await this.#writeCarefully(session, plan, how);
      } catch (error) {
        const isChanged = error instanceof LayoutChanged || (isLayoutError(error) && tries < MOST_REPAIRS);
        if (!isChanged) {
          throw isAbort(error, how.context.signal) ? error : failureOf(error, 'write', this.#doing(plan));
        }
        if (tries >= MOST_LAYOUTS) throw changedTooOften(this.#doing(plan));
        for (const { namespace } of plan.collections) this.#parts.collections.forget(namespace);
      }
    }
  }

  async #rowsOf(
    session: Session,
    collections: readonly CollectionChanges[],
    { signal, ensureOwned }: PartContext,
  ): Promise<readonly MadeRows[]> {
    const made: MadeRows[] = [];
    for (const collection of collections) {
      ensureOwned?.();
      made.push(await this.#parts.collections.rowsOf(session, collection, signal));
    }
    return made;
  }

  /** False when some row cannot be written. */
  async #writeAll(session: Session, made: readonly MadeRows[], how: DeliverHow): Promise<boolean> {
    if (made.some(({ rejections }) => rejections.length > 0)) return false;
    const parts = made.filter(({ rows }) => rows.length > 0).toSorted(byTable);
    try {
      await this.#inTransaction(session, how, async (scope) => {
        for (const part of parts) await writeRows(part, scope);
      });
    } catch (error) {
      if (isRowRefusal(error)) return false;
      throw error;
    }
    this.#streaks.end(parts.filter(({ rows }) => !rows.every(isDelete)).map(({ table }) => table));
    return true;
  }

  /**
   * Writes each document with its newest state that the server takes. A transaction that finds rows which are refused is
   * rolled back: they are handed over, then the rest is written.
   */
  async #writeCarefully(session: Session, plan: BatchPlan, how: DeliverHow): Promise<void> {
    // Nobody else can make room in a single lane.
    const most = this.#parts.checkpoints === undefined ? this.#parts.config.attempts : 1;
    let parts = await this.#carefulParts(session, plan, how.context);
    for (let tries = 1; ; ) {
      const { outcomes, isWritten } = await this.#tryCarefully(session, parts, { ...how, isLast: tries >= most });
      if (!isWritten) {
        await this.#putAway(session, outcomes, how);
        parts = withoutRefused(outcomes);
        continue;
      }
      this.#streaks.end(outcomes.filter(({ taken }) => taken > 0).map(({ part }) => part.table));
      parts = conflictsOf(outcomes);
      if (parts.length === 0) return;
      await pauseBefore(++tries, how.context.signal);
    }
  }

  /** All states of the documents, so that an older one is written where a newer one is refused. */
  async #carefulParts(session: Session, plan: BatchPlan, context: PartContext): Promise<readonly CarefulPart[]> {
    const documents = plan.collections.map((collection) => allStates(collection, this.#parts.json));
    const wanted = plan.collections.map((collection, at) => everyState(collection, documents[at] ?? []));
    const made = await this.#rowsOf(session, wanted, context);
    return made.map((rows, at) => carefulPart(documents[at] ?? [], rows)).toSorted(byTable);
  }

  async #tryCarefully(
    session: Session,
    parts: readonly CarefulPart[],
    how: DeliverHow & { readonly isLast: boolean },
  ): Promise<{ readonly outcomes: readonly CarefulOutcome[]; readonly isWritten: boolean }> {
    let outcomes: readonly CarefulOutcome[] = [];
    try {
      await this.#inTransaction(session, how, async (scope) => {
        outcomes = await writeCarefully(parts, scope, how.isLast);
        if (outcomes.some(({ refusals }) => refusals.length > 0)) throw new RowsRefused();
      });
      return { outcomes, isWritten: true };
    } catch (error) {
      if (error instanceof RowsRefused) return { outcomes, isWritten: false };
      throw error;
    }
  }

  async #putAway(session: Session, outcomes: readonly CarefulOutcome[], how: DeliverHow): Promise<void> {
    const { signal, ensureOwned } = how.context;
    for (const outcome of outcomes) {
      await this.#streaks.note(outcome, (table) =>
        inTrial(session, signal, () => takesOwnRows(table, { session, signal, ensureOwned })),
      );
    }
    const rejections = outcomes.flatMap(({ refusals }) => refusals.map(({ rejection }) => rejection));
    await this.#handOver(session, rejections, how);
  }

  /** Hands rejections over unless somebody else owns the pipeline by now. */
  async #handOver(session: Session, rejections: readonly Rejection[], how: DeliverHow): Promise<void> {
    if (rejections.length === 0) return;
    const { ensureOwned, checkpoint, signal } = how.context;
    ensureOwned?.();
    await this.#parts.checkpoints?.ensureOwnedIn(session, checkpoint, signal);
    await how.putAway.handOver(rejections);
  }

  /** Within the gates nothing is waited for that somebody behind them could hold. */
  async #inTransaction(
    session: Session,
    { context, gates }: DeliverHow,
    work: (scope: WriteScope) => Promise<void>,
  ): Promise<void> {
    const { signal, ensureOwned, checkpoint } = context;
    await this.#parts.gates.write(gates, () =>
      inTransaction(session, signal, async () => {
        await work({ session, signal, ensureOwned });
        // It goes last: until then a new owner need not wait for this one.
        await this.#parts.checkpoints?.saveIn(session, checkpoint, signal);
        ensureOwned?.();
      }),
    );
  }

  #doing({ collections }: BatchPlan): string {
    const [first, ...others] = collections.map(({ namespace }) => this.#parts.names.of(namespace));
    const shown = first === undefined ? 'the target' : `${first.schema}.${first.table}`;
    return `write to ${shown}${others.length === 0 ? '' : ` and ${others.length} other tables`}`;
  }
}

interface DeliverHow {
  readonly context: PartContext;
  readonly putAway: PutAway;
  /** Of the tables that the batch is for. */
  readonly gates: readonly string[];
}

/** Rolls the transaction back. */
class RowsRefused extends Error {}

function byTable(a: { readonly table: TargetTable }, b: { readonly table: TargetTable }): number {
  return a.table.id - b.table.id;
}

function changedTooOften(doing: string): SluiceError {
  return new SluiceError(`cannot ${doing}: ${CHANGED.what}, ${MOST_LAYOUTS} times in a row`, {
    kind: CHANGED.kind,
    code: CHANGED.code,
    hint: 'Others change its columns, or its row in the table `tables` is gone. It is tried again.',
  });
}
