import type { Version } from '../../core/change-event.ts';
import { timeText } from './binary-array.ts';
import type { Row } from './client.ts';

/** The version below which a table has no rows. */
export interface Floor {
  readonly ts: bigint;
  readonly ord: bigint;
}

/** The floor in a row with `floor_ts` and `floor_ord`; undefined when there is none. */
export function readFloor(row: Row): Floor | undefined {
  const { floor_ts: ts, floor_ord: ord } = row;
  return typeof ts === 'string' && typeof ord === 'string' ? { ts: BigInt(ts), ord: BigInt(ord) } : undefined;
}

/** Whether the floor is above the version. */
export function isNewerThan({ ts, ord }: Floor, version: Version): boolean {
  const time = BigInt(timeText(version));
  return ts > time || (ts === time && ord > BigInt(version.ordinal));
}
