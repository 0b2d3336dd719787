import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import type { PositionBinding } from '../core/checkpoint.ts';
import { comparePositions } from '../core/position.ts';
import type { ReadFrom, Source, SourceBatch, SourceWindow } from '../core/source.ts';

/** What a memory source yields and how it fails. */
export interface MemorySourceOptions {
  readonly batchEvents?: number;
  /** Called before each batch with the number of events yielded so far in this read; may throw. */
  readonly before?: (yielded: number) => void | Promise<void>;
  /** True: heartbeats for ever after the last event, as a real stream; false: the iteration ends. */
  readonly endless?: boolean;
  /** True: without a position it begins behind the last event there is at that moment, with a heartbeat. */
  readonly fromNow?: boolean;
}

/** A source over an array of events, resumable anywhere. The array may grow while it is read. */
export function memorySource(events: readonly ChangeEvent[], options: MemorySourceOptions = {}): Source {
  const { batchEvents = 10, endless = true } = options;
  const binding: PositionBinding = { deployment: 'memory', fingerprint: 'memory' };
  async function* read(from: ReadFrom | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    let next = 0;
    if (from !== undefined) while (next < events.length && !isAfter(events[next] as ChangeEvent, from)) next += 1;
    const now = events.at(-1);
    if (from === undefined && options.fromNow === true && now !== undefined) {
      next = events.length;
      yield { events: [], position: now.position, bytes: 0, caughtUp: true };
    }
    let yielded = 0;
    while (!signal.aborted) {
      await options.before?.(yielded);
      const batch = events.slice(next, next + batchEvents);
      next += batch.length;
      yielded += batch.length;
      const last = batch.at(-1) ?? events[next - 1];
      if (batch.length === 0) {
        if (!endless) return;
        await delay(5, undefined, { signal });
      }
      if (last === undefined) continue;
      const bytes = batch.reduce((sum, event) => sum + event.raw.byteLength, 0);
      yield { events: batch, position: last.position, bytes, caughtUp: next === events.length };
    }
  }
  return {
    binding,
    read,
    window: async (): Promise<SourceWindow | undefined> => undefined,
    [Symbol.asyncDispose]: async () => {},
  };
}

function isAfter(event: ChangeEvent, from: ReadFrom): boolean {
  return comparePositions(event.position, from.position) > 0;
}
