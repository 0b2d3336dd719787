import type { ChangeEvent } from '../core/change-event.ts';
import type { Checkpoint } from '../core/checkpoint.ts';
import { isAbort, SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { comparePositions, type Position } from '../core/position.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { ReadFrom, SourceBatch } from '../core/source.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { Wakeup } from '../core/wakeup.ts';
import { AckTracker, type Ticket } from './ack-tracker.ts';
import { Batcher, type Group } from './batcher.ts';
import { Checkpointer } from './checkpointer.ts';
import { documentOf } from './dead-letters.ts';
import { InFlightBudget } from './in-flight-budget.ts';
import { Lanes } from './lanes.ts';
import { openParts, type Parts } from './open-parts.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';
import type { Progress } from './progress.ts';
import { enveloped, type Prepared, type PreparedEvents, runSteps } from './run-steps.ts';
import { watchSink, watchWindow } from './watch.ts';
import { Writer } from './writer.ts';

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
  const parts = await openParts(definition, { resources, ensureOwned: options.ensureOwned, signal: opening });
  progress.claimed(parts.claim.epoch);
  const attempt = new Attempt(options, parts);
  try {
    await attempt.run();
  } finally {
    progress.attemptEnded();
  }
}

/** A group on its way: its place among all groups, and what the steps made of it. */
interface Delivery {
  readonly group: Group;
  readonly ticket: Ticket;
  readonly prepared: PreparedEvents;
}

/** Groups on their way at the same time over lanes; what bounds them is the in-flight budget. */
const GROUPS_OVER_LANES = 1_024;

/** The moving parts of one attempt: a reader, a writer, a checkpointer and a look at the source's window. */
class Attempt implements RunningAttempt {
  readonly #options: AttemptOptions;
  readonly #parts: Parts;
  readonly #tracker = new AckTracker();
  readonly #budget: InFlightBudget;
  readonly #batcher: Batcher;
  readonly #checkpointer: Checkpointer;
  readonly #writer: Writer;
  readonly #lanes: Lanes | undefined;
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
    const { definition } = options;
    const parks = parts.parked !== undefined;
    this.#batcher = new Batcher(parts.sink.limits, parks ? (event) => documentOf(event, definition) : undefined);
    this.#checkpointer = new Checkpointer(definition.settings, (position) => this.#save(position));
    const context = {
      pipeline: definition.name,
      partition: definition.partition,
      describeKey: definition.describeKey.bind(definition),
      orderingKey: definition.orderingKey.bind(definition),
    };
    const ensureOwned = () => {
      options.ensureOwned();
      parts.source.ensureOwned?.();
    };
    this.#writer = new Writer({ ...options, ...parts, context, ensureOwned, signal: this.#signal });
    this.#lanes = this.#makeLanes();
  }

  /** Only for a sink that can write different keys at the same time. */
  #makeLanes(): Lanes | undefined {
    const { limits } = this.#parts.sink;
    if (limits.lanes === undefined) return undefined;
    const { definition } = this.#options;
    return new Lanes({
      count: definition.concurrency ?? limits.lanes,
      limits,
      merge: this.#parts.parked === undefined,
      orderingKey: ({ envelope }) => definition.orderingKey(envelope.event),
      // Such a sink keeps no checkpoint with the data.
      write: async (items) => {
        const position = items.at(-1)?.envelope.event.position as Position;
        await this.#writer.write(items, this.#checkpoint(position));
      },
    });
  }

  async run(): Promise<void> {
    const from = this.#resumeFrom();
    const { source, sink } = this.#parts;
    this.#options.progress.attemptStarted(source, sink, () => this.#inFlight());
    const background = [
      this.#guard(this.#checkpointer.run(this.#signal)),
      this.#guard(watchWindow(source, { ...this.#options, signal: this.#signal })),
      this.#guard(watchSink(sink, this.#signal)),
      this.#guard(this.#parts.parked?.run(this.#signal) ?? Promise.resolve()),
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
    if (source.checkpoints !== undefined) return undefined;
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
        if (batch.takenOver === true) await this.#parts.parked?.load(this.#signal);
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
    const writes = new Set<Promise<void>>();
    const limit = this.#groupsInFlight();
    try {
      for (;;) {
        const group = await this.#batcher.take(this.#signal);
        if (group === undefined) break;
        const delivery = await this.#prepare(group);
        const write: Promise<void> = this.#guard(this.#deliver(delivery)).finally(() => writes.delete(write));
        writes.add(write);
        while (writes.size >= limit) await Promise.race(writes);
      }
    } finally {
      await Promise.all(writes);
      await this.#lanes?.idle();
    }
  }

  /** What is parked can only be known after the write before; the lanes see to that themselves. */
  #groupsInFlight(): number {
    if (this.#lanes !== undefined) return GROUPS_OVER_LANES;
    return this.#parts.parked === undefined ? this.#parts.sink.limits.batchesInFlight : 1;
  }

  /** Groups are prepared one after the other, so that they are written in their order. */
  async #prepare(group: Group): Promise<Delivery> {
    const ticket = this.#tracker.begin(group.position);
    const [oldest] = group.events;
    if (oldest !== undefined) this.#writing.set(ticket, oldest);
    const { steps } = this.#parts;
    const prepared = steps.length === 0 ? enveloped(group.events) : await runSteps(group.events, steps, this.#signal);
    return { group, ticket, prepared };
  }

  async #deliver({ group, ticket, prepared }: Delivery): Promise<void> {
    const { items, filtered } = prepared;
    let storedWithData = false;
    if (group.events.length > 0) {
      if (filtered > 0) this.#options.progress.acknowledged({ delivered: 0, filtered }, 0);
      if (this.#lanes !== undefined) await this.#lanes.deliver(items);
      else storedWithData = await this.#writeInOrder(items, group.position);
      this.#writing.delete(ticket);
      this.#budget.release(group.bytes);
    }
    if (this.#tracker.acknowledge(ticket)) this.#floorMoved(group, storedWithData);
  }

  /** True when the sink has stored the position together with the data. */
  async #writeInOrder(items: readonly Prepared[], position: Position): Promise<boolean> {
    const written = await this.#writer.write(items, this.#checkpoint(position));
    return written && this.#parts.sink.checkpoints !== undefined;
  }

  #floorMoved(group: Group, storedWithData: boolean): void {
    const floor = this.#tracker.floor as Position;
    this.#options.progress.floor = floor;
    if (group.events.length > 0) this.#options.progress.floorSteps += 1;
    this.#parts.source.acknowledged?.(floor);
    // A sink that keeps checkpoints has stored this group's own position; anything beyond it is a later heartbeat's.
    if (storedWithData && floor === group.position) this.#storedWithData(floor);
    else this.#checkpointer.advance(floor, (group.events.length > 0 && !storedWithData) || this.#isNewState(floor));
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
