import { randomBytes } from 'node:crypto';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { SinkContext } from '../../core/connector.ts';
import type { Sink } from '../../core/sink.ts';
import { type Owner, sinkContext } from '../../testing/sink-writes.ts';
import { natsSinkConfig } from './config.ts';
import { natsSink } from './sink.ts';

/*
 * What the tests of this folder share: sinks on streams of their own, and writing to them.
 */

/** A server that shares its machine with many others may be slow to answer. */
const ANSWER_LIMIT_MS = 20_000;

/** A name that nobody else has. */
export function uniqueName(start = 'T'): string {
  return `${start}${randomBytes(6).toString('hex')}`;
}

/** Settings of a sink on a stream of its own, with subjects that nobody else uses. */
export function settingsFor(servers: readonly string[], more: Record<string, unknown> = {}) {
  const stream = uniqueName();
  return { servers, stream, subject: `${stream}.{db}.{coll}.{op}`, requestTimeout: '30s', ...more };
}

/** Opens a sink; everything that `settings` leave out has its default. */
export function openSink(settings: Record<string, unknown>, context: Partial<SinkContext> = {}): Promise<Sink> {
  return natsSink.open(natsSinkConfig.parse(settings), sinkContext(context));
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
    return await work(await jetstreamManager(connection, { timeout: ANSWER_LIMIT_MS }));
  } finally {
    await connection.close();
  }
}

/** Creates a stream the way somebody else would. */
export function addStream(servers: readonly string[], config: Partial<StreamConfig> & { name: string }) {
  return withStreams(servers, (manager) => manager.streams.add({ discard: 'new', ...config }));
}
