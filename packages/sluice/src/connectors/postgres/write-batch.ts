import { isDataOperation } from '../../core/change-event.ts';
import { dataRuns } from '../../core/data-runs.ts';
import type { Envelope } from '../../core/envelope.ts';
import { FirstFailure } from '../../core/first-failure.ts';
import type { Position } from '../../core/position.ts';
import type { WriteContext, WriteResult } from '../../core/sink.ts';
import { type BatchPlan, collapse } from './collapse.ts';
import type { PostgresSinkConfig } from './config.ts';
import { DocumentWriter, type DocumentWriterParts } from './write-documents.ts';

/** What a part of a batch is written with. */
export type PartContext = Pick<WriteContext, 'checkpoint' | 'reject' | 'ensureOwned' | 'signal'>;

/** Does what an event asks for that is about no single document. */
export type ApplyOther = (envelope: Envelope, context: PartContext) => Promise<'applied' | 'ignored'>;

/** What batches are written with. */
export interface BatchWriterParts extends DocumentWriterParts {
  readonly config: Pick<PostgresSinkConfig, 'missingDocument' | 'attempts'>;
  readonly applyOther: ApplyOther;
}

/** Documents between two other events, or one of those. */
interface PreparedPart {
  /** Where the part ends; undefined for the last one, which the checkpoint of the batch stands behind. */
  readonly position: Position | undefined;
  readonly plan?: BatchPlan;
  readonly other?: Envelope;
}

/** A batch that waits for its turn. */
export interface PreparedBatch {
  readonly parts: readonly PreparedPart[];
  readonly records: number;
}

/** Writes batches: the documents between two other events together, those events alone. */
export class BatchWriter {
  readonly #parts: BatchWriterParts;
  readonly #documents: DocumentWriter;
  readonly #failures = new FirstFailure();

  constructor(parts: BatchWriterParts) {
    this.#parts = parts;
    this.#documents = new DocumentWriter(parts);
  }

  /** What can be done for a batch before it is its turn. */
  prepare(batch: readonly Envelope[]): PreparedBatch {
    const { names, json, config } = this.#parts;
    const parts = [...dataRuns(batch)].map((events): PreparedPart => {
      const last = events.at(-1);
      const position = last === undefined || last === batch.at(-1) ? undefined : last.event.position;
      const [first] = events;
      if (first !== undefined && !isDataOperation(first.event.op)) return { position, other: first };
      return { position, plan: collapse(events, { names, json, missingDocument: config.missingDocument }) };
    });
    return { parts, records: batch.length };
  }

  /** As `Sink.write`. */
  write(batch: PreparedBatch, context: WriteContext): Promise<WriteResult> {
    return this.#failures.unlessFailed(context.signal, () => this.#write(batch, context));
  }

  async #write({ parts, records }: PreparedBatch, context: WriteContext): Promise<WriteResult> {
    let filtered = 0;
    let rejected = 0;
    for (const { position = context.checkpoint.position, plan, other } of parts) {
      const own = { ...context, checkpoint: { ...context.checkpoint, position } };
      if (plan !== undefined) {
        filtered += plan.skipped;
        rejected += await this.#documents.write(plan, own);
      } else if (other !== undefined && (await this.#writeOther(other, own)) === 'ignored') {
        filtered += 1;
      }
    }
    return { delivered: records - filtered - rejected, filtered };
  }

  /** It may need several transactions, so it is done again when the checkpoint behind it was not saved. */
  async #writeOther(envelope: Envelope, context: PartContext): Promise<'applied' | 'ignored'> {
    const outcome = await this.#parts.applyOther(envelope, context);
    await this.#parts.checkpoints?.save(context.checkpoint, context.signal);
    return outcome;
  }
}
