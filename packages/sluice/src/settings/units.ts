const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** What a duration looks like in the configuration. */
export const DURATION_PATTERN = /^\d+(\.\d+)?(ms|s|m|h|d)$/;

/** What a size looks like in the configuration. */
export const BYTES_PATTERN = /^\d+(\.\d+)?(B|kB|KB|MB|GB|KiB|MiB|GiB)$/;

/** `"5s"` in milliseconds; undefined when it is not a duration or not a whole number of milliseconds. */
export function parseDuration(text: string): number | undefined {
  return DURATION_PATTERN.test(text) ? parse(text, DURATION_UNITS) : undefined;
}

/** `"64MiB"` in bytes; undefined when it is not a size or not a whole number of bytes. */
export function parseBytes(text: string): number | undefined {
  return BYTES_PATTERN.test(text) ? parse(text, BYTE_UNITS) : undefined;
}

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const number = Number.parseFloat(text);
  const unit = units[text.replace(/^[\d.]+/, '')] ?? Number.NaN;
  const value = Math.round(number * unit * 1e6) / 1e6;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Milliseconds as they are written in the configuration: the largest unit that leaves a whole number. */
export function formatDuration(ms: number): string {
  return format(ms, [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ]);
}

/** Bytes as they are written in the configuration: the largest unit that leaves a whole number. */
export function formatBytes(bytes: number): string {
  return format(bytes, [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
    ['B', 1],
  ]);
}

function format(value: number, units: readonly (readonly [string, number])[]): string {
  const smallest = units.at(-1)?.[0] ?? '';
  if (value === 0) return `0${smallest}`;
  const unit = units.find(([, size]) => value % size === 0);
  return unit === undefined ? `${value}${smallest}` : `${value / unit[1]}${unit[0]}`;
}
