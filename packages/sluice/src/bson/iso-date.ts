const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const POINT = 0x2e;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const DATE_CHARACTERS = 10;
/** Behind these stand the fraction and the zone. */
const TIME_CHARACTERS = 19;
const MAX_FRACTION_DIGITS = 9;
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Dates in a stream are mostly of one day. */
let cachedKey = -1;
let cachedDayMs = 0;

/**
 * The milliseconds of an ISO time such as `2026-11-21T05:27:20.886Z` between `start` and `end`: years of four digits, an
 * optional fraction (what is finer than milliseconds is cut off), and `Z` or an offset such as `+01:00`. Undefined for
 * any other text, and for days that do not exist.
 */
export function parseIsoDate(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start < TIME_CHARACTERS + 1 || bytes[start + DATE_CHARACTERS] !== LETTER_T) return undefined;
  const day = dayMs(bytes, start);
  const hours = number(bytes, start + 11, 2);
  const minutes = number(bytes, start + 14, 2);
  const seconds = number(bytes, start + 17, 2);
  if (day === undefined || !(hours < 24 && minutes < 60 && seconds < 60)) return undefined;
  if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) return undefined;
  let at = start + TIME_CHARACTERS;
  let millis = 0;
  if (bytes[at] === POINT) {
    const first = ++at;
    for (let scale = 100; at < end && isDigit(bytes[at]!); at++, scale = Math.floor(scale / 10)) {
      millis += (bytes[at]! - 0x30) * scale;
    }
    if (at === first || at - first > MAX_FRACTION_DIGITS) return undefined;
  }
  const offset = offsetMs(bytes, at, end);
  return offset === undefined ? undefined : day + ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis - offset;
}

function dayMs(bytes: Uint8Array, start: number): number | undefined {
  const year = number(bytes, start, 4);
  const month = number(bytes, start + 5, 2);
  const day = number(bytes, start + 8, 2);
  if (bytes[start + 4] !== MINUS || bytes[start + 7] !== MINUS || !(year >= 0)) return undefined;
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= MONTH_DAYS[month - 1]!)) return undefined;
  const key = (year * 16 + month) * 32 + day;
  if (key === cachedKey) return cachedDayMs;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) return undefined;
  cachedKey = key;
  cachedDayMs = Math.floor(date.getTime() / DAY_MS) * DAY_MS;
  return cachedDayMs;
}

/** The zone that fills the text from `at`: `Z`, `+hh:mm`, `+hhmm` or `+hh`. */
function offsetMs(bytes: Uint8Array, at: number, end: number): number | undefined {
  const sign = bytes[at];
  if (sign === LETTER_Z) return at + 1 === end ? 0 : undefined;
  if (sign !== PLUS && sign !== MINUS) return undefined;
  const hours = number(bytes, at + 1, 2);
  const minutesAt = bytes[at + 3] === COLON ? at + 4 : at + 3;
  const minutes = end === at + 3 ? 0 : number(bytes, minutesAt, 2);
  const length = end === at + 3 ? end : minutesAt + 2;
  if (!(hours < 24 && minutes < 60) || length !== end) return undefined;
  const offset = (hours * 60 + minutes) * MINUTE_MS;
  return sign === MINUS ? -offset : offset;
}

/** A number of just these digits; NaN when others stand there. */
function number(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    if (!isDigit(bytes[i]!)) return Number.NaN;
    value = value * 10 + (bytes[i]! - 0x30);
  }
  return value;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
