import { isDataOperation } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { Envelope } from '../../core/envelope.ts';
import { isAbort } from '../../core/failure.ts';
import type { Rejection, WriteContext, WriteResult } from '../../core/sink.ts';
import { conflictRejections, writeCarefully } from './careful-write.ts';
import type { TargetCheckpoints } from './checkpoint-store.ts';
import { failureOf, isRowRefusal } from './classify.ts';
import type { Session } from './client.ts';
import { type BatchPlan, collapse } from './collapse.ts';
import type { Collections, MadeRows } from './collections.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { DeleteLog } from './delete-log.ts';
import type { TargetNames } from './names.ts';
import { PutAway } from './put-away.ts';
import type { Sessions } from './sessions.ts';
import { inTransaction, pauseBefore } from './transaction.ts';
import { LayoutChanged, type TableRows, type WriteScope, writeRows } from './write-table.ts';

/** What a part of a batch is written with. */
export type PartContext = Pick<WriteContext, 'checkpoint' | 'reject' | 'ensureOwned' | 'signal'>;

/** Does what an event asks for that is about no single document. */
export type ApplyOther = (envelope: Envelope, context: PartContext) => Promise<'applied' | 'ignored'>;

/** What batches are written with. */
export interface BatchWriterParts {
  readonly config: Pick<PostgresSinkConfig, 'missingDocument' | 'attempts'>;
  readonly sessions: Sessions;
  readonly names: TargetNames;
  readonly collections: Collections;
  readonly applyOther: ApplyOther;
  /** Set with `delivery: exactly-once`. */
  readonly checkpoints: TargetCheckpoints | undefined;
  readonly log: DeleteLog;
}

/** How often rows are made again because somebody else changes the columns meanwhile. */
const MOST_LAYOUTS = 10;

/** Writes batches: the documents between two other events together, those events alone. */
export class BatchWriter {
  readonly #parts: BatchWriterParts;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: BatchWriterParts) {
    this.#parts = parts;
  }

  /** As `Sink.write`. */
  async write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      context.signal.throwIfAborted();
      return await this.#write(batch, context);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    let filtered = 0;
    let rejected = 0;
    for (const part of partsOf(batch)) {
      const own = { ...context, checkpoint: checkpointBehind(part, batch, context.checkpoint) };
      const [first] = part;
      if (first !== undefined && !isDataOperation(first.event.op)) {
        if ((await this.#writeOther(first, own)) === 'ignored') filtered += 1;
        continue;
      }
      rejected += await this.#writeDocuments(part, own);
    }
    return { delivered: batch.length - filtered - rejected, filtered };
  }

  /** It may need several transactions, so it is done again when the checkpoint behind it was not saved. */
  async #writeOther(envelope: Envelope, context: PartContext): Promise<'applied' | 'ignored'> {
    const outcome = await this.#parts.applyOther(envelope, context);
    await this.#parts.checkpoints?.save(context.checkpoint, context.signal);
    return outcome;
  }

  async #writeDocuments(part: readonly Envelope[], context: PartContext): Promise<number> {
    const { names, sessions, config, log } = this.#parts;
    const plan = collapse(part, { names, missingDocument: config.missingDocument });
    const putAway = new PutAway(context);
    await sessions.use(context.signal, async (session) => {
      await this.#deliver(session, plan, { context, putAway });
      await log.tidy(session, context.signal);
    });
    return putAway.count;
  }

  async #deliver(session: Session, plan: BatchPlan, how: DeliverHow): Promise<void> {
    for (let tries = 1; ; tries++) {
      const made = await this.#rowsOf(session, plan, how.context);
      const rejections = [...plan.rejections, ...made.flatMap((part) => part.rejections)];
      const parts = made.filter(({ rows }) => rows.length > 0).toSorted((a, b) => a.table.id - b.table.id);
      try {
        return await this.#writeParts(session, parts, { ...how, rejections });
      } catch (error) {
        if (!(error instanceof LayoutChanged) || tries >= MOST_LAYOUTS) {
          throw isAbort(error, how.context.signal) ? error : failureOf(error, 'write', doingOf(parts));
        }
        for (const { namespace } of plan.collections) this.#parts.collections.forget(namespace);
      }
    }
  }

  async #rowsOf(session: Session, plan: BatchPlan, { signal, ensureOwned }: PartContext): Promise<readonly MadeRows[]> {
    const made: MadeRows[] = [];
    for (const collection of plan.collections) {
      ensureOwned?.();
      made.push(await this.#parts.collections.rowsOf(session, collection, signal));
    }
    return made;
  }

  /** First all at once; when the server refuses some row, again without the rows that it refuses. */
  async #writeParts(session: Session, parts: readonly TableRows[], how: DeliverHow & Rejected): Promise<void> {
    try {
      return await this.#inTransaction(session, how, async (scope) => {
        for (const part of parts) await writeRows(part, scope);
        return how.rejections;
      });
    } catch (error) {
      if (!isRowRefusal(error)) throw error;
    }
    const { attempts } = this.#parts.config;
    // Nobody else can make room in a single lane.
    const most = this.#parts.checkpoints === undefined ? attempts : 1;
    let waiting = parts;
    for (let tries = 1; waiting.length > 0; tries++) {
      let conflicts: readonly TableRows[] = [];
      await this.#inTransaction(session, how, async (scope) => {
        const outcome = await writeCarefully(waiting, scope);
        conflicts = outcome.conflicts;
        const final = tries >= most ? conflictRejections(conflicts) : [];
        return [...how.rejections, ...outcome.rejections, ...final];
      });
      if (tries >= most) return;
      waiting = conflicts;
      if (waiting.length > 0) await pauseBefore(tries + 1, how.context.signal);
    }
  }

  /** `work` resolves with what is rejected. The checkpoint goes last: until then a new owner need not wait for this one. */
  async #inTransaction(
    session: Session,
    { context, putAway }: DeliverHow,
    work: (scope: WriteScope) => Promise<readonly Rejection[]>,
  ): Promise<void> {
    const { signal, ensureOwned, checkpoint } = context;
    await inTransaction(session, signal, async () => {
      const rejections = await work({ session, signal, ensureOwned });
      await this.#parts.checkpoints?.saveIn(session, checkpoint, signal);
      await putAway.handOver(rejections);
      ensureOwned?.();
    });
  }
}

interface DeliverHow {
  readonly context: PartContext;
  readonly putAway: PutAway;
}

interface Rejected {
  readonly rejections: readonly Rejection[];
}

function doingOf(parts: readonly TableRows[]): string {
  const [first, ...others] = parts.map(({ table }) => table.shown);
  return `write to ${first ?? 'the target'}${others.length === 0 ? '' : ` and ${others.length} other tables`}`;
}

/** Cuts a batch before and behind each event that is about no single document. */
function* partsOf(batch: readonly Envelope[]): Generator<readonly Envelope[]> {
  let start = 0;
  for (const [index, { event }] of batch.entries()) {
    if (isDataOperation(event.op)) continue;
    if (index > start) yield batch.slice(start, index);
    yield batch.slice(index, index + 1);
    start = index + 1;
  }
  if (start === 0) yield batch;
  else if (start < batch.length) yield batch.slice(start);
}

function checkpointBehind(part: readonly Envelope[], batch: readonly Envelope[], checkpoint: Checkpoint): Checkpoint {
  const last = part.at(-1);
  if (last === undefined || last === batch.at(-1)) return checkpoint;
  return { ...checkpoint, position: last.event.position };
}
