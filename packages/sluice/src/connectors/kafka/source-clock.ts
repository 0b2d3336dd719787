import type { ClusterTime } from '../../core/cluster-time.ts';

/**
 * How far the messages have come in time: the newest time seen, in whole seconds, which never goes back. A time in the
 * future would make all later ones look alike, so it counts as now.
 */
export class SourceClock {
  #seconds = 0;

  get time(): ClusterTime {
    return { t: this.#seconds, i: 0 };
  }

  /** A message with this time was read. Returns the time of its position. */
  see(timestampMs: number): ClusterTime {
    const seconds = Math.floor(Math.min(timestampMs, Date.now()) / 1000);
    if (seconds > this.#seconds) this.#seconds = seconds;
    return this.time;
  }

  /** Everything that exists at this moment was read. */
  caughtUp(): void {
    this.see(Date.now());
  }
}
