import { setTimeout as delay } from 'node:timers/promises';
import { asSluiceError, type SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ErrorStatus, PipelineState, PipelineStatus } from '../core/status.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { runAttempt } from './attempt.ts';
import { backoffMs } from './backoff.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';
import { Progress } from './progress.ts';

/** Code of the error in the status of a pipeline that was stopped and did not drain in time. */
export const DRAIN_TIMEOUT = 'pipeline.drain-timeout';

/** Above this lag a running pipeline is shown as catching up (ms). */
const CATCHING_UP_ABOVE_MS = 10_000;

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
}

/** Where failures are told. */
export interface PipelineDependencies {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Makes a pipeline out of its definition; nothing is opened before `run`. */
export function createPipeline(definition: PipelineDefinition, dependencies: PipelineDependencies): Pipeline {
  return new SupervisedPipeline(definition, dependencies);
}

/** The only retry loop: transient failures start a new attempt after a backoff, for ever; all others end the pipeline. */
class SupervisedPipeline implements Pipeline {
  readonly #definition: PipelineDefinition;
  readonly #dependencies: PipelineDependencies;
  readonly #progress = new Progress();
  #state: PipelineState = 'starting';
  #sinceMs = Date.now();
  #error: ErrorStatus | undefined;
  #retries = 0;
  #nextTryAtMs: number | undefined;

  constructor(definition: PipelineDefinition, dependencies: PipelineDependencies) {
    this.#definition = definition;
    this.#dependencies = dependencies;
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
    while (!signals.stop.aborted && !signals.abort.aborted) {
      const before = this.#progress.acknowledgedEvents;
      const failure = await this.#attempt(signals);
      if (failure === undefined) break;
      if (this.#progress.acknowledgedEvents > before || this.#ranLong()) this.#retries = 0;
      this.#failed(failure);
      if (failure.kind !== 'transient') return this.#enter('failed');
      if (signals.stop.aborted || signals.abort.aborted) break;
      await this.#backOff(signals);
    }
    this.#enter('stopped');
  }

  async #attempt(signals: PipelineSignals): Promise<SluiceError | undefined> {
    this.#enter('starting');
    const abort = abortAfterDrain(signals, this.#definition.settings.drainTimeoutMs);
    const onRunning = () => this.#recovered(signals.stop.aborted ? 'stopping' : 'running');
    try {
      const { logger, telemetry } = this.#dependencies;
      const parts = { definition: this.#definition, progress: this.#progress, logger, telemetry };
      await runAttempt({ ...parts, stop: signals.stop, abort: abort.signal, onRunning });
      return undefined;
    } catch (error) {
      return this.#whatFailed(error, signals);
    } finally {
      abort.cancel();
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
    const { name, partition, sourceName, sinkName, delivery, settings } = this.#definition;
    const progress = this.#progress;
    const lagMs = progress.lagMs(nowMs);
    const catchingUp = this.#state === 'running' && (lagMs ?? 0) > CATCHING_UP_ABOVE_MS;
    const { window, floor } = progress;
    return {
      name,
      source: sourceName,
      sink: sinkName,
      delivery,
      state: catchingUp ? 'catching-up' : this.#state,
      sinceMs: this.#sinceMs,
      error: this.#error,
      retries: this.#retries,
      nextTryAtMs: this.#nextTryAtMs,
      partition,
      epoch: progress.epoch,
      acknowledged: floor?.clusterTime,
      checkpoint: progress.checkpoint,
      checkpointAtMs: progress.checkpointAtMs,
      lagMs,
      lagEvents: progress.outstanding,
      inFlightBytes: progress.inFlightBytes,
      counts: progress.counts,
      eventsPerSecond: progress.eventsPerSecond(nowMs),
      lastEventAtMs: progress.lastEventAtMs,
      lastProgressAtMs: progress.lastProgressAtMs,
      stalled: progress.stalled(nowMs, settings.stallAfterMs),
      headroomSeconds: window && floor && Math.max(0, floor.clusterTime.t - window.oldest.t),
      windowSeconds: window && window.newest.t - window.oldest.t,
    };
  }
}

/** A signal that fires on `abort`, or when a stop has not drained in time. */
function abortAfterDrain(signals: PipelineSignals, timeoutMs: number) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expire = () => controller.abort(new DOMException('the drain took too long', 'AbortError'));
  const startTimer = () => (timer = setTimeout(expire, timeoutMs));
  signals.stop.addEventListener('abort', startTimer, { once: true });
  if (signals.stop.aborted) startTimer();
  return {
    signal: AbortSignal.any([signals.abort, controller.signal]),
    cancel() {
      clearTimeout(timer);
      signals.stop.removeEventListener('abort', startTimer);
    },
  };
}
