import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection, WriteContext, WriteResult } from '../../core/sink.ts';
import { versionNumber } from '../../core/version-number.ts';
import type { BulkItem } from './bulk-request.ts';
import type { BulkWriter } from './bulk-writer.ts';
import type { SearchSinkConfig } from './config.ts';
import type { Indexes } from './indexes.ts';
import type { Routing } from './routing.ts';
import { type DocumentState, planStates, supersededBy } from './state-plan.ts';
import type { TargetIndexes } from './target-indexes.ts';
import { gone } from './tombstones.ts';

/** What states of documents are written with. */
export interface StateWriterParts {
  readonly config: Pick<SearchSinkConfig, 'missingDocument' | 'deletes'>;
  readonly targets: TargetIndexes;
  readonly indexes: Indexes;
  readonly writer: BulkWriter;
  readonly routing: Routing | undefined;
}

interface StateItem extends BulkItem {
  readonly state: DocumentState;
}

/** Writes data events: the last state of each document, with the version of its event. */
export class StateWriter {
  readonly #parts: StateWriterParts;

  constructor(parts: StateWriterParts) {
    this.#parts = parts;
  }

  /** As `Sink.write`, for data events only. */
  async write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    const { config, targets } = this.#parts;
    const indexOf = (envelope: Envelope) => targets.of(envelope).index;
    const plan = planStates(batch, { indexOf, missingDocument: config.missingDocument });
    // Where they cannot be put, nothing is written.
    if (plan.rejections.length > 0) await context.reject(plan.rejections);
    await this.#prepare(plan.states, context.signal);
    const rejections: Rejection[] = [];
    const refused = await this.#writeStates(plan.states, rejections, context);
    // What was left out because of a state that is refused now counts after all. In order, with each its own result.
    await this.#writeStates(refused.flatMap(supersededBy), rejections, context);
    if (rejections.length > 0) await context.reject(inOrder(rejections, batch));
    const rejected = plan.rejections.length + rejections.length;
    return { delivered: batch.length - plan.skipped - rejected, filtered: plan.skipped };
  }

  async #prepare(states: readonly DocumentState[], signal: AbortSignal): Promise<void> {
    const prepared = new Set<string>();
    for (const { index, envelope } of states) {
      if (prepared.has(index)) continue;
      prepared.add(index);
      await this.#parts.indexes.prepare(index, envelope.namespace, envelope.event.namespace, signal);
    }
  }

  /** The states that were refused, with their rejections added. */
  async #writeStates(
    states: readonly DocumentState[],
    rejections: Rejection[],
    { signal, ensureOwned }: WriteContext,
  ): Promise<readonly DocumentState[]> {
    if (states.length === 0) return [];
    const refused: DocumentState[] = [];
    const refuse = (state: DocumentState, error: SluiceError) => {
      refused.push(state);
      rejections.push({ envelope: state.envelope, error });
    };
    const items = this.#items(states, refuse);
    for (const { item, error } of await this.#parts.writer.write(items, { signal, ensureOwned })) {
      refuse(item.state, error);
    }
    return refused;
  }

  #items(
    states: readonly DocumentState[],
    refuse: (state: DocumentState, error: SluiceError) => void,
  ): readonly StateItem[] {
    const { config, routing } = this.#parts;
    const end = gone(config.deletes.mode);
    const items: StateItem[] = [];
    for (const state of states) {
      const { index, id, envelope, document } = state;
      const { event } = envelope;
      try {
        const common = { state, index, id, routing: routing?.of(event), version: versionNumber(event.version) };
        items.push(document === undefined ? { ...common, ...end } : { ...common, bson: document });
      } catch (error) {
        if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
        refuse(state, error);
      }
    }
    return items;
  }
}

/** Dead letters of one document are replayed in the order in which they were put away. */
function inOrder(rejections: readonly Rejection[], batch: readonly Envelope[]): readonly Rejection[] {
  const places = new Map(batch.map((envelope, place) => [envelope, place]));
  const placeOf = ({ envelope }: Rejection) => places.get(envelope) ?? 0;
  return rejections.toSorted((a, b) => placeOf(a) - placeOf(b));
}
