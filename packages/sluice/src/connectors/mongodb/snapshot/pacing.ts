/** What keeps a copy from reading at the moment, while the stream goes on. */
export type WaitReason = 'stream' | 'replication' | 'rate-limit';

/** How gently a collection is read. */
export interface PacingSettings {
  readonly maxRowsPerSecond?: number | undefined;
  readonly maxBytesPerSecond?: number | undefined;
  /** Copying waits while the stream is further behind (ms). */
  readonly maxStreamLag: number;
  /** Copying waits while the majority of the replica set is further behind (ms). */
  readonly maxReplicationLag: number;
}

/** The server's clock is taken to differ by no more than this from ours (ms). */
const MAX_SKEW_MS = 60_000;

/** Decides when the next chunk may be read. Times are given from outside; no clock of its own. */
export class Pacing {
  readonly #settings: PacingSettings;
  #freeAtMs = 0;
  #behind = 0;
  /** When the last change happened, while the server has more. */
  #lastChangeMs: number | undefined;
  /** What the clocks differ at least by, as far as it can be told. */
  #skewMs = MAX_SKEW_MS;

  constructor(settings: PacingSettings) {
    this.#settings = settings;
  }

  /** Rows that one read may have at most: with a limit, what may be read in a quarter of a second. */
  get maxRows(): number {
    const { maxRowsPerSecond } = this.#settings;
    return maxRowsPerSecond === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(maxRowsPerSecond / 4));
  }

  /** Bytes that one read should have at most. */
  get maxBytes(): number {
    const { maxBytesPerSecond } = this.#settings;
    return maxBytesPerSecond === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(maxBytesPerSecond / 4));
  }

  /** Notes what a read gave: the next one waits until the limits allow it. */
  spent(rows: number, bytes: number, nowMs: number): void {
    const { maxRowsPerSecond = Number.POSITIVE_INFINITY, maxBytesPerSecond = Number.POSITIVE_INFINITY } =
      this.#settings;
    const tookMs = 1000 * Math.max(rows / maxRowsPerSecond, bytes / maxBytesPerSecond);
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + tookMs;
  }

  /** Notes how far the majority of the replica set is behind (s). A single high value can be an echo of a quiet time. */
  replicationLag(seconds: number | undefined): void {
    const high = (seconds ?? 0) * 1000 > this.#settings.maxReplicationLag;
    this.#behind = high ? this.#behind + 1 : 0;
  }

  /** Notes an answer of the stream, with the time of its last change by the server's clock. */
  streamReplied(lastChangeMs: number | undefined, caughtUp: boolean, nowMs: number): void {
    if (lastChangeMs !== undefined) this.#skewMs = Math.min(this.#skewMs, nowMs - lastChangeMs);
    this.#lastChangeMs = caughtUp ? undefined : (lastChangeMs ?? this.#lastChangeMs);
  }

  /** Why no chunk may be read now; undefined when one may. `waitingChangeMs`: time of the oldest change that waits. */
  waitsFor(nowMs: number, waitingChangeMs: number | undefined): WaitReason | undefined {
    const oldestMs = Math.min(waitingChangeMs ?? nowMs, this.#lastChangeMs ?? nowMs);
    if (nowMs - oldestMs - this.#skewMs > this.#settings.maxStreamLag) return 'stream';
    if (this.#behind > 1) return 'replication';
    return nowMs < this.#freeAtMs ? 'rate-limit' : undefined;
  }

  /** How long until the rate limit ends (ms). */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#freeAtMs - nowMs);
  }
}
