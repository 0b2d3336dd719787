import {
  type BsonValue,
  type ChangeEvent,
  formatNamespace,
  isDataOperation,
  type Namespace,
} from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Position } from '../../../core/position.ts';
import type { SourceBatch } from '../../../core/source.ts';
import { anchorIn, type StreamBatch } from './anchor.ts';
import { type Anchor, AnchorQueue, partOf, sizeOf } from './anchor-queue.ts';
import { Described, tailOf } from './around-rows.ts';
import { type Adopt, effectOfDdl } from './ddl-effect.ts';
import { type Lane, Lanes } from './lanes.ts';
import { type KeyOrder, keyOf, remains } from './remaining.ts';
import { type ChunkResult, rowsOf } from './rows.ts';
import {
  asSourceState,
  type CollectionCopy,
  changeState,
  type Interval,
  isCopied,
  type SnapshotRun,
  type SnapshotState,
  withRunFinished,
} from './snapshot-state.ts';

/** A short read of a part of a collection at one cluster time. */
export interface ChunkRead {
  readonly copy: CollectionCopy;
  readonly interval: Interval;
  readonly at: ClusterTime;
}

/** What the aligner is made with. */
export interface AlignerOptions {
  readonly state: SnapshotState;
  /** Behind which position the stream was opened; undefined when it begins now or at a time. */
  readonly position: Position | undefined;
  /** Reads that may be under way at once. */
  readonly parallelism: number;
  readonly inFlightLimitBytes: number;
  /** Whether an empty answer means that every change up to the time of its token has come (not on a mongos). */
  readonly emptyMeansAll: boolean;
  readonly keyOrder: KeyOrder;
  readonly adopt: Adopt;
  /**
   * The sink may hold rows that `state` does not know of, which it was given before a crash. A row of a document that is
   * gone by now does not come again, so deletes pass also where the copy has yet to come.
   */
  readonly sinkMayBeAhead?: boolean | undefined;
}

/** A chunk that has been read and waits at its anchor. */
interface Chunk {
  readonly lane: Lane;
  readonly result: ChunkResult;
}

/**
 * Decides what a sink sees of a stream and of the chunks of a snapshot beside it, and in which order. No I/O and no
 * clock: it is told what came (`receive`, `finish`, `fail`) and asked what to read (`startRead`) and to hand out (`next`).
 *
 * An anchor is a place in the stream for which it is known that every change up to its time stands before it and every
 * later one behind it. Chunks are read at the time of the newest anchor and handed out at its place. With that, per
 * document: its row stands behind every change that it includes; a change that comes before the row of its document is
 * dropped (`hold`), since the row, read later, includes it; a change behind the row passes.
 */
export class Aligner {
  readonly #options: AlignerOptions;
  readonly #queue = new AnchorQueue<Chunk>();
  readonly #lanes = new Lanes();
  readonly #reads = new Map<ChunkRead, { readonly lane: Lane; readonly anchor: Anchor<Chunk> }>();
  #state: SnapshotState;
  #finished: SnapshotRun | undefined;
  /** Position behind everything received. */
  #received: Position | undefined;
  /** Position behind everything handed out. */
  #emitted: Position | undefined;
  #caughtUp = false;
  /** The state has changed since something was handed out. */
  #touched = false;
  /** Namespace of the last change that was looked at. */
  #seen: Namespace | undefined;
  readonly #described = new Described();

  constructor(options: AlignerOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#received = options.position;
    this.#emitted = options.position;
    // Nothing may be left to copy, as in an empty database.
    this.#finishRun();
  }

  /** As of what has been handed out. */
  get state(): SnapshotState {
    return this.#state;
  }

  /** The last run that was finished, with all its collections. */
  get finished(): SnapshotRun | undefined {
    return this.#finished;
  }

  /** Position behind everything handed out. */
  get position(): Position | undefined {
    return this.#emitted;
  }

  /** True when the stream's next answer is wanted: nothing waits, or one does beside a copy that wants newer anchors. */
  get wantsStream(): boolean {
    return this.#queue.batches < (this.#state.run === undefined ? 1 : 2);
  }

  /** Chunks that are being read, or have been and wait to be handed out. */
  get chunks(): number {
    return this.#reads.size + this.#queue.chunks;
  }

  /** The oldest change that came and was not handed out yet. */
  get oldestWaiting(): ChangeEvent | undefined {
    return this.#queue.oldest;
  }

  /** The next answer of the stream. */
  receive(batch: StreamBatch): void {
    const copying = this.#state.run !== undefined;
    const place = copying ? anchorIn(batch, this.#received, this.#options.emptyMeansAll) : undefined;
    this.#queue.add(batch, place);
    this.#received = batch.position;
  }

  /** Replaces the state (an operator's command, a collection cut into ranges); the next batch carries it. */
  update(state: SnapshotState): void {
    this.#state = state;
    this.#touched = true;
    this.#lanes.keepOnly(state.run);
    this.#finishRun();
  }

  /**
   * A read to be made now; undefined when there is nothing to read or no place for it. End it with `finish` or `fail`.
   * While the stream gives no newer anchor, a read that failed may be asked for again at the same time.
   */
  startRead(): ChunkRead | undefined {
    const anchor = this.#queue.usable(this.#options.parallelism);
    const { run } = this.#state;
    if (anchor === undefined || run === undefined || run.paused) return undefined;
    const next = this.#lanes.next(run);
    if (next?.lane.unread === undefined) return undefined;
    const { lane, copy } = next;
    const read: ChunkRead = { copy, interval: next.lane.unread, at: anchor.at };
    lane.reading = true;
    anchor.started += 1;
    anchor.open += 1;
    this.#reads.set(read, { lane, anchor });
    return read;
  }

  /** Whether what the collection is like stands in front of its rows already. */
  isDescribed(copy: CollectionCopy): boolean {
    return this.#described.has(copy);
  }

  /** A read has come back. */
  finish(read: ChunkRead, result: ChunkResult): void {
    const { lane, anchor } = this.#endRead(read);
    if (lane.dead) return;
    lane.unread = result.next === undefined ? undefined : { after: result.next, through: read.interval.through };
    anchor.done.push({ lane, result });
  }

  /** A read was not possible at that time; the same part is to be read again. */
  fail(read: ChunkRead): void {
    this.#endRead(read);
  }

  /** The next batch to hand out; undefined when it has to be waited for. */
  next(): SourceBatch | undefined {
    for (;;) {
      const item = this.#queue.head;
      if (item?.kind === 'changes') return this.#handOut(this.#admit(item.batch));
      const chunk = item?.done.shift();
      if (item === undefined || chunk === undefined) return this.#touch();
      if (!chunk.lane.dead) return this.#handOut(this.#rows(item, chunk));
    }
  }

  /** Keys of the changes of a collection that `next` would look at now. */
  keysAhead(namespace: string): BsonValue[] {
    const item = this.#queue.head;
    if (item?.kind !== 'changes') return [];
    const events = item.batch.events.filter((event) => formatNamespace(event.namespace) === namespace);
    return events.map((event) => keyOf(event)).filter((key) => key !== undefined);
  }

  #endRead(read: ChunkRead) {
    const pending = this.#reads.get(read);
    if (pending === undefined) throw new Error('this read is not under way');
    this.#reads.delete(read);
    pending.lane.reading = false;
    pending.anchor.open -= 1;
    return pending;
  }

  /** A state that changed although nothing else came is handed out with the position there is. */
  #touch(): SourceBatch | undefined {
    if (!this.#touched || this.#emitted === undefined) return undefined;
    return this.#handOut({ events: [], position: this.#emitted, bytes: 0, caughtUp: this.#caughtUp });
  }

  #handOut(batch: SourceBatch): SourceBatch {
    this.#touched = false;
    this.#caughtUp = batch.caughtUp;
    this.#emitted = batch.position;
    if (this.#state.revision === 0) return batch;
    const position = { ...batch.position, state: asSourceState(this.#state) };
    return { ...batch, position };
  }

  /** Takes changes off the queue: what of them passes. A change of the collections themselves is handed out alone. */
  #admit(batch: SourceBatch): SourceBatch {
    const { events, position } = batch;
    const ddl = this.#state.revision === 0 ? -1 : events.findIndex((event) => !isDataOperation(event.op));
    if (ddl < 0) {
      this.#queue.take(undefined);
      return this.#filter(batch);
    }
    const cut = Math.max(1, ddl);
    const last = events[cut - 1] as ChangeEvent;
    const isAll = cut === events.length;
    this.#queue.take(isAll ? undefined : partOf(batch, events.slice(cut), position));
    const part = partOf(batch, events.slice(0, cut), isAll ? position : last.position);
    if (ddl > 0) return this.#filter(part);
    this.#seen = undefined;
    const next = effectOfDdl(this.#state, last, this.#options.adopt);
    if (next !== this.#state) this.update(next);
    return part;
  }

  #filter(batch: SourceBatch): SourceBatch {
    this.#noteBorn(batch.events);
    const { run } = this.#state;
    if (run === undefined) return batch;
    const events = batch.events.filter((event) => {
      const copy = run.collections.get(formatNamespace(event.namespace));
      if (copy === undefined || copy.mode === 'pass' || isCopied(copy)) return true;
      const key = keyOf(event);
      if (event.op === 'delete' && this.#options.sinkMayBeAhead === true) return true;
      return key === undefined || !remains(copy, key, this.#options.keyOrder);
    });
    return { ...batch, events, bytes: sizeOf(events) };
  }

  /** A collection that nobody knew of was born in the stream: nothing of it is missing. */
  #noteBorn(events: readonly ChangeEvent[]): void {
    if (this.#state.revision === 0) return;
    for (const { namespace } of events) {
      // Events of one namespace that follow each other share the object.
      if (namespace === this.#seen) continue;
      this.#seen = namespace;
      const name = formatNamespace(namespace);
      const { covered, run } = this.#state;
      if (covered.has(name) || run?.collections.has(name) === true) continue;
      this.#state = changeState(this.#state, { covered: new Map(covered).set(name, '') });
    }
  }

  #rows({ at, position }: Anchor<Chunk>, { lane, result }: Chunk): SourceBatch {
    const { run } = this.#state;
    const copy = run?.collections.get(lane.namespace);
    if (run === undefined || copy === undefined) throw new Error(`${lane.namespace} is not being copied`);
    const place = { at, position, state: this.#state, copy, interval: lane.interval };
    const { rows, rest, state } = rowsOf(result, place);
    const before = { ...position, state: asSourceState(this.#state) };
    const events = [...this.#described.head(copy, result, before), ...rows];
    if (copy.remaining?.length === 1 && rest === undefined) {
      events.push(...tailOf(run, copy, result, { position, behindRows: rows.at(-1)?.position ?? before }));
    }
    this.#state = state;
    this.#lanes.advance(lane, rest);
    this.#finishRun();
    const bytes = sizeOf(events);
    const inFlightLimitBytes = bytes === 0 ? undefined : this.#options.inFlightLimitBytes;
    return { events, position, bytes, caughtUp: this.#caughtUp, inFlightLimitBytes };
  }

  #finishRun(): void {
    const finished = withRunFinished(this.#state);
    if (finished === this.#state) return;
    this.#finished = this.#state.run;
    this.#state = finished;
    this.#touched = true;
    this.#lanes.keepOnly(undefined);
  }
}
