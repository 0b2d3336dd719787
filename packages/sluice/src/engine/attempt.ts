import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import type { Checkpoint, CheckpointStore, Claim } from '../core/checkpoint.ts';
import type { DeadLetterStore } from '../core/dead-letter.ts';
import type { Envelope } from '../core/envelope.ts';
import { asSluiceError, isAbort, SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { comparePositions, type Position } from '../core/position.ts';
import type { Rejection, Sink } from '../core/sink.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { ReadFrom, Source, SourceBatch, SourceWindow } from '../core/source.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { Wakeup } from '../core/wakeup.ts';
import { AckTracker, type Ticket } from './ack-tracker.ts';
import { Batcher, type Group } from './batcher.ts';
import { Checkpointer } from './checkpointer.ts';
import { putRejections } from './dead-letters.ts';
import { InFlightBudget } from './in-flight-budget.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';
import type { Progress } from './progress.ts';

/** How often the source's window is looked at (ms). */
const WINDOW_EVERY_MS = 10_000;

/** What an attempt runs with. `stop` ends reading and drains; `abort` drops everything at once. */
export interface AttemptOptions {
  readonly definition: PipelineDefinition;
  readonly progress: Progress;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  /** Throws unless the partition is owned at this moment; asked before anything is claimed or written. */
  readonly ensureOwned: () => void;
  /** Called once everything is open and the source has given its first reply: from here on nothing can be missed. */
  readonly onRunning: (running: RunningAttempt) => void;
}

/** What an attempt can be told while it runs. */
export interface RunningAttempt {
  /** Resolves once the command holds over a crash. Rejects with what is wrong with it, or with what ended the attempt. */
  snapshot(command: SnapshotCommand, signal: AbortSignal): Promise<SnapshotStatus>;
}

/**
 * One attempt of a pipeline: opens everything, moves events until told to stop, drains, saves the checkpoint, closes.
 * Resolves after a clean stop. Rejects with the first failure; then everything is closed too, and the acknowledged
 * floor is in `progress` for the next attempt.
 */
export async function runAttempt(options: AttemptOptions): Promise<void> {
  const { definition, progress, abort } = options;
  await using resources = new AsyncDisposableStack();
  const opening = AbortSignal.any([options.stop, abort]);
  const sink = resources.use(await definition.openSink(opening));
  const checkpoints = sink.checkpoints ?? resources.use(await openCheckpoints(definition, opening));
  const deadLetters = await definition.openDeadLetters?.(opening);
  if (deadLetters !== undefined) resources.use(deadLetters);
  options.ensureOwned();
  const claim = await checkpoints.claim(definition.partition, opening);
  progress.claimed(claim.epoch);
  const source = resources.use(await definition.openSource(opening));
  const attempt = new Attempt(options, { sink, source, checkpoints, deadLetters, claim });
  try {
    await attempt.run();
  } finally {
    progress.attemptEnded();
  }
}

function openCheckpoints(definition: PipelineDefinition, signal: AbortSignal): Promise<CheckpointStore> {
  if (definition.openCheckpoints === undefined) throw new Error('neither the sink nor the pipeline keeps checkpoints');
  return definition.openCheckpoints(signal);
}

interface Parts {
  readonly sink: Sink;
  readonly source: Source;
  readonly checkpoints: CheckpointStore;
  readonly deadLetters: DeadLetterStore | undefined;
  readonly claim: Claim;
}

/** The moving parts of one attempt: a reader, a writer, a checkpointer and a look at the source's window. */
class Attempt implements RunningAttempt {
  readonly #options: AttemptOptions;
  readonly #parts: Parts;
  readonly #tracker = new AckTracker();
  readonly #budget: InFlightBudget;
  readonly #batcher: Batcher;
  readonly #checkpointer: Checkpointer;
  readonly #halt = new AbortController();
  readonly #signal: AbortSignal;
  /** First event of every group that is being written, in stream order. */
  readonly #writing = new Map<Ticket, ChangeEvent | undefined>();
  #failure: { readonly error: unknown } | undefined;
  /** Revision of the source's state in the last durable checkpoint. */
  #savedRevision = 0;
  readonly #saved = new Wakeup();

  constructor(options: AttemptOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#signal = AbortSignal.any([this.#halt.signal, options.abort]);
    this.#budget = new InFlightBudget(options.definition.settings.inFlightBytes);
    this.#batcher = new Batcher(parts.sink.limits);
    this.#checkpointer = new Checkpointer(options.definition.settings, (position) => this.#save(position));
  }

  async run(): Promise<void> {
    const from = this.#resumeFrom();
    this.#options.progress.attemptStarted(this.#parts.source, () => this.#inFlight());
    const background = [
      this.#guard(this.#checkpointer.run(this.#signal)),
      this.#guard(this.#watchWindow()),
      this.#guard(this.#watchSink()),
    ];
    await Promise.all([this.#guard(this.#readAll(from)), this.#guard(this.#writeAll())]);
    await this.#saveFinal();
    this.#halt.abort();
    await Promise.all(background);
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#options.abort.throwIfAborted();
  }

  async snapshot(command: SnapshotCommand, signal: AbortSignal): Promise<SnapshotStatus> {
    const { snapshots } = this.#parts.source;
    if (snapshots === undefined) throw noSnapshots(this.#options.definition.sourceName);
    const either = AbortSignal.any([signal, this.#signal]);
    const { status, revision } = await snapshots.command(command);
    while (this.#savedRevision < revision) {
      either.throwIfAborted();
      await this.#saved.wait(either);
    }
    return status;
  }

  /** The checkpoint, or what this process acknowledged since, when nobody else owned the partition in between. */
  #resumeFrom(): ReadFrom | undefined {
    const { progress } = this.#options;
    const { claim, source, sink } = this.#parts;
    const floor = sink.checkpoints === undefined ? progress.floor : undefined;
    const stored = claim.checkpoint;
    progress.floor = stored?.position;
    progress.checkpoint = stored?.position.clusterTime;
    progress.checkpointAtMs = stored?.savedAtMs;
    this.#savedRevision = stored?.position.state?.revision ?? 0;
    // Where the stream has not moved its state may have, so the floor wins a tie.
    if (floor !== undefined && (stored === undefined || comparePositions(floor, stored.position) >= 0)) {
      progress.floor = floor;
      return { position: floor, binding: source.binding };
    }
    return stored === undefined ? undefined : { position: stored.position, binding: stored };
  }

  async #readAll(from: ReadFrom | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#signal, this.#options.stop]);
    let replied = false;
    try {
      for await (const batch of this.#parts.source.read(from, signal)) {
        this.#options.progress.replied(batch);
        if (!replied) await this.#begin(batch, from);
        replied = true;
        await this.#budget.acquire(batch.bytes, this.#signal, batch.inFlightLimitBytes);
        this.#batcher.push(batch);
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    } finally {
      this.#batcher.close();
    }
  }

  /**
   * Runs before anything is delivered. Where there is no position yet, the one of an empty first reply is made durable:
   * otherwise an attempt that fails before its first checkpoint would be followed by one that begins at a later "now".
   */
  async #begin(first: SourceBatch, from: ReadFrom | undefined): Promise<void> {
    if (from === undefined && first.events.length === 0) await this.#save(first.position);
    this.#options.onRunning(this);
  }

  async #writeAll(): Promise<void> {
    const limit = this.#parts.sink.limits.batchesInFlight;
    const writes = new Set<Promise<void>>();
    try {
      for (;;) {
        const group = await this.#batcher.take(this.#signal);
        if (group === undefined) break;
        const write: Promise<void> = this.#guard(this.#deliver(group)).finally(() => writes.delete(write));
        writes.add(write);
        while (writes.size >= limit) await Promise.race(writes);
      }
    } finally {
      await Promise.all(writes);
    }
  }

  async #deliver(group: Group): Promise<void> {
    const { progress, telemetry } = this.#options;
    const ticket = this.#tracker.begin(group.position);
    const [oldest] = group.events;
    if (oldest !== undefined) {
      this.#writing.set(ticket, oldest);
      const startedMs = performance.now();
      await this.#write(group);
      this.#writing.delete(ticket);
      this.#budget.release(group.bytes);
      telemetry.batch(group.events.length, group.bytes, (performance.now() - startedMs) / 1000);
      telemetry.latency(Math.max(0, Date.now() - oldest.sourceTimeMs) / 1000);
    }
    if (!this.#tracker.acknowledge(ticket)) return;
    const floor = this.#tracker.floor as Position;
    progress.floor = floor;
    // A sink that keeps checkpoints has stored this group's own position; anything beyond it is a later heartbeat's.
    const storedWithData = oldest !== undefined && this.#parts.sink.checkpoints !== undefined;
    if (storedWithData && floor === group.position) this.#storedWithData(floor);
    else this.#checkpointer.advance(floor, (oldest !== undefined && !storedWithData) || this.#isNewState(floor));
  }

  async #write(group: Group): Promise<void> {
    const { definition, progress, telemetry } = this.#options;
    const envelopes = group.events.map((event): Envelope => ({ event, namespace: event.namespace }));
    let rejected = 0;
    this.#options.ensureOwned();
    const result = await this.#parts.sink.write(envelopes, {
      checkpoint: this.#checkpoint(group.position),
      signal: this.#signal,
      reject: async (rejections: readonly Rejection[]) => {
        const context = { pipeline: definition.name, ...definition };
        await putRejections(rejections, this.#parts.deadLetters, { context, signal: this.#signal });
        rejected += rejections.length;
        for (const { error, envelope } of rejections) {
          telemetry.deadLetter(error.code);
          const { id, op } = envelope.event;
          this.#options.logger.warn({ code: error.code, event: id, op, reason: error.message }, 'event dead-lettered');
        }
      },
    });
    const ended = result.delivered + result.filtered + rejected;
    if (ended !== group.events.length) {
      throw new Error(`the sink accounted for ${ended} of ${group.events.length} events`);
    }
    progress.acknowledged(result, rejected);
  }

  #checkpoint(position: Position): Checkpoint {
    const { deployment, fingerprint } = this.#parts.source.binding;
    const { partition } = this.#options.definition;
    return { partition, epoch: this.#parts.claim.epoch, position, deployment, fingerprint, savedAtMs: Date.now() };
  }

  #storedWithData(floor: Position): void {
    this.#checkpointer.stored(floor);
    this.#isDurable(floor);
  }

  #isNewState({ state }: Position): boolean {
    return state !== undefined && state.revision > this.#savedRevision;
  }

  #isDurable(position: Position): void {
    this.#options.progress.checkpoint = position.clusterTime;
    this.#options.progress.checkpointAtMs = Date.now();
    if (!this.#isNewState(position)) return;
    this.#savedRevision = position.state?.revision ?? 0;
    this.#saved.wake();
  }

  async #save(position: Position): Promise<void> {
    const startedMs = performance.now();
    await this.#parts.checkpoints.save(this.#checkpoint(position), this.#signal);
    this.#options.telemetry.checkpoint((performance.now() - startedMs) / 1000);
    this.#isDurable(position);
  }

  /** After a clean drain the checkpoint equals the last acknowledgement. */
  async #saveFinal(): Promise<void> {
    if (this.#failure === undefined && !this.#options.abort.aborted) await this.#guard(this.#checkpointer.flush());
  }

  /** A sink that breaks while nothing is written ends the attempt too. */
  async #watchSink(): Promise<void> {
    const { broken } = this.#parts.sink;
    if (broken === undefined) return;
    const { promise: ended, resolve } = Promise.withResolvers<undefined>();
    const end = () => resolve(undefined);
    this.#signal.addEventListener('abort', end, { once: true });
    if (this.#signal.aborted) end();
    const error = await Promise.race([broken, ended]);
    this.#signal.removeEventListener('abort', end);
    if (error !== undefined) throw error;
  }

  async #watchWindow(): Promise<void> {
    while (!this.#signal.aborted) {
      this.#options.progress.window = await this.#window();
      await delay(WINDOW_EVERY_MS, undefined, { signal: this.#signal });
    }
  }

  /** A look that fails only hides a number: what matters fails where events are read, written or remembered. */
  async #window(): Promise<SourceWindow | undefined> {
    try {
      return await this.#parts.source.window(this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      const { code, message } = asSluiceError(error);
      this.#options.logger.debug({ code, reason: message }, 'the window of the source is not known');
      return undefined;
    }
  }

  #inFlight() {
    const [writing] = this.#writing.values();
    return { oldest: writing ?? this.#batcher.oldest, bytes: this.#budget.usedBytes };
  }

  /** Keeps the first failure and halts everything else; what fails because of the halt is not a failure. */
  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (isAbort(error, this.#signal)) return;
      this.#failure ??= { error };
      this.#halt.abort();
    }
  }
}

function noSnapshots(source: string): SluiceError {
  return new SluiceError(`the source ${source} makes no snapshots`, { kind: 'config', code: 'snapshot.not-supported' });
}
