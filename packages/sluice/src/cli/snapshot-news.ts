import type { Logger } from '../core/logger.ts';
import type { SnapshotStatus } from '../core/snapshot.ts';
import type { PipelineStatus } from '../core/status.ts';
import { isUnfinished } from './snapshot-text.ts';

const PROGRESS_EVERY_MS = 10_000;

/** What was last told about the snapshot of one pipeline. */
interface Told {
  readonly startedAtMs: number;
  readonly state: SnapshotStatus['state'];
  readonly copied: ReadonlySet<string>;
  readonly progressAtMs: number;
}

/** What is told. */
export interface NewsOptions {
  /** False where progress is on the screen anyway. */
  readonly withProgress: boolean;
  /** When this process began: a snapshot that is older goes on, and what it has copied is no news. */
  readonly sinceMs: number;
}

/**
 * Tells the log how snapshots go: when one starts or goes on after a restart, when a collection is done, when it is
 * paused, resumed and over, and every ten seconds how far it is. It is shown the statuses often.
 */
export class SnapshotNews {
  readonly #logger: Logger;
  readonly #options: NewsOptions;
  readonly #told = new Map<string, Told>();

  constructor(logger: Logger, options: NewsOptions) {
    this.#logger = logger;
    this.#options = options;
  }

  observe(statuses: readonly PipelineStatus[], nowMs: number): void {
    for (const status of statuses) {
      if (status.snapshot !== undefined) this.#observe(status, status.snapshot, nowMs);
    }
  }

  #observe(status: PipelineStatus, snapshot: SnapshotStatus, nowMs: number): void {
    const logger = this.#logger.child({ pipeline: status.name });
    const last = this.#told.get(status.name);
    const known = last?.startedAtMs === snapshot.startedAtMs ? last : undefined;
    if (known === undefined) this.#tellStart(snapshot, logger);
    const copied = this.#tellCopied(snapshot, known, logger);
    this.#tellState(status, snapshot, known, logger);
    const { startedAtMs, state } = snapshot;
    const isDue = known !== undefined && nowMs - known.progressAtMs >= PROGRESS_EVERY_MS;
    if (isDue && isUnfinished(snapshot) && this.#options.withProgress)
      logger.info(snapshotFields(status), 'snapshot progress');
    const progressAtMs = known === undefined || isDue ? nowMs : known.progressAtMs;
    this.#told.set(status.name, { startedAtMs, state, copied, progressAtMs });
  }

  #tellStart({ reason, rows, estimatedRows, collections, startedAtMs }: SnapshotStatus, logger: Logger): void {
    const fields = { reason, collections: collections.length, estimatedRows };
    if (startedAtMs >= this.#options.sinceMs) logger.info(fields, 'snapshot started');
    else logger.info({ ...fields, rows }, 'snapshot goes on where it was');
  }

  /** Returns the collections that are copied by now. */
  #tellCopied(snapshot: SnapshotStatus, known: Told | undefined, logger: Logger): ReadonlySet<string> {
    const copied = snapshot.collections.filter(({ state }) => state === 'completed');
    const isNews = known !== undefined || snapshot.startedAtMs >= this.#options.sinceMs;
    for (const { namespace, rows } of copied) {
      if (isNews && known?.copied.has(namespace) !== true) logger.info({ namespace, rows }, 'collection copied');
    }
    return new Set(copied.map(({ namespace }) => namespace));
  }

  #tellState(status: PipelineStatus, snapshot: SnapshotStatus, known: Told | undefined, logger: Logger): void {
    const { state, startedAtMs, endedAtMs } = snapshot;
    const before = known?.state ?? 'copying';
    if (state === before) return;
    const seconds = endedAtMs === undefined ? undefined : Math.round((endedAtMs - startedAtMs) / 1000);
    const fields = { ...snapshotFields(status), seconds };
    if (state === 'copying') logger.info(fields, 'snapshot resumed');
    else if (state === 'completed') logger.info(fields, 'snapshot completed');
    else logger.warn(fields, `snapshot ${state}`);
  }
}

/** A snapshot as fields of a log line. */
function snapshotFields({ snapshot, headroomSeconds }: PipelineStatus): object {
  if (snapshot === undefined) return {};
  const { reason, state, waitsFor, percent, rows, estimatedRows, rowsPerSecond, etaSeconds, collections } = snapshot;
  return {
    reason,
    state,
    waitsFor,
    percent,
    rows,
    estimatedRows,
    rowsPerSecond: Math.round(rowsPerSecond),
    etaSeconds: etaSeconds === undefined ? undefined : Math.round(etaSeconds),
    collectionsLeft: collections.filter((collection) => collection.state !== 'completed').length,
    headroomSeconds,
  };
}
