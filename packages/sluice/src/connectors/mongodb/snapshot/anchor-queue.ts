import type { ChangeEvent } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Position } from '../../../core/position.ts';
import type { SourceBatch } from '../../../core/source.ts';
import type { AnchorPlace } from './anchor.ts';

/** A place for rows that are read at `at`, with the chunks that are being read for it or wait there. */
export interface Anchor<Chunk> {
  readonly kind: 'anchor';
  readonly at: ClusterTime;
  readonly position: Position;
  /** Reads begun for it, and those of them that are under way. */
  started: number;
  open: number;
  readonly done: Chunk[];
}

/** Changes that have come and wait for their turn. */
export interface Waiting {
  readonly kind: 'changes';
  readonly batch: SourceBatch;
}

/** What has come and was not handed out, in the order of the stream. */
export class AnchorQueue<Chunk> {
  #items: (Anchor<Chunk> | Waiting)[] = [];

  /** What comes next, past anchors with nothing left to hand out. The last item stays: more may be read for it. */
  get head(): Anchor<Chunk> | Waiting | undefined {
    for (;;) {
      const [item] = this.#items;
      if (item?.kind !== 'anchor' || item.open > 0 || item.done.length > 0 || this.#items.length === 1) return item;
      this.#items.shift();
    }
  }

  /** Answers of the stream that wait. */
  get batches(): number {
    return this.#items.reduce((sum, item) => sum + (item.kind === 'changes' ? 1 : 0), 0);
  }

  /** Chunks that wait. */
  get chunks(): number {
    return this.#items.reduce((sum, item) => sum + (item.kind === 'anchor' ? item.done.length : 0), 0);
  }

  /** The oldest change that waits. */
  get oldest(): ChangeEvent | undefined {
    for (const item of this.#items) {
      const event = item.kind === 'changes' ? item.batch.events[0] : undefined;
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /** Adds an answer of the stream, with an anchor at a place in it. */
  add(batch: SourceBatch, place: AnchorPlace | undefined): void {
    if (place === undefined) {
      this.#items.push({ kind: 'changes', batch });
      return;
    }
    const { index, at, position } = place;
    const head = batch.events.slice(0, index);
    const tail = batch.events.slice(index);
    if (head.length > 0 || tail.length === 0) {
      this.#items.push({ kind: 'changes', batch: partOf(batch, head, position) });
    }
    this.#items.push({ kind: 'anchor', at, position, started: 0, open: 0, done: [] });
    if (tail.length > 0) this.#items.push({ kind: 'changes', batch: partOf(batch, tail, batch.position) });
  }

  /** Takes the changes at the head; `rest` stays there in their place. */
  take(rest: SourceBatch | undefined): void {
    if (rest === undefined) this.#items.shift();
    else this.#items[0] = { kind: 'changes', batch: rest };
  }

  /** The newest anchor, while nothing waits behind it or while it has not had its share of reads. */
  usable(share: number): Anchor<Chunk> | undefined {
    const anchor = this.#items.findLast((item) => item.kind === 'anchor');
    return anchor !== undefined && (anchor === this.#items.at(-1) || anchor.started < share) ? anchor : undefined;
  }
}

/** Some events of a batch, and where to resume behind them. */
export function partOf(batch: SourceBatch, events: readonly ChangeEvent[], position: Position): SourceBatch {
  return { events, position, bytes: sizeOf(events), caughtUp: batch.caughtUp };
}

/** What events count as, in bytes. */
export function sizeOf(events: readonly ChangeEvent[]): number {
  let bytes = 0;
  for (const event of events) bytes += event.size;
  return bytes;
}
