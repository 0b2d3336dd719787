import type { Readable } from 'node:stream';
import { SluiceError } from '../../core/failure.ts';

const LONGEST_REASON = 200;

/** What the endpoint says about one event of a batch. */
export interface ItemResult {
  readonly index: number;
  readonly status: 'ok' | 'retry' | 'reject';
  readonly reason: string | undefined;
}

/** Reads at most `limit` bytes; undefined when there is more, and then reading has stopped. */
export async function readAtMost(body: Readable, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The results in an answer to a batch: `{"results": [{"index": 0, "status": "ok" | "retry" | "reject", "reason": "…"}]}`.
 * An answer without `results` means that everything was taken, and so does an event that is not listed. Throws `config`
 * when there are results that mean nothing, because then nobody knows what was taken.
 */
export function itemResults(body: Buffer, count: number): readonly ItemResult[] {
  const listed = parse(body);
  if (listed === undefined) return [];
  const seen = new Set<number>();
  return listed.map((entry) => {
    const { index, status, reason } = (entry ?? {}) as Record<string, unknown>;
    const known = status === 'ok' || status === 'retry' || status === 'reject';
    if (!Number.isInteger(index) || !known) throw unreadable('an entry has no `index` or no known `status`');
    const at = index as number;
    if (at < 0 || at >= count) throw unreadable(`index ${at} is not one of the ${count} events of the request`);
    if (seen.has(at)) throw unreadable(`index ${at} is listed twice`);
    seen.add(at);
    return { index: at, status, reason: typeof reason === 'string' ? printable(reason) : undefined };
  });
}

function parse(body: Buffer): readonly unknown[] | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(body.toString());
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null || !Object.hasOwn(answer, 'results')) return undefined;
  const { results } = answer as { results: unknown };
  if (!Array.isArray(results)) throw unreadable('`results` is not a list');
  return results;
}

function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ').slice(0, LONGEST_REASON).toWellFormed();
}

function unreadable(why: string): SluiceError {
  return new SluiceError(`the endpoint answered a batch with results that cannot be understood: ${why}`, {
    kind: 'config',
    code: 'webhook.results',
    hint: 'The answer is {"results":[{"index":0,"status":"ok"|"retry"|"reject","reason":"…"}]}. If `results` means something else there, set `batch.results: false`.',
  });
}

/**
 * `Retry-After` (seconds or a date, RFC 9110) as a wait in ms of at most `capMs`; undefined when there is none that can be
 * read.
 */
export function retryAfterMs(value: unknown, capMs: number, nowMs: number): number | undefined {
  const text = (Array.isArray(value) ? String(value[0]) : typeof value === 'string' ? value : '').trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : text === '' ? Number.NaN : Date.parse(text) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), capMs);
}
