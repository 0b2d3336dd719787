import { setTimeout as delay } from 'node:timers/promises';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import type { SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import type { Invocation, Outcome } from './action.ts';
import { EXIT, signalExitCode } from './exit-code.ts';
import { LiveBlock } from './live-block.ts';
import { chosenStatuses, type RunningProcess, UNREACHABLE } from './running-process.ts';
import { listenForSignals } from './signals.ts';
import type { SnapshotOptions } from './snapshot.ts';
import { collectionLines, isUnfinished, snapshotLine } from './snapshot-text.ts';
import type { Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 1_000;
const LINE_EVERY_MS = 5_000;
const COLLECTIONS_SHOWN = 10;
/** A process that is started again goes on with the snapshot; this long it may be away. */
const AWAY_LIMIT_MS = 30_000;
/** A process that has just begun again may not know its snapshot at the first look. */
const LOOKS_WITHOUT = 5;

/** Which snapshot is followed, and where. */
export interface Followed {
  readonly running: RunningProcess;
  /** Of the pipeline. */
  readonly name: string;
  /** Tells this snapshot from another one. */
  readonly startedAtMs: number;
}

/** Shows the progress of a snapshot until it ended, its pipeline did, or Ctrl-C. */
export async function followSnapshot(invocation: Invocation<SnapshotOptions>, followed: Followed): Promise<Outcome> {
  const { terminal, options } = invocation;
  using signals = listenForSignals();
  using view = progressView(terminal, options.quiet === true);
  const follower = new Follower(followed);
  while (!signals.stop.aborted) {
    const status = await follower.look(signals.stop);
    if (status !== undefined) {
      const ended = follower.endOf(status);
      if (ended !== undefined) return outcomeOf(ended, status, terminal);
      view.show(status, Date.now());
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: signals.stop }).catch(() => {});
  }
  const { name } = followed;
  const next = `"sluice status" shows it, "sluice snapshot ${name} --cancel" ends it`;
  terminal.message(`not followed any more; the snapshot goes on: ${next}\n`);
  return { exitCode: signalExitCode(signals.received() ?? 'SIGINT') };
}

/** Looks again and again, and bears with a process that is started anew: the snapshot goes on where it was. */
class Follower {
  readonly #followed: Followed;
  #answeredAtMs = Date.now();
  #looksWithout = 0;

  constructor(followed: Followed) {
    this.#followed = followed;
  }

  /** The pipeline as it is now; undefined while its process is away for a moment, or when nobody wants to know. */
  async look(signal: AbortSignal): Promise<PipelineStatus | undefined> {
    const { running, name } = this.#followed;
    try {
      const [status] = chosenStatuses(await running.statuses(signal), [name]);
      this.#answeredAtMs = Date.now();
      return status;
    } catch (error) {
      const away = asSluiceError(error).code === UNREACHABLE && Date.now() - this.#answeredAtMs < AWAY_LIMIT_MS;
      if (signal.aborted || away) return undefined;
      throw error;
    }
  }

  /** The snapshot as it ended; undefined while it goes on. Throws when it will not, or nobody knows what became of it. */
  endOf(status: PipelineStatus): SnapshotStatus | undefined {
    const { state, snapshot } = status;
    const isIt = snapshot?.startedAtMs === this.#followed.startedAtMs;
    if (isIt && !isUnfinished(snapshot)) return snapshot;
    if (state === 'failed' || state === 'stopped') throw pipelineEnded(status);
    const isRunning = state === 'running' || state === 'catching-up';
    this.#looksWithout = isRunning && !isIt ? this.#looksWithout + 1 : 0;
    if (this.#looksWithout >= LOOKS_WITHOUT) throw endedUnseen(status.name);
    return undefined;
  }
}

function outcomeOf(snapshot: SnapshotStatus, status: PipelineStatus, { paint }: Terminal): Outcome {
  const exitCode = snapshot.state === 'completed' ? EXIT.ok : EXIT.assertion;
  const text = `${status.name}: ${snapshotLine(status, paint, Date.now())}\n`;
  return { exitCode, result: { pipeline: status.name, snapshot }, text };
}

function pipelineEnded(status: PipelineStatus): SluiceError {
  const { name, state, error } = status;
  const why = error === undefined ? '' : `: ${error.message} (${error.code})`;
  return new SluiceError(`the pipeline "${name}" has ${state} before the snapshot was complete${why}`, {
    kind: error?.kind === 'config' ? 'config' : 'transient',
    code: 'cli.pipeline-ended',
    hint: 'The snapshot goes on where it was when the pipeline runs again.',
  });
}

function endedUnseen(name: string): SluiceError {
  return new SluiceError(`the snapshot of "${name}" has ended, and how is not known any more`, {
    kind: 'transient',
    code: 'cli.snapshot-unknown',
    hint: 'Another one runs now, or the process was started again; its log tells how it ended.',
  });
}

interface ProgressView extends Disposable {
  show(status: PipelineStatus, nowMs: number): void;
}

/** Redrawn in place on a terminal, else a line now and then; nothing when quiet. */
function progressView({ isInteractive, paintMessage, message }: Terminal, quiet: boolean): ProgressView {
  if (quiet) return { show() {}, [Symbol.dispose]() {} };
  const line = (status: PipelineStatus, nowMs: number) =>
    `${status.name}: ${snapshotLine(status, paintMessage, nowMs)}`;
  if (isInteractive) {
    const block = new LiveBlock(process.stderr);
    return {
      show(status, nowMs) {
        const collections = status.snapshot === undefined ? [] : collectionLines(status.snapshot, COLLECTIONS_SHOWN);
        block.show([line(status, nowMs), ...collections.map((collection) => `  ${collection}`)]);
      },
      [Symbol.dispose]: () => block.end(),
    };
  }
  let nextAtMs = 0;
  return {
    show(status, nowMs) {
      if (nowMs < nextAtMs || status.snapshot === undefined) return;
      nextAtMs = nowMs + LINE_EVERY_MS;
      message(`${line(status, nowMs)}\n`);
    },
    [Symbol.dispose]() {},
  };
}
