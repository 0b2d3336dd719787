import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection, WriteContext, WriteResult } from '../../core/sink.ts';
import { versionNumber } from '../../core/version-number.ts';
import type { SendScope } from './bulk-answer.ts';
import type { BulkItem } from './bulk-request.ts';
import type { BulkWriter, WriteCounts } from './bulk-writer.ts';
import type { SearchSinkConfig } from './config.ts';
import type { Indexes } from './indexes.ts';
import type { Routing } from './routing.ts';
import { type DocumentState, planStates, supersededBy } from './state-plan.ts';
import type { TargetIndexes } from './target-indexes.ts';
import { gone, refuseReserved } from './tombstones.ts';

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
  /** Other routings that the document had before. */
  readonly earlier: ReadonlySet<string> | undefined;
}

interface RefusedState {
  readonly state: DocumentState;
  readonly error: SluiceError;
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
    const first = this.#items(plan.states);
    // What is known before anything is sent. Where they cannot be put, nothing is written.
    const known = inOrder([...plan.rejections, ...first.refused.map(rejectionOf)], batch);
    if (known.length > 0) await context.reject(known);
    await this.#prepare(plan.states, context.signal);
    const counts = { dropped: 0 };
    const refused = await this.#send(first.items, counts, context);
    // What was left out because of a state that is refused now counts after all. In order, with each its own result.
    const second = this.#items([...first.refused, ...refused].flatMap(({ state }) => supersededBy(state)));
    const later = [...second.refused, ...(await this.#send(second.items, counts, context))];
    const rejections = inOrder([...refused, ...later].map(rejectionOf), batch);
    if (rejections.length > 0) await context.reject(rejections);
    const filtered = plan.skipped + counts.dropped;
    return { delivered: batch.length - filtered - known.length - rejections.length, filtered };
  }

  async #prepare(states: readonly DocumentState[], signal: AbortSignal): Promise<void> {
    const prepared = new Set<string>();
    for (const { index, envelope } of states) {
      if (prepared.has(index)) continue;
      prepared.add(index);
      await this.#parts.indexes.prepare(index, envelope.namespace, envelope.event.namespace, signal);
    }
  }

  /** Those that were refused. */
  async #send(
    items: readonly StateItem[],
    counts: WriteCounts,
    { signal, ensureOwned }: WriteContext,
  ): Promise<readonly RefusedState[]> {
    // What is older than a drop that another worker has dealt with must not come back.
    const current = items.filter((item) => !this.#isGone(item));
    if (current.length === 0) return [];
    const scope = { signal, ensureOwned };
    const refusals = await this.#parts.writer.write(current, scope, counts);
    await this.#removeGone(
      current.filter((item) => this.#isGone(item)),
      scope,
    );
    const refused = refusals.map(({ item, error }) => ({ state: item.state, error }));
    if (this.#parts.routing === undefined) return refused;
    return [...refused, ...(await this.#endElsewhere(items, refused, scope))];
  }

  #isGone({ index, version }: StateItem): boolean {
    return version.value < this.#parts.indexes.goneBefore(index);
  }

  /** What was on its way to the index while another lane found out that it is gone. */
  async #removeGone(items: readonly StateItem[], scope: SendScope): Promise<void> {
    if (items.length === 0) return;
    const { config, indexes, writer } = this.#parts;
    const end = gone(config.deletes.mode);
    const ends = items.map(({ index, id, routing }) => {
      const version = { value: indexes.goneBefore(index) - 1n, exact: false };
      return { index, id, routing, version, ...end };
    });
    await writer.write(ends, scope);
  }

  /**
   * Ends what is left of documents in the shards of earlier routings. Behind the write, so that nothing is missing when that is
   * refused. With the version of the state: where both routings lead to the same shard, it conflicts with what was just written.
   */
  async #endElsewhere(
    items: readonly StateItem[],
    refused: readonly RefusedState[],
    scope: SendScope,
  ): Promise<readonly RefusedState[]> {
    const stay = new Set(refused.map(({ state }) => state));
    const end = gone(this.#parts.config.deletes.mode);
    const ends = items.flatMap((item) => {
      const { state, index, id, version } = item;
      if (stay.has(state) || item.earlier === undefined) return [];
      const exact = { value: version.value, exact: true };
      return [...item.earlier].map((routing) => ({ state, index, id, routing, version: exact, ...end }));
    });
    if (ends.length === 0) return [];
    const refusals = await this.#parts.writer.write(ends, scope);
    const first = new Map(refusals.map(({ item, error }) => [item.state, error]));
    return [...first].map(([state, error]) => ({ state, error }));
  }

  #items(states: readonly DocumentState[]): { readonly items: StateItem[]; readonly refused: RefusedState[] } {
    const end = gone(this.#parts.config.deletes.mode);
    const items: StateItem[] = [];
    const refused: RefusedState[] = [];
    for (const state of states) {
      const { index, id, envelope, document } = state;
      try {
        if (document !== undefined) refuseReserved(document, this.#parts.config.deletes.mode);
        const common = { state, index, id, version: versionNumber(envelope.event.version), ...this.#routed(state) };
        items.push(document === undefined ? { ...common, ...end } : { ...common, bson: document });
      } catch (error) {
        if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
        refused.push({ state, error });
      }
    }
    return { items, refused };
  }

  #routed(state: DocumentState): Pick<StateItem, 'routing' | 'earlier'> {
    const { routing } = this.#parts;
    if (routing === undefined) return { routing: undefined, earlier: undefined };
    const { event } = state.envelope;
    const now = routing.of(event);
    const earlier = new Set(
      routing.before(
        event,
        supersededBy(state).map(({ envelope }) => envelope.event),
      ),
    );
    earlier.delete(now);
    return { routing: now, earlier: earlier.size === 0 ? undefined : earlier };
  }
}

function rejectionOf({ state, error }: RefusedState): Rejection {
  return { envelope: state.envelope, error };
}

/** Dead letters of one document are replayed in the order in which they were put away. */
function inOrder(rejections: readonly Rejection[], batch: readonly Envelope[]): readonly Rejection[] {
  const places = new Map(batch.map((envelope, place) => [envelope, place]));
  const placeOf = ({ envelope }: Rejection) => places.get(envelope) ?? 0;
  return rejections.toSorted((a, b) => placeOf(a) - placeOf(b));
}
