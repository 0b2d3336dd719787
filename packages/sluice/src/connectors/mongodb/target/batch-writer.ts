import { isDataOperation } from '../../../core/change-event.ts';
import type { Checkpoint } from '../../../core/checkpoint.ts';
import { dataRuns } from '../../../core/data-runs.ts';
import type { Envelope } from '../../../core/envelope.ts';
import { FirstFailure } from '../../../core/first-failure.ts';
import type { WriteContext, WriteResult } from '../../../core/sink.ts';
import { collapse } from './collapse.ts';
import type { DeliveryContext, TargetDelivery } from './delivery.ts';
import type { DocumentKeys } from './document-key.ts';
import type { TargetNames } from './name-template.ts';

/** Does what an event asks for that is about no single document. */
export type ApplyOther = (envelope: Envelope, context: DeliveryContext) => Promise<'applied' | 'ignored'>;

/** What batches are written with. */
export interface BatchWriterParts {
  readonly names: TargetNames;
  readonly keys: DocumentKeys;
  readonly delivery: TargetDelivery;
  readonly applyOther: ApplyOther;
}

/** Writes batches: the documents between two other events together, those events alone. */
export class BatchWriter {
  readonly #parts: BatchWriterParts;
  readonly #failures = new FirstFailure();

  constructor(parts: BatchWriterParts) {
    this.#parts = parts;
  }

  /** As `Sink.write`. */
  write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    return this.#failures.unlessFailed(context.signal, () => this.#write(batch, context));
  }

  async #write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    let filtered = 0;
    let rejected = 0;
    for (const part of dataRuns(batch)) {
      const checkpoint = checkpointBehind(part, batch, context.checkpoint);
      const [first] = part;
      if (first !== undefined && !isDataOperation(first.event.op)) {
        if ((await this.#writeOther(first, { ...context, checkpoint })) === 'ignored') filtered += 1;
        continue;
      }
      const { names, keys, delivery } = this.#parts;
      rejected += await delivery.deliver(collapse(part, { names, keys, isOlder: delivery.isOlder }), {
        ...context,
        checkpoint,
      });
    }
    return { delivered: batch.length - filtered - rejected, filtered };
  }

  /** It can be part of no transaction, so it is done again when the checkpoint behind it was not saved. */
  async #writeOther(envelope: Envelope, context: DeliveryContext): Promise<'applied' | 'ignored'> {
    const { delivery, applyOther } = this.#parts;
    const { checkpoint, signal } = context;
    await delivery.ensureOwned(checkpoint, signal);
    const outcome = await applyOther(envelope, context);
    await delivery.checkpoints?.save(checkpoint, signal);
    return outcome;
  }
}

function checkpointBehind(part: readonly Envelope[], batch: readonly Envelope[], checkpoint: Checkpoint): Checkpoint {
  const last = part.at(-1);
  if (last === undefined || last === batch.at(-1)) return checkpoint;
  return { ...checkpoint, position: last.event.position };
}
