import { readInt32, readUint32 } from '../../../bson/elements.ts';
import { isSafeInt64 } from './short-text.ts';

const TWO_32 = 2 ** 32;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** 4714-11-24 BC, the first day of the Julian calendar's count, and 294277-01-01: from there on it is out of range. */
const FIRST_MS = -210_866_803_200_000;
const END_MS = 9_224_318_016_000_000;
/** The calendar repeats every 400 years. */
const CYCLE_DAYS = 146_097;
const CYCLE_YEARS = 400;

const MINUTES = Array.from(
  { length: 1440 },
  (_, minute) => `T${pad(Math.floor(minute / 60), 2)}:${pad(minute % 60, 2)}:`,
);
const SECONDS = Array.from({ length: 60 }, (_, second) => `${pad(second, 2)}.`);
const MILLIS = Array.from({ length: 1000 }, (_, ms) => `${pad(ms, 3)}Z`);
const MILLIS_BC = MILLIS.map((text) => `${text} BC`);

/** Dates in a stream are mostly of one day. */
let cachedDay = Number.NaN;
let cachedText = '';
let cachedMillis = MILLIS;

/**
 * The BSON date at `at` as input of `timestamptz`, to the millisecond: `2026-11-21T05:27:20.886Z`; years before the first with
 * `BC` behind, others with as many digits as they have. Undefined when it is outside of what PostgreSQL can store.
 */
export function timestampText(source: Buffer, at: number): string | undefined {
  if (!isSafeInt64(source, at)) return farTimestampText(source.readBigInt64LE(at));
  const ms = readInt32(source, at + 4) * TWO_32 + readUint32(source, at);
  if (ms < FIRST_MS) return undefined;
  const day = Math.floor(ms / DAY_MS);
  return textOf(day, ms - day * DAY_MS);
}

/** The years from 287396 on have more milliseconds than a number can tell apart. */
function farTimestampText(ms: bigint): string | undefined {
  if (ms < FIRST_MS || ms >= END_MS) return undefined;
  return textOf(Number(ms / BigInt(DAY_MS)), Number(ms % BigInt(DAY_MS)));
}

function textOf(day: number, ofDay: number): string {
  if (day !== cachedDay) rememberDay(day);
  const minute = (ofDay / MINUTE_MS) | 0;
  const ofMinute = ofDay - minute * MINUTE_MS;
  const second = (ofMinute / 1000) | 0;
  return cachedText + MINUTES[minute]! + SECONDS[second]! + cachedMillis[ofMinute - second * 1000]!;
}

function rememberDay(day: number): void {
  const cycles = Math.floor(day / CYCLE_DAYS);
  // From year 1970 to 2369, so always of four digits.
  const inFirst = new Date((day - cycles * CYCLE_DAYS) * DAY_MS).toISOString();
  const year = Number(inFirst.slice(0, 4)) + cycles * CYCLE_YEARS;
  cachedText = `${pad(year > 0 ? year : 1 - year, 4)}${inFirst.slice(4, 10)}`;
  cachedMillis = year > 0 ? MILLIS : MILLIS_BC;
  cachedDay = day;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
