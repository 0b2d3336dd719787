import type { ChangeEvent } from '../core/change-event.ts';
import type { Position } from '../core/position.ts';
import type { SinkLimits } from '../core/sink.ts';
import type { SourceBatch } from '../core/source.ts';
import { Wakeup } from '../core/wakeup.ts';

/** Events to be written together and where to resume once they are acknowledged. No events = only a position. */
export interface Group {
  readonly events: readonly ChangeEvent[];
  readonly bytes: number;
  readonly position: Position;
}

/**
 * Regroups what the source yields into what the sink takes: several small batches become one write while the sink is
 * busy, a large batch is cut. The queue is bounded by the in-flight budget of whoever pushes.
 */
export class Batcher {
  readonly #limits: Pick<SinkLimits, 'records' | 'bytes'>;
  readonly #documentOf: ((event: ChangeEvent) => string | undefined) | undefined;
  #batches: SourceBatch[] = [];
  /** Index of the first event of the first batch that has not been taken. */
  #offset = 0;
  #closed = false;
  readonly #changed = new Wakeup();

  /** With `documentOf`, no group holds two events of one document. */
  constructor(limits: Pick<SinkLimits, 'records' | 'bytes'>, documentOf?: (event: ChangeEvent) => string | undefined) {
    this.#limits = limits;
    this.#documentOf = documentOf;
  }

  /** The oldest event that has not been taken. */
  get oldest(): ChangeEvent | undefined {
    for (const [index, batch] of this.#batches.entries()) {
      const event = batch.events[index === 0 ? this.#offset : 0];
      if (event !== undefined) return event;
    }
    return undefined;
  }

  push(batch: SourceBatch): void {
    this.#batches.push(batch);
    this.#changed.wake();
  }

  /** No more batches will come; what is queued can still be taken. */
  close(): void {
    this.#closed = true;
    this.#changed.wake();
  }

  /** The next group, waiting for one; undefined when closed and empty. Rejects with the abort reason. */
  async take(signal: AbortSignal): Promise<Group | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#batches.length > 0) return this.#group();
      if (this.#closed) return undefined;
      await this.#changed.wait(signal);
    }
  }

  #group(): Group {
    const events: ChangeEvent[] = [];
    let bytes = 0;
    let position: Position | undefined;
    let used = 0;
    const documents = new Set<string>();
    for (const batch of this.#batches) {
      const first = this.#offset;
      for (let index = first; index < batch.events.length; index++) {
        const event = batch.events[index] as ChangeEvent;
        const { size } = event;
        const document = this.#documentOf?.(event);
        const full = events.length >= this.#limits.records || bytes + size > this.#limits.bytes;
        if ((full || (document !== undefined && documents.has(document))) && events.length > 0) {
          this.#batches = this.#batches.slice(used);
          this.#offset = index;
          return { events, bytes, position: index === first ? (position as Position) : behind(batch, index - 1) };
        }
        events.push(event);
        bytes += size;
        if (document !== undefined) documents.add(document);
      }
      position = batch.position;
      used += 1;
      this.#offset = 0;
    }
    this.#batches = [];
    return { events, bytes, position: position as Position };
  }
}

/** Behind one event of a batch. The state of a batch goes with its events, except those that bring one of their own. */
function behind(batch: SourceBatch, index: number): Position {
  const { position } = batch.events[index] as ChangeEvent;
  const { state } = batch.position;
  return state === undefined || position.state !== undefined ? position : { ...position, state };
}
