import { setTimeout as delay } from 'node:timers/promises';
import { asSluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Sink } from '../core/sink.ts';
import type { Source, SourceWindow } from '../core/source.ts';
import type { Progress } from './progress.ts';

/** How often the source's window is looked at (ms). */
const WINDOW_EVERY_MS = 10_000;

/** Rejects when the sink breaks, so that it also ends an attempt while nothing is written. Resolves with the signal. */
export async function watchSink({ broken }: Sink, signal: AbortSignal): Promise<void> {
  if (broken === undefined) return;
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const error = await Promise.race([broken, ended]);
  signal.removeEventListener('abort', end);
  if (error !== undefined) throw error;
}

/** What a look at the window needs besides the source. */
export interface WatchContext {
  readonly progress: Progress;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Keeps the window of the source in the progress until the signal aborts. */
export async function watchWindow(source: Source, context: WatchContext): Promise<void> {
  while (!context.signal.aborted) {
    context.progress.window = await windowOf(source, context);
    await delay(WINDOW_EVERY_MS, undefined, { signal: context.signal });
  }
}

/** A look that fails only hides a number: what matters fails where events are read, written or remembered. */
async function windowOf(source: Source, { logger, signal }: WatchContext): Promise<SourceWindow | undefined> {
  try {
    return await source.window(signal);
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = asSluiceError(error);
    logger.debug({ code, reason: message }, 'the window of the source is not known');
    return undefined;
  }
}
