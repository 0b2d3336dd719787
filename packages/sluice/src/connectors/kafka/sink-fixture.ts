import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { SinkContext } from '../../core/connector.ts';
import type { Sink } from '../../core/sink.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { kafkaSinkConfig } from './config.ts';
import { kafkaSink } from './sink.ts';

/*
 * What the tests of this folder share: sinks on topics of their own, and writing to them.
 */

/** A part of a name that nobody else has. */
export function uniqueName(start = 'test'): string {
  return `${start}-${randomBytes(6).toString('hex')}`;
}

/** Opens a sink; everything that `settings` leave out has its default. */
export function openSink(settings: Record<string, unknown>, context: Partial<SinkContext> = {}): Promise<Sink> {
  return kafkaSink.open(kafkaSinkConfig.parse(settings), sinkContext(context));
}

const SETTLE_LIMIT_MS = 60_000;
const SETTLE_POLL_MS = 20;

/**
 * Reads until no transaction is open, and with errors meanwhile: a commit is answered before its markers are in the
 * logs, and a broker needs a moment to lead the partitions of a new topic. Resolves with the records that count.
 */
export async function readSettled<R extends { readonly transaction: string }>(
  read: () => Promise<readonly R[]>,
): Promise<R[]> {
  const deadline = performance.now() + SETTLE_LIMIT_MS;
  for (;;) {
    const late = performance.now() > deadline;
    try {
      const records = await read();
      const open = records.some(({ transaction }) => transaction === 'open');
      if (!open) return records.filter(({ transaction }) => transaction !== 'aborted');
      if (late) throw new Error('a transaction is still open');
    } catch (error) {
      if (late) throw error;
    }
    await delay(SETTLE_POLL_MS);
  }
}
