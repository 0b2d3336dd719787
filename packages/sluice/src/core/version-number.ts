import type { Version } from './change-event.ts';
import type { ClusterTime } from './cluster-time.ts';

/** A version as one number, for targets that keep the newest state of a key by comparing numbers. */
export interface VersionNumber {
  /** From 0 to 2^63 - 1. A newer version of the same kind never has a smaller one. */
  readonly value: bigint;
  /**
   * True when no other version of its kind (with or without an increment, see `versionNumber`) has this number. Where it is false, a caller that writes only what is newer must take
   * an equal number for newer too, or it would lose the later of two changes.
   */
  readonly exact: boolean;
}

/** The end of 2019: the seconds since then fit 31 bits until January 2088. */
const ORIGIN_SECOND = 1_577_836_799;
const MAX_SECONDS = 2 ** 31 - 1;
/** Of a second's 2^20 increments and of an increment's 2^12 ordinals the last ones are for what does not fit. */
const INCREMENTS = 2 ** 20 - 1;
const ORDINALS = 2 ** 12 - 2;
const ORDINAL_SPAN = 2 ** 12;
/** Rows of snapshots: above everything else that was done at their time. */
const LAST_ORDINAL = 2 ** 31 - 1;
const MAX_LOW = 2 ** 32 - 1;
/** Never the increment of an oplog time, whose first one is 1: the time of something that has none, as the second of a broker. */
const NO_INCREMENT = 0;
const HIGH_SHIFT = 32n;

/**
 * The number of a version: 31 bits of seconds since 2020, 20 bits of increment, 12 bits of ordinal, so that numbers
 * compare like their versions. What does not fit (times before 2020 or from 2088, more than a million increments in a
 * second, ordinals from 4,094 in a transaction) shares the nearest number that does, and is not exact.
 *
 * A time without an increment (0) is no time of an oplog: events that a broker relays without one have the broker's second
 * and their offset as the ordinal. They get all 32 low bits for it, exact up to 2^32 - 2. Numbers of the two kinds are in order when
 * their seconds differ; within one second they are not, and can be the same. Nothing could order them there anyway: one is
 * the clock of the broker, the other that of the source. What compares numbers must not mix the two kinds for one key.
 */
export function versionNumber(version: Version): VersionNumber {
  const { t, i } = version.clusterTime;
  const seconds = t - ORIGIN_SECOND;
  if (seconds <= 0) return { value: 0n, exact: false };
  if (seconds > MAX_SECONDS) return { value: pack(MAX_SECONDS, MAX_LOW), exact: false };
  // The ordinal cannot be kept then: it could put a later increment in front of an earlier one.
  if (i >= INCREMENTS) return { value: pack(seconds, MAX_LOW), exact: false };
  if (i === NO_INCREMENT) {
    return { value: pack(seconds, Math.min(version.ordinal, MAX_LOW)), exact: version.ordinal < MAX_LOW };
  }
  const ordinal = ordinalNumber(version.ordinal);
  return { value: pack(seconds, i * ORDINAL_SPAN + ordinal), exact: ordinal !== ORDINALS };
}

/**
 * The number of the first version at this time. A version with a smaller number is older than it; an older one that
 * does not fit may have the same number, so a sweep that deletes smaller numbers never deletes too much.
 */
export function versionNumberOfTime(clusterTime: ClusterTime): bigint {
  return versionNumber({ clusterTime, ordinal: 0 }).value;
}

function ordinalNumber(ordinal: number): number {
  if (ordinal < ORDINALS) return ordinal;
  return ordinal === LAST_ORDINAL ? ORDINAL_SPAN - 1 : ORDINALS;
}

function pack(seconds: number, low: number): bigint {
  return (BigInt(seconds) << HIGH_SHIFT) | BigInt(low);
}
