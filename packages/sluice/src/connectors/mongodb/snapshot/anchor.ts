import { isHighWaterMark } from '../../../bson/resume-token.ts';
import { type ClusterTime, compareClusterTime } from '../../../core/cluster-time.ts';
import type { Position } from '../../../core/position.ts';
import type { SourceBatch } from '../../../core/source.ts';

/** A batch of the change stream. */
export interface StreamBatch extends SourceBatch {
  /** The server looked for changes and its answer held none at all. */
  readonly empty: boolean;
}

/** A place in a batch. */
export interface AnchorPlace {
  /** Rows stand before the event with this index. */
  readonly index: number;
  /** Every change up to this time stands before the place, every later one behind it. */
  readonly at: ClusterTime;
  /** Where to resume behind what stands before the place. */
  readonly position: Position;
}

/**
 * The last place in a batch for which it is certain which changes stand before it; undefined when there is none.
 *
 * Changes may share a cluster time (those of a transaction do), and the rest of them may still be to come. So in an
 * answer with changes the place is before the first one of the newest time, and its time is the one just before that:
 * times are totally ordered, and the server reads at any time, whether something happened then or not. An empty answer
 * says more: behind a token between events all earlier changes have come, and behind one of an event also those of its
 * time, as one entry of an oplog holds them all (not so on a mongos, which merges several: `emptyMeansAll`). `before` is the position behind everything received earlier.
 */
export function anchorIn(batch: StreamBatch, before: Position | undefined, emptyMeansAll: boolean) {
  const { events, position } = batch;
  const newest = events.at(-1)?.position.clusterTime;
  if (newest === undefined) return batch.empty ? behindAll(position, emptyMeansAll) : undefined;
  let index = events.length - 1;
  while (index > 0 && isAt(events[index - 1]?.position.clusterTime, newest)) index -= 1;
  return placeAt(index, newest, index === 0 ? before : events[index - 1]?.position);
}

/** The place before the first change of the time `newest`, if none of that time can have come earlier. */
function placeAt(index: number, newest: ClusterTime, before: Position | undefined): AnchorPlace | undefined {
  if (before === undefined || compareClusterTime(before.clusterTime, newest) >= 0) return undefined;
  return { index, at: timeBefore(newest), position: before };
}

/**
 * A token between events stands before every change of its own time, which can be one that is still to come: an idle
 * server hands out the time after its last write, and cannot be read at it. A token of an event has the event's time.
 */
function behindAll(position: Position, emptyMeansAll: boolean): AnchorPlace | undefined {
  if (isHighWaterMark(position.token)) return { index: 0, at: timeBefore(position.clusterTime), position };
  return emptyMeansAll ? { index: 0, at: position.clusterTime, position } : undefined;
}

function isAt(time: ClusterTime | undefined, other: ClusterTime): boolean {
  return time !== undefined && compareClusterTime(time, other) === 0;
}

/** The time just before another one. */
export function timeBefore({ t, i }: ClusterTime): ClusterTime {
  return i > 0 ? { t, i: i - 1 } : { t: t - 1, i: 2 ** 32 - 1 };
}
