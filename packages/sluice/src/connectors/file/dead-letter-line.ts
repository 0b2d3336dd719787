import type { DeadLetter } from '../../core/dead-letter.ts';

/** One step of the log: an entry was put, or removed. */
export type LogStep =
  | { readonly put: DeadLetter }
  | { readonly removed: { readonly pipeline: string; readonly id: string } };

/** Stands at the end of every line, so that a line without it was cut off by a crash and one with it was not. */
const END = ',"v":1}';

/** The step as a line, with its line end. The raw event is base64. */
export function encodeStep(step: LogStep): string {
  const body = 'put' in step ? { put: { ...step.put, raw: encodeRaw(step.put.raw) } } : step;
  return `${JSON.stringify(body).slice(0, -1)}${END}\n`;
}

/** The step in a line; undefined when the line was never finished. Throws when a finished line cannot be read. */
export function decodeStep(line: Buffer): LogStep | undefined {
  const text = line.toString('utf8');
  if (!text.endsWith(END)) return undefined;
  const { put, removed } = JSON.parse(text) as Stored;
  if (typeof put?.id === 'string' && typeof put.pipeline === 'string') {
    return { put: { ...put, raw: put.raw === undefined ? undefined : Buffer.from(put.raw, 'base64') } };
  }
  if (typeof removed?.id === 'string' && typeof removed.pipeline === 'string') return { removed };
  throw new Error('it is neither an entry nor a removal');
}

interface Stored {
  readonly put?: Omit<DeadLetter, 'raw'> & { readonly raw?: string };
  readonly removed?: { readonly pipeline: string; readonly id: string };
}

function encodeRaw(raw: Uint8Array | undefined): string | undefined {
  return raw && Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64');
}
