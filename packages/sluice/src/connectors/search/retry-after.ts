/** A server that asks for more than this is asked again after this time. */
const LONGEST_WAIT_MS = 60_000;

/** `Retry-After` (seconds or a date, RFC 9110) as a wait in ms, at most a minute; undefined when there is none to be read. */
export function retryAfterMs(value: unknown, nowMs: number): number | undefined {
  const text = (Array.isArray(value) ? String(value[0]) : typeof value === 'string' ? value : '').trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : text === '' ? Number.NaN : Date.parse(text) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), LONGEST_WAIT_MS);
}
