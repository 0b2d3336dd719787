import { RateMeter } from '../../../core/rate-meter.ts';
import type { CollectionSnapshotStatus, SnapshotStatus } from '../../../core/snapshot.ts';
import type { WaitReason } from './pacing.ts';
import { type CollectionCopy, isCopied, type SnapshotRun } from './snapshot-state.ts';

/** Follows a run and tells how far it is. */
export class SnapshotProgress {
  #rate = new RateMeter();
  #rows = 0;
  #run: SnapshotRun | undefined;
  #error: string | undefined;
  #ended: { readonly state: 'completed' | 'cancelled'; readonly atMs: number } | undefined;

  /** Notes how the run looks now. */
  observe(run: SnapshotRun, nowMs: number): void {
    if (run.startedAtMs !== this.#run?.startedAtMs) {
      this.#rate = new RateMeter();
      this.#error = undefined;
      this.#rows = sumOf(run, ({ rows }) => rows);
      this.#rate.add(0, nowMs);
    }
    const rows = sumOf(run, (copy) => copy.rows);
    this.#rate.add(Math.max(0, rows - this.#rows), nowMs);
    this.#rows = rows;
    this.#run = run;
    this.#ended = undefined;
  }

  /** Notes why the run is about to be given up. */
  failed(message: string): void {
    this.#error = message;
  }

  /** Notes that all was copied before this process began. */
  nothingToDo(nowMs: number): void {
    const none = {
      reason: 'initial',
      startedAtMs: nowMs,
      since: { t: 0, i: 0 },
      paused: false,
      collections: new Map(),
    };
    this.observe(none as SnapshotRun, nowMs);
    this.end(none as SnapshotRun, nowMs);
  }

  /** Notes that no run is under way; `finished` is the last one that came to its end, the others were cancelled. */
  end(finished: SnapshotRun | undefined, nowMs: number): void {
    if (this.#run === undefined || this.#ended !== undefined) return;
    const completed = finished?.startedAtMs === this.#run.startedAtMs;
    if (completed) this.observe(finished, nowMs);
    this.#ended = { state: completed ? 'completed' : 'cancelled', atMs: nowMs };
  }

  /** Undefined when there was no run. */
  status(waitsFor: WaitReason | undefined, nowMs: number): SnapshotStatus | undefined {
    const run = this.#run;
    if (run === undefined) return undefined;
    const ended = this.#ended;
    const copies = [...run.collections.values()];
    const collections = copies.map((copy) => collectionStatus(copy, ended?.state === 'completed'));
    const rowsPerSecond = ended === undefined ? this.#rate.perSecond(nowMs) : 0;
    const estimatedRows = total(copies.map(estimateOf));
    return {
      reason: run.reason,
      state: ended?.state ?? (run.paused ? 'paused' : 'copying'),
      waitsFor: ended === undefined && !run.paused ? waitsFor : undefined,
      startedAtMs: run.startedAtMs,
      endedAtMs: ended?.atMs,
      error: this.#error,
      rows: this.#rows,
      bytes: sumOf(run, ({ bytes }) => bytes),
      estimatedRows,
      percent: ended?.state === 'completed' ? 100 : percentOf(this.#rows, estimatedRows),
      rowsPerSecond,
      etaSeconds: ended === undefined ? etaOf(estimatedRows, this.#rows, rowsPerSecond) : undefined,
      collections,
    };
  }
}

function collectionStatus(copy: CollectionCopy, completed: boolean): CollectionSnapshotStatus {
  const { namespace, rows } = copy;
  const estimatedRows = estimateOf(copy);
  const copied = completed || isCopied(copy);
  const begun = rows > 0 || copy.remaining !== undefined;
  return {
    namespace: `${namespace.db}.${namespace.coll}`,
    state: copied ? 'completed' : begun ? 'copying' : 'pending',
    rows,
    estimatedRows: copied ? rows : estimatedRows,
    percent: copied ? 100 : percentOf(rows, estimatedRows),
  };
}

/** What a collection will have given in the end, as far as it can be told; with a query it cannot. */
function estimateOf(copy: CollectionCopy): number | undefined {
  if (isCopied(copy)) return copy.rows;
  const { estimatedRows, rows, match } = copy;
  return estimatedRows === undefined || match !== undefined ? undefined : Math.max(rows, estimatedRows);
}

function total(estimates: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const estimate of estimates) {
    if (estimate === undefined) return undefined;
    sum += estimate;
  }
  return sum;
}

function percentOf(rows: number, estimated: number | undefined): number | undefined {
  if (estimated === undefined) return undefined;
  return estimated === 0 ? 99 : Math.min(99, Math.floor((100 * rows) / estimated));
}

function etaOf(estimated: number | undefined, rows: number, perSecond: number): number | undefined {
  return estimated === undefined || perSecond === 0 ? undefined : Math.max(0, estimated - rows) / perSecond;
}

function sumOf(run: SnapshotRun, value: (copy: CollectionCopy) => number): number {
  let sum = 0;
  for (const copy of run.collections.values()) sum += value(copy);
  return sum;
}
