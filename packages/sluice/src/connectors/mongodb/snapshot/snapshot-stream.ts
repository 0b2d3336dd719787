import { setTimeout as delay } from 'node:timers/promises';
import { formatNamespace } from '../../../core/change-event.ts';
import { formatClusterTime } from '../../../core/cluster-time.ts';
import { asSluiceError, isAbort, type SluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Position } from '../../../core/position.ts';
import type { SnapshotStatus } from '../../../core/snapshot.ts';
import type { SourceBatch } from '../../../core/source.ts';
import { Wakeup } from '../../../core/wakeup.ts';
import { Aligner, type ChunkRead } from './aligner.ts';
import type { StreamBatch } from './anchor.ts';
import { CollatedKeys } from './collated-keys.ts';
import type { Adopt } from './ddl-effect.ts';
import { Pacing, type PacingSettings, type WaitReason } from './pacing.ts';
import { copyOf, hasWork, planCancel } from './plan.ts';
import type { SnapshotProgress } from './snapshot-progress.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import { type CollectionCopy, changeCopy, EMPTY_COPY, isCopied, type SnapshotState } from './snapshot-state.ts';

const REPLICATION_LOOK_MS = 2_000;
/** After a read at a time that the server cannot read at: how long before the next one, at a later time. */
const LATER_MS = 250;
/** Reads of a collection that only has the same name, before it is taken for what there is now. */
const OTHER_COLLECTION_READS = 20;
/** A read cannot be made at that time, but at a later one. */
const READ_LATER = ['mongodb.snapshot-too-old', 'mongodb.snapshot-unavailable'];
const OTHER_COLLECTION = 'mongodb.collection-changed';

/** How a collection is copied beside its stream. */
export interface CopySettings extends PacingSettings {
  readonly parallelism: number;
  readonly inFlightBytes: number;
}

/** What a stream with snapshots is made of. */
export interface SnapshotStreamParts {
  readonly changes: AsyncGenerator<StreamBatch>;
  /** The server, for requests that end with the signal. */
  readonly connect: (signal: AbortSignal) => SnapshotServer;
  readonly settings: CopySettings;
  readonly emptyMeansAll: boolean;
  /** Behind which position `changes` begin; undefined when they begin now or at a time. */
  readonly position: Position | undefined;
  /** The sink may have been given more than the checkpoint says. */
  readonly sinkMayBeAhead: boolean;
  readonly adopt: Adopt;
  readonly progress: SnapshotProgress;
  readonly logger: Logger;
  /** What to begin with, decided when the first answer of the stream has come; may hand out events in front of it. */
  readonly begin: (first: StreamBatch, server: SnapshotServer) => Promise<Beginning>;
  /** True: it ends when nothing is left to copy. */
  readonly ends: boolean;
}

/** How a stream begins. */
export interface Beginning {
  readonly state: SnapshotState;
  /** Handed out in front of everything else, at the position of the first batch's predecessor. */
  readonly prelude?: SourceBatch | undefined;
}

/** A change stream with the chunks of a snapshot in their places. */
export class SnapshotStream {
  readonly #parts: SnapshotStreamParts;
  readonly #server: SnapshotServer;
  readonly #keys: CollatedKeys;
  readonly #pacing: Pacing;
  readonly #changed = new Wakeup();
  readonly #halt = new AbortController();
  readonly #working = new Set<Promise<void>>();
  readonly #splitting = new Set<string>();
  readonly #otherCollection = new Map<string, number>();
  #aligner: Aligner | undefined;
  #pulling = false;
  #over = false;
  #caughtUp = false;
  #notBeforeMs = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: SnapshotStreamParts) {
    this.#parts = parts;
    this.#server = parts.connect(this.#halt.signal);
    this.#keys = new CollatedKeys(this.#server);
    this.#pacing = new Pacing(parts.settings);
  }

  /** As of what has been handed out; undefined before the first batch. */
  get state(): SnapshotState | undefined {
    return this.#aligner?.state;
  }

  /** Position behind everything handed out. */
  get position(): Position | undefined {
    return this.#aligner?.position ?? this.#parts.position;
  }

  /** True while something waits for the stream to move: then its answers should come often. */
  get copying(): boolean {
    return hasWork(this.#aligner?.state.run);
  }

  /** Undefined when there was no snapshot. */
  status(nowMs: number): SnapshotStatus | undefined {
    return this.#parts.progress.status(this.#waitsFor(nowMs), nowMs);
  }

  /** Changes the state; what is handed out next carries it. */
  update(change: (state: SnapshotState) => SnapshotState): SnapshotState {
    const aligner = this.#aligner;
    if (aligner === undefined) throw new Error('the stream has not begun');
    aligner.update(change(aligner.state));
    this.#observe(aligner);
    this.#changed.wake();
    return aligner.state;
  }

  /** The state without the run that somebody gave up, or that cannot go on. */
  cancelled(state: SnapshotState): SnapshotState {
    const { clusterTime = { t: 0, i: 0 } } = this.position ?? {};
    const { state: next, gap } = planCancel(state, clusterTime, Date.now());
    if (gap !== undefined) {
      const text = { from: formatClusterTime(gap.from), to: formatClusterTime(gap.to) };
      this.#parts.logger.error(text, 'changes of documents that were still to be copied are lost with the snapshot');
    }
    return next;
  }

  /** Everything in its order, until the signal aborts, the stream fails, or nothing is left to copy (`ends`). */
  async *batches(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const halt = () => this.#halt.abort(signal.reason);
    signal.addEventListener('abort', halt, { once: true });
    try {
      const aligner = yield* this.#begin();
      if (aligner !== undefined) yield* this.#run(aligner, signal);
    } finally {
      signal.removeEventListener('abort', halt);
      this.#halt.abort(new DOMException('the stream is over', 'AbortError'));
      await Promise.all(this.#working);
      await this.#parts.changes.return(undefined);
    }
  }

  async *#begin(): AsyncGenerator<SourceBatch, Aligner | undefined> {
    const { changes, settings, emptyMeansAll, adopt, position, sinkMayBeAhead } = this.#parts;
    const first = await changes.next();
    if (first.done === true) return undefined;
    const { state, prelude } = await this.#parts.begin(first.value, this.#server);
    const { parallelism, inFlightBytes: inFlightLimitBytes } = settings;
    const keyOrder = this.#keys.order;
    const known = { state, position, sinkMayBeAhead, emptyMeansAll };
    const options = { ...known, parallelism, inFlightLimitBytes, keyOrder, adopt };
    const aligner = new Aligner(options);
    this.#aligner = aligner;
    this.#observe(aligner);
    this.#receive(aligner, first.value);
    if (prelude !== undefined) yield prelude;
    return aligner;
  }

  async *#run(aligner: Aligner, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    this.#work(this.#watchReplication());
    while (!signal.aborted) {
      this.#throwFailure();
      this.#startReads(aligner);
      this.#pull(aligner);
      for (let ahead = this.#unknownKeys(aligner); ahead !== undefined; ahead = this.#unknownKeys(aligner)) {
        await this.#keys.lookUp(ahead.copy, ahead.keys);
      }
      const batch = aligner.next();
      if (batch !== undefined) {
        this.#keys.clear();
        this.#observe(aligner);
        yield batch;
      } else if (this.#over || (this.#parts.ends && !this.copying)) {
        return;
      } else {
        await this.#wait(aligner, signal);
      }
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Asks the stream for its next answer, unless enough waits. */
  #pull(aligner: Aligner): void {
    if (this.#pulling || this.#over || !aligner.wantsStream) return;
    this.#pulling = true;
    this.#work(
      (async () => {
        const next = await this.#parts.changes.next();
        this.#pulling = false;
        if (next.done === true) this.#over = true;
        else this.#receive(aligner, next.value);
      })(),
    );
  }

  #receive(aligner: Aligner, batch: StreamBatch): void {
    this.#caughtUp = batch.caughtUp;
    this.#pacing.streamReplied(batch.events.at(-1)?.sourceTimeMs, batch.caughtUp, Date.now());
    aligner.receive(batch);
  }

  /** Reads ahead, as far as memory may be used for it: chunks, else with the question where the ranges of the next collection end. */
  #startReads(aligner: Aligner): void {
    const { run } = aligner.state;
    if (run === undefined || run.paused) return;
    const { parallelism } = this.#parts.settings;
    while (aligner.chunks + this.#splitting.size < parallelism && this.#waitsFor(Date.now()) === undefined) {
      if (performance.now() < this.#notBeforeMs) return;
      const read = aligner.startRead();
      const unsplit = read === undefined ? this.#nextUnsplit(run.collections) : undefined;
      if (read !== undefined) this.#work(this.#read(aligner, read));
      else if (unsplit !== undefined) this.#work(this.#split(aligner, unsplit));
      else return;
    }
  }

  async #read(aligner: Aligner, read: ChunkRead): Promise<void> {
    try {
      const result = await this.#server.read(read, this.#pacing.maxRows, this.#pacing.maxBytes);
      this.#pacing.spent(result.keys, result.bytes, Date.now());
      aligner.finish(read, result);
    } catch (error) {
      aligner.fail(read);
      this.#readLater(aligner, read.copy, error);
    }
  }

  /**
   * A read that comes too early or too late is repeated at a later time. What is wrong with a copy that somebody asked for
   * ends that copy; every other failure ends the stream.
   */
  #readLater(aligner: Aligner, copy: CollectionCopy, thrown: unknown): void {
    if (isAbort(thrown, this.#halt.signal)) throw thrown;
    const error = asSluiceError(thrown);
    const { code } = error;
    const name = formatNamespace(copy.namespace);
    const { run } = aligner.state;
    if (error.kind !== 'transient' && run?.reason === 'on-demand') return this.#giveUp(error);
    if (code === OTHER_COLLECTION) {
      const times = (this.#otherCollection.get(name) ?? 0) + 1;
      this.#otherCollection.set(name, this.#caughtUp ? times : 0);
      if (times > OTHER_COLLECTION_READS) this.#beginAnew(aligner, copy);
    } else if (!READ_LATER.includes(code)) throw error;
    this.#parts.logger.debug({ namespace: name, code }, 'a part of a collection is read again at a later time');
    this.#notBeforeMs = performance.now() + LATER_MS;
  }

  #giveUp({ code, message, hint }: SluiceError): void {
    this.#parts.logger.error({ code, hint }, `the snapshot is cancelled: ${message}`);
    this.#parts.progress.failed(message);
    this.update((state) => this.cancelled(state));
  }

  /** The stream has shown everything and not that the collection is another one (its events are filtered out). */
  #beginAnew(aligner: Aligner, copy: CollectionCopy): void {
    const name = formatNamespace(copy.namespace);
    this.#otherCollection.delete(name);
    if (aligner.state.run?.collections.has(name) !== true) return;
    this.#parts.logger.warn({ namespace: name }, 'the collection is another one now: copying it from its beginning');
    const { namespace, match } = copy;
    // What the sink has of the one before is not known, so all changes pass.
    aligner.update(changeCopy(aligner.state, name, { ...EMPTY_COPY, namespace, mode: 'pass', match }));
  }

  #nextUnsplit(collections: ReadonlyMap<string, CollectionCopy>): CollectionCopy | undefined {
    for (const [name, copy] of collections) {
      if (copy.remaining === undefined && !this.#splitting.has(name)) return copy;
    }
    return undefined;
  }

  async #split(aligner: Aligner, unsplit: CollectionCopy): Promise<void> {
    const name = formatNamespace(unsplit.namespace);
    this.#splitting.add(name);
    try {
      const copy = unsplit.estimatedRows === undefined ? await this.#describe(unsplit) : unsplit;
      const remaining = copy === undefined ? [] : await this.#server.split(copy);
      // Meanwhile it may have been dropped, or have begun anew.
      if (aligner.state.run?.collections.get(name) !== unsplit) return;
      aligner.update(changeCopy(aligner.state, name, { ...(copy ?? unsplit), remaining }));
    } finally {
      this.#splitting.delete(name);
    }
  }

  /** The copy with what the catalog knows of its collection; undefined when it is gone. */
  async #describe(copy: CollectionCopy): Promise<CollectionCopy | undefined> {
    const { collections } = await this.#server.list({ level: 'collection', ...copy.namespace });
    const [listed] = collections;
    return listed && copyOf(listed, copy.mode, copy.match);
  }

  /** Keys of the next changes whose order only the server knows and has not been asked for. */
  #unknownKeys(aligner: Aligner) {
    for (const [name, copy] of aligner.state.run?.collections ?? []) {
      if (copy.collation === undefined || copy.mode === 'pass' || isCopied(copy)) continue;
      const keys = aligner.keysAhead(name).filter((key) => !this.#keys.knows(copy, key));
      if (keys.length > 0) return { copy, keys };
    }
    return undefined;
  }

  async #watchReplication(): Promise<void> {
    const { signal } = this.#halt;
    while (!signal.aborted) {
      if (this.copying) this.#pacing.replicationLag(await this.#server.replicationLag());
      await delay(REPLICATION_LOOK_MS, undefined, { signal });
    }
  }

  #waitsFor(nowMs: number): WaitReason | undefined {
    return this.copying ? this.#pacing.waitsFor(nowMs, this.#aligner?.oldestWaiting?.sourceTimeMs) : undefined;
  }

  #observe(aligner: Aligner): void {
    const { progress } = this.#parts;
    const { run } = aligner.state;
    const nowMs = Date.now();
    if (run !== undefined) return progress.observe(run, nowMs);
    progress.end(aligner.finished, nowMs);
  }

  /** Until something comes, or what holds up the reads may be over. */
  async #wait(aligner: Aligner, signal: AbortSignal): Promise<void> {
    const nowMs = Date.now();
    const waits = this.copying && aligner.chunks + this.#splitting.size === 0;
    const ms = Math.max(this.#pacing.waitMs(nowMs), this.#notBeforeMs - performance.now(), 20);
    const timer = waits ? setTimeout(() => this.#changed.wake(), ms) : undefined;
    await this.#changed.wait(signal);
    clearTimeout(timer);
  }

  /** Something that goes on beside the handing out; its failure ends the stream. */
  #work(work: Promise<void>): void {
    const watched = work
      .catch((error: unknown) => {
        if (!isAbort(error, this.#halt.signal)) this.#failure ??= { error };
      })
      .finally(() => {
        this.#working.delete(watched);
        this.#changed.wake();
      });
    this.#working.add(watched);
  }
}
