import { type ClusterTime, formatClusterTime } from '../../core/cluster-time.ts';
import { SluiceError } from '../../core/failure.ts';
import { describeScope, type Scope } from './scope.ts';

/** What is known when the oplog no longer holds what comes behind a position. */
export interface LostPosition {
  readonly scope: Scope;
  /** Time of the position. */
  readonly from: ClusterTime;
  /** The oldest entry the oplog still holds; undefined when that cannot be read. */
  readonly oldest: ClusterTime | undefined;
  readonly nowMs: number;
  readonly cause: unknown;
}

/** The error that says which changes are gone and what can be done. */
export function positionLost(lost: LostPosition): SluiceError {
  const { scope, from, oldest, nowMs, cause } = lost;
  const until = oldest === undefined ? 'an unknown time (the oplog cannot be read)' : formatClusterTime(oldest);
  const age = formatAge(nowMs - from.t * 1000);
  const message =
    `the oplog no longer holds what comes behind the position: changes of ${describeScope(scope)} ` +
    `from ${formatClusterTime(from)} to ${until} are gone; the position is ${age} old`;
  return new SluiceError(message, {
    kind: 'position-lost',
    code: 'mongodb.position-lost',
    hint:
      'Nothing was skipped. The choices: onPositionLost: resnapshot goes on from now and copies the collections again; ' +
      'onPositionLost: skip goes on from now and accepts the gap. A longer oplog (replSetResizeOplog, or ' +
      'storage.oplogMinRetentionHours) keeps it from happening again.',
    cause,
  });
}

/** A duration as people say it: its two largest units. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  let rest = seconds;
  const parts = units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count} ${unit}`;
  });
  return parts.filter((part) => part !== '').join(' ');
}
