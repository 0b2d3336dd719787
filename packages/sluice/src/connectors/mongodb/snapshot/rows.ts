import { SnapshotRow } from '../../../bson/snapshot-row.ts';
import { type BsonValue, formatNamespace } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Position } from '../../../core/position.ts';
import type { Structure } from './marker-events.ts';
import { asSourceState, type CollectionCopy, changeCopy, type Interval, type SnapshotState } from './snapshot-state.ts';

/** What a chunk read gave: documents in the order of `_id`. */
export interface ChunkResult {
  readonly rows: readonly Uint8Array[];
  readonly bytes: number;
  /** The key to continue behind; undefined when the interval is finished. */
  readonly next: BsonValue | undefined;
  readonly readAtMs: number;
  /** Keys that were gone through; more than rows where a query left some out. */
  readonly keys: number;
  /** What the collection is like: goes in front of its first rows. */
  readonly create?: Structure | undefined;
  /** What indexes it has: goes behind its last rows. */
  readonly indexes?: Structure | undefined;
}

/** Where the rows of a chunk stand. */
export interface RowsPlace {
  readonly at: ClusterTime;
  readonly position: Position;
  /** The state in front of them. */
  readonly state: SnapshotState;
  readonly copy: CollectionCopy;
  /** What remains in front of them of the interval that the chunk is from. */
  readonly interval: Interval;
}

/** The rows of a chunk as events, what remains of their interval behind them, and the state there. */
export function rowsOf(result: ChunkResult, place: RowsPlace) {
  const { at, position, state, copy, interval } = place;
  const { token, clusterTime } = position;
  const { through } = interval;
  // Where a batch is cut between rows, everything up to the last one is copied; made only when it is asked for.
  const positionOf = (row: SnapshotRow): Position => ({
    token,
    clusterTime,
    get state() {
      return asSourceState(advanced(state, copy, interval, { after: row.idValue(), through }));
    },
  });
  const chunk = { namespace: copy.namespace, clusterTime: at, readAtMs: result.readAtMs, positionOf };
  const rest = result.next === undefined ? undefined : { after: result.next, through };
  const counted = { ...copy, rows: copy.rows + result.rows.length, bytes: copy.bytes + result.bytes };
  return {
    rows: result.rows.map((row) => new SnapshotRow(chunk, row)),
    rest,
    state: advanced(state, counted, interval, rest),
  };
}

/** The state in which `interval` of the collection has shrunk to `rest`, or is gone. */
function advanced(
  state: SnapshotState,
  copy: CollectionCopy,
  interval: Interval,
  rest: Interval | undefined,
): SnapshotState {
  const remaining = (copy.remaining ?? []).flatMap((one) => {
    if (one !== interval) return [one];
    return rest === undefined ? [] : [rest];
  });
  return changeCopy(state, formatNamespace(copy.namespace), { ...copy, remaining });
}
