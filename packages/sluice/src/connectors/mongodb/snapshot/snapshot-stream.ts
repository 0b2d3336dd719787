import { setTimeout as delay } from 'node:timers/promises';
import { isAbort, type SluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Position } from '../../../core/position.ts';
import type { SnapshotStatus } from '../../../core/snapshot.ts';
import type { SourceBatch } from '../../../core/source.ts';
import { Wakeup } from '../../../core/wakeup.ts';
import { Aligner } from './aligner.ts';
import type { StreamBatch } from './anchor.ts';
import { CollatedKeys } from './collated-keys.ts';
import type { Adopt } from './ddl-effect.ts';
import { logCancelled } from './log-cancelled.ts';
import { Pacing, type PacingSettings, type WaitReason } from './pacing.ts';
import { hasWork, planCancel } from './plan.ts';
import type { SnapshotProgress } from './snapshot-progress.ts';
import { SnapshotReads } from './snapshot-reads.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import { isCopied, type SnapshotState } from './snapshot-state.ts';
import type { StructureReader } from './structure-reader.ts';

const REPLICATION_LOOK_MS = 2_000;
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
  /** Set when it is to be handed out what collections are like. */
  readonly structure?: ((signal: AbortSignal) => StructureReader) | undefined;
  readonly logger: Logger;
  /** What to begin with, decided when the first answer of the stream has come; may hand out events in front of it. */
  readonly begin: (first: StreamBatch, server: SnapshotServer, structure?: StructureReader) => Promise<Beginning>;
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
  readonly #structure: StructureReader | undefined;
  readonly #keys: CollatedKeys;
  readonly #pacing: Pacing;
  readonly #changed = new Wakeup();
  readonly #halt = new AbortController();
  readonly #working = new Set<Promise<void>>();
  #aligner: Aligner | undefined;
  #pulling = false;
  #over = false;
  #caughtUp = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: SnapshotStreamParts) {
    this.#parts = parts;
    this.#server = parts.connect(this.#halt.signal);
    this.#structure = parts.structure?.(this.#halt.signal);
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
    if (gap !== undefined) logCancelled(this.#parts.logger, gap);
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
    const { state, prelude } = await this.#parts.begin(first.value, this.#server, this.#structure);
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
    const reads = this.#reads(aligner);
    this.#work(this.#watchReplication());
    while (!signal.aborted) {
      this.#throwFailure();
      reads.start();
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
        await this.#wait(reads, signal);
      }
    }
  }

  #reads(aligner: Aligner): SnapshotReads {
    const { settings, logger } = this.#parts;
    return new SnapshotReads({
      aligner,
      server: this.#server,
      structure: this.#structure,
      pacing: this.#pacing,
      parallelism: settings.parallelism,
      logger,
      signal: this.#halt.signal,
      waits: () => this.#waitsFor(Date.now()) !== undefined,
      caughtUp: () => this.#caughtUp,
      work: (work) => this.#work(work),
      giveUp: (error) => this.#giveUp(error),
    });
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

  #giveUp({ code, message, hint }: SluiceError): void {
    this.#parts.logger.error({ code, hint }, `the snapshot is cancelled: ${message}`);
    this.#parts.progress.failed(message);
    this.update((state) => this.cancelled(state));
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
  async #wait(reads: SnapshotReads, signal: AbortSignal): Promise<void> {
    const ms = Math.max(this.#pacing.waitMs(Date.now()), reads.waitMs, 20);
    const timer = this.copying && reads.idle ? setTimeout(() => this.#changed.wake(), ms) : undefined;
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
