const UNITS_MS: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time as settings of the products have it (`60s`, `1.5h`, `0`), in ms; undefined when it is none. */
export function timeValueMs(value: unknown): number | undefined {
  if (value === 0 || value === '0') return 0;
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(nanos|micros|ms|s|m|h|d)$/i.exec(String(value)) ?? [];
  const factor = UNITS_MS[unit.toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}
