import type { ChangeEvent } from '../core/change-event.ts';
import type { Epoch } from '../core/checkpoint.ts';
import type { ClusterTime } from '../core/cluster-time.ts';
import type { Position } from '../core/position.ts';
import { RateMeter } from '../core/rate-meter.ts';
import type { Sink, WriteResult } from '../core/sink.ts';
import type { SnapshotStatus } from '../core/snapshot.ts';
import type { PartOffset, Source, SourceBatch, SourceGap, SourceWindow } from '../core/source.ts';
import type { EventCounts } from '../core/status.ts';

/** Without a reply for this long the source counts as silent, and lag grows with the silence (ms). */
const SILENT_AFTER_MS = 5_000;

/** What the running attempt holds, asked when a status is made. */
export interface InFlightView {
  readonly oldest: ChangeEvent | undefined;
  readonly bytes: number;
}

/**
 * What a pipeline has done so far, over all its attempts. The attempt reports here; the status is derived from it.
 * After an attempt failed, what it had read and not acknowledged is taken back: it will be read again.
 */
export class Progress {
  readonly #rate = new RateMeter();
  #read = 0;
  #delivered = 0;
  #filtered = 0;
  #deadLettered = 0;
  #reread = 0;
  #lastReplyAtMs: number | undefined;
  #lastAckAtMs: number | undefined;
  #lastEventAtMs: number | undefined;
  #lastEventSourceTimeMs: number | undefined;
  #waitingSinceMs: number | undefined;
  #caughtUp = false;
  #inFlight: (() => InFlightView) | undefined;
  #source: Source | undefined;
  #sink: Sink | undefined;
  #offsets: { readonly source: readonly PartOffset[]; readonly sink: readonly PartOffset[] } = { source: [], sink: [] };
  #snapshot: SnapshotStatus | undefined;
  #gap: SourceGap | undefined;

  epoch: Epoch | undefined;
  /** The acknowledged floor, kept over attempts; with the epoch it was reached in. */
  floor: Position | undefined;
  /** Grows whenever the floor has passed events; tells an attempt that got somewhere from one that did not. */
  floorSteps = 0;
  checkpoint: ClusterTime | undefined;
  checkpointAtMs: number | undefined;
  window: SourceWindow | undefined;

  get counts(): EventCounts {
    return {
      read: this.#read,
      delivered: this.#delivered,
      filtered: this.#filtered,
      deadLettered: this.#deadLettered,
      reread: this.#reread,
    };
  }

  /** Events read and not ended. */
  get outstanding(): number {
    return this.#read - this.#delivered - this.#filtered - this.#deadLettered;
  }

  get lastEventAtMs(): number | undefined {
    return this.#lastEventAtMs;
  }

  get lastProgressAtMs(): number | undefined {
    if (this.#lastReplyAtMs === undefined) return this.#lastAckAtMs;
    return Math.max(this.#lastReplyAtMs, this.#lastAckAtMs ?? 0);
  }

  get inFlightBytes(): number {
    return this.#inFlight?.().bytes ?? 0;
  }

  /** The snapshot of the source that runs, else what the last one that ran had to say. */
  snapshot(nowMs: number): SnapshotStatus | undefined {
    return this.#source?.snapshots?.status(nowMs) ?? this.#snapshot;
  }

  get gap(): SourceGap | undefined {
    return this.#source?.gap ?? this.#gap;
  }

  /** Where the source and the sink stand in their brokers; where the last attempt stood while none runs. */
  get offsets(): { readonly source: readonly PartOffset[]; readonly sink: readonly PartOffset[] } {
    if (this.#source === undefined) return this.#offsets;
    return { source: this.#source.offsets?.() ?? [], sink: this.#sink?.offsets?.() ?? [] };
  }

  eventsPerSecond(nowMs: number): number {
    return this.#rate.perSecond(nowMs);
  }

  /** Notes a claim. When somebody else owned the partition since the last one, what was acknowledged here no longer counts. */
  claimed(epoch: Epoch): void {
    if (this.epoch === undefined || epoch !== this.epoch + 1) this.floor = undefined;
    this.epoch = epoch;
  }

  attemptStarted(source: Source, sink: Sink, inFlight: () => InFlightView): void {
    this.#source = source;
    this.#sink = sink;
    this.#inFlight = inFlight;
    this.#lastReplyAtMs = Date.now();
    this.#waitingSinceMs = undefined;
  }

  attemptEnded(): void {
    this.#snapshot = this.snapshot(Date.now());
    this.#gap = this.gap;
    this.#offsets = this.offsets;
    this.#source = undefined;
    this.#sink = undefined;
    this.#inFlight = undefined;
    const givenBack = this.outstanding;
    this.#read -= givenBack;
    this.#reread += givenBack;
    this.#caughtUp = false;
  }

  replied(batch: SourceBatch): void {
    const now = Date.now();
    this.#lastReplyAtMs = now;
    this.#caughtUp = batch.caughtUp;
    if (batch.events.length === 0) return;
    if (this.outstanding === 0) this.#waitingSinceMs = now;
    this.#read += batch.events.length;
    this.#lastEventAtMs = now;
    this.#lastEventSourceTimeMs = batch.events.at(-1)?.sourceTimeMs;
  }

  acknowledged(result: WriteResult, deadLettered: number): void {
    const now = Date.now();
    this.#delivered += result.delivered;
    this.#filtered += result.filtered;
    this.#deadLettered += deadLettered;
    this.#lastAckAtMs = now;
    this.#waitingSinceMs = this.outstanding > 0 ? now : undefined;
    this.#rate.add(result.delivered + result.filtered + deadLettered, now);
  }

  /** Age of the oldest change that is not acknowledged; 0 when caught up; undefined when it cannot be known. */
  lagMs(nowMs: number): number | undefined {
    if (this.#inFlight === undefined) return this.#sinceFloorMs(nowMs);
    if (this.#lastReplyAtMs === undefined) return undefined;
    const silentMs = nowMs - this.#lastReplyAtMs;
    const silence = silentMs > SILENT_AFTER_MS ? silentMs : 0;
    const oldest = this.#inFlight?.().oldest;
    if (oldest !== undefined) return Math.max(silence, nowMs - oldest.sourceTimeMs, 0);
    if (this.#caughtUp || this.#lastEventSourceTimeMs === undefined) return silence;
    return Math.max(silence, nowMs - this.#lastEventSourceTimeMs, 0);
  }

  /** While nothing runs nobody knows what happened at the source: anything since the acknowledged position may be late. */
  #sinceFloorMs(nowMs: number): number | undefined {
    return this.floor === undefined ? undefined : Math.max(0, nowMs - this.floor.clusterTime.t * 1000);
  }

  /** True when the sink has not acknowledged, or the source not replied, for longer than the limit. */
  stalled(nowMs: number, stallAfterMs: number): boolean {
    if (this.#inFlight === undefined) return false;
    if (this.#waitingSinceMs !== undefined) return nowMs - this.#waitingSinceMs > stallAfterMs;
    return this.#lastReplyAtMs !== undefined && nowMs - this.#lastReplyAtMs > stallAfterMs;
  }
}
