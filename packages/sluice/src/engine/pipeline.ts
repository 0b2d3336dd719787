import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SnapshotCommand, SnapshotStatus } from '../core/snapshot.ts';
import type { ErrorStatus, PipelineState, PipelineStatus } from '../core/status.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { abortAfterDrain } from './abort-after-drain.ts';
import { type RunningAttempt, runAttempt } from './attempt.ts';
import { backoffMs } from './backoff.ts';
import { Ownership } from './ownership.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';
import { pipelineStatus, type Supervision } from './pipeline-status.ts';
import { Progress } from './progress.ts';
import { systemClock } from './system-clock.ts';

/** Code of the error in the status of a pipeline that was stopped and did not drain in time. */
export const DRAIN_TIMEOUT = 'pipeline.drain-timeout';

/** After so many failures in a row the lease is given up while this process waits, for another may fare better. */
const GIVE_UP_AFTER_FAILURES = 5;

/** `stop` drains and saves; `abort` ends at once. */
export interface PipelineSignals {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

/** A pipeline that can be run once and looked at at any time. */
export interface Pipeline {
  readonly name: string;
  status(): PipelineStatus;
  /** Resolves with the last status when stopped or failed for good; never rejects because of a failure. */
  run(signals: PipelineSignals): Promise<PipelineStatus>;
  /**
   * Starts, pauses, resumes or cancels a snapshot beside the running stream. Resolves once that holds over a crash;
   * rejects with a `SluiceError` that says why it cannot be done.
   */
  snapshot(command: SnapshotCommand, signal: AbortSignal): Promise<SnapshotStatus>;
}

/** Where failures are told. */
export interface PipelineDependencies {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Measures leases; the system's when left out. */
  readonly clock?: Clock | undefined;
}

/** Makes a pipeline out of its definition; nothing is opened before `run`. */
export function createPipeline(definition: PipelineDefinition, dependencies: PipelineDependencies): Pipeline {
  return new SupervisedPipeline(definition, dependencies);
}

/** How an attempt ended: done, no longer the owner, or with a failure. */
type AttemptEnd = 'done' | 'lost' | SluiceError;

/**
 * The only retry loop: transient failures start a new attempt after a backoff, for ever; all others end the pipeline.
 * With a lease every attempt begins with owning the partition, and who loses it waits for it again.
 */
class SupervisedPipeline implements Pipeline {
  readonly #definition: PipelineDefinition;
  readonly #dependencies: PipelineDependencies;
  readonly #progress = new Progress();
  readonly #ownership: Ownership | undefined;
  #state: PipelineState = 'starting';
  #sinceMs = Date.now();
  #error: ErrorStatus | undefined;
  #retries = 0;
  #nextTryAtMs: number | undefined;
  #troubledSinceMs: number | undefined;
  #running: RunningAttempt | undefined;

  constructor(definition: PipelineDefinition, dependencies: PipelineDependencies) {
    this.#definition = definition;
    this.#dependencies = dependencies;
    const { lease: settings, partition } = definition;
    const { logger, clock = systemClock } = dependencies;
    this.#ownership = settings && new Ownership({ partition, settings, clock, logger });
  }

  get name(): string {
    return this.#definition.name;
  }

  async run(signals: PipelineSignals): Promise<PipelineStatus> {
    const onStop = () => this.#stopping();
    signals.stop.addEventListener('abort', onStop, { once: true });
    try {
      await this.#supervise(signals);
    } finally {
      signals.stop.removeEventListener('abort', onStop);
    }
    return this.status();
  }

  async #supervise(signals: PipelineSignals): Promise<void> {
    const end = await this.#runAttempts(signals);
    const drained = !signals.abort.aborted && this.#error?.code !== DRAIN_TIMEOUT;
    await this.#ownership?.close(drained);
    this.#enter(end);
  }

  async #runAttempts(signals: PipelineSignals): Promise<'stopped' | 'failed'> {
    while (!signals.stop.aborted && !signals.abort.aborted) {
      const before = this.#progress.floorSteps;
      const end = await this.#attempt(signals);
      if (end === 'done') break;
      if (this.#progress.floorSteps > before || this.#ranLong()) this.#retries = 0;
      if (end === 'lost') continue;
      this.#failed(end);
      if (!this.#isRetried(end)) return 'failed';
      if (signals.stop.aborted || signals.abort.aborted) break;
      if (end.kind === 'fenced' || this.#retries >= GIVE_UP_AFTER_FAILURES) await this.#ownership?.release();
      await this.#backOff(signals);
    }
    return 'stopped';
  }

  /** Who owns the lease and is fenced meets somebody without it: one of the two has to go on. */
  #isRetried({ kind }: SluiceError): boolean {
    return kind === 'transient' || (kind === 'fenced' && this.#ownership !== undefined);
  }

  async #attempt(signals: PipelineSignals): Promise<AttemptEnd> {
    this.#enter('starting');
    const abort = abortAfterDrain(signals, this.#definition.settings.drainTimeoutMs);
    const onRunning = (running: RunningAttempt) => {
      this.#running = running;
      this.#recovered(signals.stop.aborted ? 'stopping' : 'running');
    };
    try {
      const lost = await this.#own(signals);
      const { logger, telemetry } = this.#dependencies;
      const parts = { definition: this.#definition, progress: this.#progress, logger, telemetry };
      const ensureOwned = () => this.#ownership?.ensure();
      const signal = AbortSignal.any([abort.signal, ...lost]);
      await runAttempt({ ...parts, stop: signals.stop, abort: signal, ensureOwned, onRunning });
      return 'done';
    } catch (error) {
      return this.#hasLost() ? 'lost' : (this.#whatFailed(error, signals) ?? 'done');
    } finally {
      this.#running = undefined;
      abort.cancel();
    }
  }

  /** Waits until the partition is owned; returns what aborts when it no longer is. */
  async #own(signals: PipelineSignals): Promise<readonly AbortSignal[]> {
    if (this.#ownership === undefined) return [];
    const waiting = new AbortController();
    try {
      const check = () => void this.#check(waiting.signal);
      await this.#ownership.acquire(AbortSignal.any([signals.stop, signals.abort]), () => this.#standBy(check));
    } finally {
      waiting.abort();
    }
    this.#enter('starting');
    return [this.#ownership.lost];
  }

  /** Finds out while there is time what would keep this process from taking over. */
  async #check(signal: AbortSignal): Promise<void> {
    const { logger } = this.#dependencies;
    try {
      for (const { check, level, message, fix } of (await this.#definition.check?.(signal)) ?? []) {
        if (level === 'error') logger.warn({ check, hint: fix }, `this process could not take over: ${message}`);
      }
    } catch (error) {
      if (signal.aborted) return;
      const { code, message, hint } = asSluiceError(error);
      logger.warn({ code, hint }, `this process could not take over: ${message}`);
    }
  }

  /** Nothing is wrong with a process that waits. */
  #standBy(check: () => void): void {
    if (this.#state !== 'standby') check();
    this.#error = undefined;
    this.#retries = 0;
    this.#enter('standby');
  }

  #hasLost(): boolean {
    const reason = this.#ownership?.lostBecause;
    if (reason === undefined) return false;
    this.#dependencies.telemetry.failure(reason.code);
    this.#dependencies.logger.warn({ code: reason.code }, `${reason.message}; nothing more is written`);
    return true;
  }

  async snapshot(command: SnapshotCommand, signal: AbortSignal): Promise<SnapshotStatus> {
    const running = this.#running;
    if (running === undefined) throw notRunning(this.status());
    try {
      return await running.snapshot(command, signal);
    } catch (error) {
      // What ended the attempt also ended the wait for the checkpoint.
      const ended = error instanceof Error && error.name === 'AbortError';
      if (signal.aborted || !ended) throw error;
      throw notRunning(this.status());
    }
  }

  /** An abort that was asked for is a stop, not a failure. */
  #whatFailed(error: unknown, signals: PipelineSignals): SluiceError | undefined {
    const asked = signals.abort.aborted || signals.stop.aborted;
    const echo = error instanceof Error && error.name === 'AbortError';
    if (!asked || !echo) return asSluiceError(error);
    if (signals.stop.aborted && this.#state === 'stopping' && !signals.abort.aborted) {
      const message = 'stopped before everything in flight was acknowledged; it will be read again';
      this.#error = { kind: 'transient', code: DRAIN_TIMEOUT, message, hint: undefined, atMs: Date.now() };
      this.#dependencies.logger.warn({ drainTimeoutMs: this.#definition.settings.drainTimeoutMs }, message);
    }
    return undefined;
  }

  /** The stream is open and its position safe: what failed before is over. */
  #recovered(state: PipelineState): void {
    this.#error = undefined;
    this.#enter(state);
  }

  /** On a quiet stream nothing is acknowledged; having run for longer than any backoff counts as success too. */
  #ranLong(): boolean {
    return this.#state === 'running' && Date.now() - this.#sinceMs > this.#definition.settings.backoff.maxMs;
  }

  #failed(failure: SluiceError): void {
    const { kind, code, message, hint } = failure;
    if (this.#retries === 0) this.#troubledSinceMs = Date.now();
    this.#retries += 1;
    this.#error = { kind, code, message, hint, atMs: Date.now() };
    this.#dependencies.telemetry.failure(code);
    const fields = { code, kind, hint, retries: this.#retries };
    if (kind === 'transient') this.#dependencies.logger.warn(fields, message);
    else if (kind === 'internal') this.#dependencies.logger.error({ ...fields, stack: failure.stack }, message);
    else this.#dependencies.logger.error(fields, message);
  }

  async #backOff(signals: PipelineSignals): Promise<void> {
    const waitMs = backoffMs(this.#retries, this.#definition.settings.backoff);
    this.#nextTryAtMs = Date.now() + waitMs;
    this.#enter('backing-off');
    try {
      await delay(waitMs, undefined, { signal: AbortSignal.any([signals.stop, signals.abort]) });
    } catch {
      // Stopped while waiting: the loop ends.
    }
    this.#nextTryAtMs = undefined;
  }

  #stopping(): void {
    if (this.#state === 'running') this.#enter('stopping');
  }

  #enter(state: PipelineState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#sinceMs = Date.now();
    this.#dependencies.logger.info({ state }, 'pipeline state');
  }

  status(): PipelineStatus {
    const nowMs = Date.now();
    const supervision: Supervision = {
      state: this.#state,
      sinceMs: this.#sinceMs,
      error: this.#error,
      retries: this.#retries,
      nextTryAtMs: this.#nextTryAtMs,
      troubledSinceMs: this.#retries === 0 ? undefined : this.#troubledSinceMs,
      lease: this.#ownership?.status(nowMs),
    };
    return pipelineStatus(this.#definition, this.#progress, { ...supervision, nowMs });
  }
}

function notRunning({ name, state, error }: PipelineStatus): SluiceError {
  return new SluiceError(`the pipeline ${name} does not run at the moment: it is ${state}`, {
    kind: 'transient',
    code: 'pipeline.not-running',
    hint: error === undefined ? 'Try again when it runs.' : `It failed: ${error.message}.`,
  });
}
