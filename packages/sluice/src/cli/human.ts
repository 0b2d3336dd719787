const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** A span of time the way a person says it: `120 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function humanSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < MINUTE_S) return `${Math.round(seconds)} s`;
  if (seconds < HOUR_S) return pair(seconds, [MINUTE_S, 'min'], [1, 's']);
  if (seconds < DAY_S) return pair(seconds, [HOUR_S, 'h'], [MINUTE_S, 'min']);
  return pair(seconds, [DAY_S, 'd'], [HOUR_S, 'h']);
}

function pair(seconds: number, big: readonly [number, string], small: readonly [number, string]): string {
  const whole = Math.floor(seconds / big[0]);
  const rest = Math.floor((seconds - whole * big[0]) / small[0]);
  return rest === 0 ? `${whole} ${big[1]}` : `${whole} ${big[1]} ${rest} ${small[1]}`;
}

/** A number with thousands separators. */
export function humanCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Bytes in the largest unit that keeps a whole part. */
export function humanBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** A moment in UTC, to the second: `2026-11-03 10:15:00Z`. */
export function humanTime(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}

/** The text in at most so many characters, the end cut off. */
export function shorten(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join('')}…`;
}
