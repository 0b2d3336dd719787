import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { SinkContext } from '../../core/connector.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Rejection, Sink, WriteContext } from '../../core/sink.ts';
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

/** A context with defaults for everything. */
export function sinkContext(context: Partial<SinkContext> = {}): SinkContext {
  return {
    pipeline: 'contract',
    partition: 'contract/0',
    logger: silentLogger,
    signal: new AbortController().signal,
    format: textFormat,
    ...context,
  };
}

/** Value = the position's token, key = the document key; a delete has no value; DDL has no key. */
export const textFormat: Format = {
  name: 'text',
  contentType: 'text/plain',
  encode({ event }): EncodedRecord {
    const key = event.key();
    return {
      key: key === undefined || event.op === 'drop' ? null : Buffer.from(key),
      value: event.op === 'delete' ? null : Buffer.from(event.position.token),
      headers: undefined,
      tombstoneFollows: false,
    };
  },
};

/** A partition of a pipeline that is being written, with its epoch. */
export interface Owner {
  readonly partition: string;
  readonly epoch: number;
}

/** The checkpoint behind the event. */
export function checkpointBehind({ position }: ChangeEvent, owner: Owner): Checkpoint {
  return { ...owner, position, deployment: 'rs0', fingerprint: 'f1', savedAtMs: 1_700_000_000_000 };
}

/** Writes the events as one batch; resolves with the result and what was rejected. */
export async function writeEvents(
  sink: Sink,
  events: readonly ChangeEvent[],
  options: { owner?: Owner; signal?: AbortSignal } = {},
) {
  const { owner = { partition: 'contract/0', epoch: 1 }, signal = new AbortController().signal } = options;
  const rejections: Rejection[] = [];
  const context: WriteContext = {
    checkpoint: checkpointBehind(events.at(-1) as ChangeEvent, owner),
    signal,
    reject: async (more) => void rejections.push(...more),
  };
  const result = await sink.write(
    events.map((event) => ({ event, namespace: event.namespace })),
    context,
  );
  return { ...result, rejections };
}

const SETTLE_LIMIT_MS = 20_000;
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
