import type { ClusterTime } from './cluster-time.ts';

/**
 * A resume point of one partition. Only the source that issued it can interpret the token; everybody else may
 * compare two positions of the same partition and show the cluster time.
 *
 * Contract: within one partition, tokens compare as strings in stream order. MongoDB's `_data` hex does
 * (cluster time, then index in the transaction, then document key).
 */
export interface Position {
  /** The source's own form (MongoDB: the resume token's `_data`). Empty when only a time is known. */
  readonly token: string;
  /** Where to continue when the token is refused, and what lag is measured from. */
  readonly clusterTime: ClusterTime;
  /** What the source has to remember besides its place in the stream; undefined when that is nothing. */
  readonly state?: SourceState | undefined;
}

/** A source's own memory that belongs to a position, e.g. how far a snapshot has come. Opaque to everybody else. */
export interface SourceState {
  /** Grows with every change of the state. */
  readonly revision: number;
  /** The source's own form; made when it is asked for. */
  readonly text: string;
}

/**
 * Order of two positions of one partition: that of the stream, then that of the source's state. A position without a
 * token orders by its cluster time.
 */
export function comparePositions(a: Position, b: Position): number {
  const byTime = a.clusterTime.t - b.clusterTime.t || a.clusterTime.i - b.clusterTime.i;
  if (byTime !== 0) return byTime;
  if (a.token === b.token) return (a.state?.revision ?? 0) - (b.state?.revision ?? 0);
  if (a.token === '' || b.token === '') return 0;
  return a.token < b.token ? -1 : 1;
}
