import { randomBytes } from 'node:crypto';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { SinkContext } from '../../core/connector.ts';
import type { EncodedRecord, Format } from '../../core/format.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Rejection, Sink, WriteContext } from '../../core/sink.ts';
import { natsSinkConfig } from './config.ts';
import { natsSink } from './sink.ts';

/*
 * What the tests of this folder share: sinks on streams of their own, and writing to them.
 */

/** A name that nobody else has. */
export function uniqueName(start = 'T'): string {
  return `${start}${randomBytes(6).toString('hex')}`;
}

/** Settings of a sink on a stream of its own, with subjects that nobody else uses. */
export function settingsFor(servers: readonly string[], more: Record<string, unknown> = {}) {
  const stream = uniqueName();
  return { servers, stream, subject: `${stream}.{db}.{coll}.{op}`, requestTimeout: '5s', ...more };
}

/** Opens a sink; everything that `settings` leave out has its default. */
export function openSink(settings: Record<string, unknown>, context: Partial<SinkContext> = {}): Promise<Sink> {
  return natsSink.open(natsSinkConfig.parse(settings), sinkContext(context));
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

/** Value = the position's token, key = the document key; a delete has no value. */
export const textFormat: Format = {
  name: 'text',
  contentType: 'text/plain',
  encode({ event }): EncodedRecord {
    return {
      key: Buffer.from(event.key() ?? []),
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

/** Takes the partition over where the sink keeps checkpoints; the owner to write as. */
export async function ownerOf(sink: Sink): Promise<Owner> {
  const claim = await sink.checkpoints?.claim('contract/0', new AbortController().signal);
  return { partition: 'contract/0', epoch: claim?.epoch ?? 1 };
}

/** Does something to the streams of a server without login. */
export async function withStreams<T>(
  servers: readonly string[],
  work: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: [...servers], reconnect: false });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

/** Creates a stream the way somebody else would. */
export function addStream(servers: readonly string[], config: Partial<StreamConfig> & { name: string }) {
  return withStreams(servers, (manager) => manager.streams.add({ discard: 'new', ...config }));
}
