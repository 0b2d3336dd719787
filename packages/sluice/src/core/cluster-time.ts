/** A MongoDB cluster time: seconds since the epoch and an increment within that second. Not unique per event. */
export interface ClusterTime {
  /** Seconds since 1970, as the server's logical clock counts them. */
  readonly t: number;
  /** Increment within the second, from 1. */
  readonly i: number;
}

/** Negative when `a` is earlier than `b`, zero when equal. */
export function compareClusterTime(a: ClusterTime, b: ClusterTime): number {
  return a.t - b.t || a.i - b.i;
}

/** The cluster time as people read it: ISO time of its second, then the increment. */
export function formatClusterTime(time: ClusterTime): string {
  return `${new Date(time.t * 1000).toISOString().replace('.000Z', 'Z')} (${time.t},${time.i})`;
}
