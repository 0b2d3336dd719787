/** A point in time on both clocks of the machine. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Now. Both clocks go on while the process is stopped; only that of the wall goes on while the machine sleeps. */
export function momentNow(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/**
 * Heartbeats that may be missing in a row. The brokers end a session after `group.consumer.session.timeout.ms`, which
 * they do not tell to members; it is nine heartbeat intervals by default (5 s and 45 s) and sensibly never less than
 * three. Half an interval of these three is for the write that begins at the last moment.
 */
const MISSING_INTERVALS = 2.5;

/** A shorter silence says nothing: a busy process does not get round to reading its answers. */
const SHORTEST_SILENCE_MS = 1500;

/**
 * How long ago the coordinator has certainly counted this worker as a member. It counts from when a heartbeat was sent,
 * because the session cannot have been prolonged earlier than that.
 */
export class MembershipAge {
  readonly #now: () => Moment;
  #since: Moment | undefined;
  #limitMs = 0;

  constructor(now: () => Moment = momentNow) {
    this.#now = now;
  }

  /** A heartbeat of this moment was answered; the next one is due an interval after it. */
  confirmed(sent: Moment, intervalMs: number): void {
    this.#since = sent;
    this.#limitMs = Math.max(MISSING_INTERVALS * intervalMs, SHORTEST_SILENCE_MS);
  }

  /** Nobody has confirmed anything about what comes now. */
  forget(): void {
    this.#since = undefined;
  }

  /** False when the session may have ended without this process knowing it. */
  get isCertain(): boolean {
    return this.#since !== undefined && elapsedMs(this.#since, this.#now()) <= this.#limitMs;
  }
}

/** The longer of what the two clocks say: neither a machine that slept nor a clock that was set hides any time. */
export function elapsedMs(from: Moment, to: Moment): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}
