import type { JsonBuffer } from './json-buffer.ts';

const DAY_MS = 86_400_000;
const COLON = 0x3a;
const POINT = 0x2e;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const ZERO = 0x30;

/** The last moment of year 9999: behind it a year has five digits, which RFC 3339 does not know. */
export const LAST_ISO_MS = 253_402_300_799_999;
/** The first moment of year 0. */
export const FIRST_ISO_MS = -62_167_219_200_000;

/** Dates in a stream are mostly of one day, so the date part is worked out once. */
let cachedDay = Number.NaN;
const cachedText = Buffer.alloc(10);

/**
 * Writes a time between `FIRST_ISO_MS` and `LAST_ISO_MS` as `2026-11-21T05:27:20.886Z`. Without `alwaysMillis` the
 * milliseconds are left out when they are zero, as Extended JSON asks.
 */
export function writeIsoDate(target: JsonBuffer, ms: number, alwaysMillis: boolean): void {
  const day = Math.floor(ms / DAY_MS);
  if (day !== cachedDay) rememberDay(day);
  const { bytes } = target;
  const { at } = target;
  for (let i = 0; i < 10; i++) bytes[at + i] = cachedText[i]!;
  bytes[at + 10] = LETTER_T;
  target.at = at + 11;
  const ofDay = ms - day * DAY_MS;
  const seconds = (ofDay / 1000) | 0;
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  target.twoDigits(hours);
  bytes[target.at++] = COLON;
  target.twoDigits(minutes - hours * 60);
  bytes[target.at++] = COLON;
  target.twoDigits(seconds - minutes * 60);
  const millis = ofDay - seconds * 1000;
  if (alwaysMillis || millis !== 0) {
    const hundreds = (millis / 100) | 0;
    bytes[target.at++] = POINT;
    bytes[target.at++] = ZERO + hundreds;
    target.twoDigits(millis - hundreds * 100);
  }
  bytes[target.at++] = LETTER_Z;
}

/** Days since 1970 to year, month and day: the calendar repeats every 400 years, counted from March. */
function rememberDay(day: number): void {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfMonth = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  cachedText.write(`${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`, 'latin1');
  cachedDay = day;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

/**
 * A time in ms as Java's ISO formatter writes it: no zeros at the end of the fraction, and a sign and at least four
 * digits for years outside of 0 to 9999.
 */
export function formatJavaInstant(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  // The calendar repeats every 400 years of 146,097 days.
  const cycles = Math.floor(days / 146_097);
  const inFirst = new Date(ms - cycles * 146_097 * DAY_MS).toISOString().replace(/\.?0+Z$/, 'Z');
  const year = Number(inFirst.slice(0, 4)) + cycles * 400;
  const sign = year < 0 ? '-' : year > 9999 ? '+' : '';
  return `${sign}${pad(Math.abs(year), 4)}${inFirst.slice(4)}`;
}
