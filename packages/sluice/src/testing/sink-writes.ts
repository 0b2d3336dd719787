import type { ChangeEvent } from '../core/change-event.ts';
import type { Checkpoint } from '../core/checkpoint.ts';
import type { SinkContext } from '../core/connector.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import { silentLogger } from '../core/logger.ts';
import type { Rejection, Sink, WriteContext } from '../core/sink.ts';

/*
 * Writing to a sink as a pipeline does, for the tests of sinks.
 */

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
