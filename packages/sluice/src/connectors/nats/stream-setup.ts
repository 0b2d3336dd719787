import type { StreamConfig } from '@nats-io/jetstream';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { JetStreamCode } from './classify.ts';
import type { NatsClient } from './client.ts';
import type { NatsSinkConfig } from './config.ts';
import { errorFacts } from './error-facts.ts';
import { recordPrefixOf } from './own-records.ts';
import { missingSubjects, streamProblems } from './stream-problems.ts';
import { subjectsOfTemplate } from './subject-template.ts';

const NANOS_PER_MS = 1_000_000;

/** What the sink has to know of its stream. */
export interface StreamFacts {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly retention: string;
  /** True: whole batches can be published atomically. */
  readonly atomic: boolean;
  /** True: messages are removed by age, so records of Sluice itself are marked to stay. */
  readonly expires: boolean;
  /** True: a record of Sluice may replace the one before it. */
  readonly rollup: boolean;
  /** Largest message with its headers. */
  readonly maxMessageBytes: number;
}

interface SetupParts {
  readonly client: NatsClient;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The subjects that the stream must take. */
export function neededSubjects(config: NatsSinkConfig): readonly string[] {
  const data = config.createStream.subjects ?? subjectsOfTemplate(config.subject);
  return [...data, `${recordPrefixOf(config)}.>`];
}

/**
 * The stream, created if it may be and does not exist. Throws `config` errors that say what to change when it does not
 * fit the settings, or when its own settings would lose events.
 */
export async function openStream(config: NatsSinkConfig, { client, logger, signal }: SetupParts): Promise<StreamFacts> {
  let stream = await client.run('stream', signal, () => findStream(client, config.stream));
  if (stream === undefined) {
    if (!config.createStream.enabled) throw missing(config);
    stream = await client.run('stream', signal, () => createStream(client, config));
    logger.info({ stream: config.stream, subjects: stream.subjects }, 'stream created');
  }
  if (config.createStream.addSubjects) stream = await addMissing(stream, config, { client, logger, signal });
  const problems = streamProblems(stream, config);
  const [first] = problems;
  if (first !== undefined) {
    throw new SluiceError(`the stream "${config.stream}" ${problems.map(({ message }) => message).join('; ')}`, {
      kind: 'config',
      code: 'nats.stream-mismatch',
      hint: first.fix,
    });
  }
  return factsOf(stream, client);
}

async function addMissing(
  stream: StreamConfig,
  config: NatsSinkConfig,
  { client, logger, signal }: SetupParts,
): Promise<StreamConfig> {
  const missing = missingSubjects(stream, config);
  if (missing.length === 0) return stream;
  const subjects = [...stream.subjects, ...missing];
  const updated = await client.run('stream', signal, () => client.manager.streams.update(stream.name, { subjects }));
  logger.info({ stream: stream.name, subjects: missing }, 'subjects added to the stream');
  return updated.config;
}

/** The configuration of the stream now; undefined when it does not exist. */
export async function findStream(client: NatsClient, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await client.manager.streams.info(name)).config;
  } catch (error) {
    if (errorFacts(error).jetStream?.code === JetStreamCode.streamNotFound) return undefined;
    throw error;
  }
}

/** The first servers with atomic batches refused message ids in them. */
export function hasAtomicBatches(client: NatsClient): boolean {
  return client.isAtLeast(2, 12, 1);
}

async function createStream(client: NatsClient, config: NatsSinkConfig): Promise<StreamConfig> {
  const { replicas, storage, retention, duplicateWindow, maxBytes, maxMessages, maxAge } = config.createStream;
  const settings = {
    name: config.stream,
    subjects: [...neededSubjects(config)],
    discard: 'new',
    num_replicas: replicas ?? 1,
    storage: storage ?? 'file',
    retention: retention ?? 'limits',
    allow_direct: true,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
    ...(hasAtomicBatches(client) ? { allow_atomic: true } : {}),
    ...(duplicateWindow === undefined ? {} : { duplicate_window: duplicateWindow * NANOS_PER_MS }),
    ...(maxBytes === undefined ? {} : { max_bytes: maxBytes }),
    ...(maxMessages === undefined ? {} : { max_msgs: maxMessages }),
    ...(maxAge === undefined ? {} : { max_age: maxAge * NANOS_PER_MS }),
  };
  try {
    return (await client.manager.streams.add(settings as StreamConfig)).config;
  } catch (error) {
    // Somebody else was faster, with other settings.
    const found = errorFacts(error).jetStream?.code === 10058 ? await findStream(client, config.stream) : undefined;
    if (found !== undefined) return found;
    throw error;
  }
}

function factsOf(stream: StreamConfig, client: NatsClient): StreamFacts {
  const { max_msg_size: limit } = stream;
  return {
    name: stream.name,
    subjects: stream.subjects,
    retention: stream.retention,
    atomic: stream.allow_atomic === true && hasAtomicBatches(client),
    expires: stream.max_age > 0,
    rollup: stream.allow_rollup_hdrs && !stream.deny_purge,
    maxMessageBytes: limit > 0 ? Math.min(limit, client.maxPayload) : client.maxPayload,
  };
}

function missing(config: NatsSinkConfig): SluiceError {
  const subjects = neededSubjects(config).join(',');
  return new SluiceError(`the stream "${config.stream}" does not exist and must not be created`, {
    kind: 'config',
    code: 'nats.stream-missing',
    hint: `nats stream add ${config.stream} --discard new --subjects '${subjects}', or set \`createStream.enabled: true\`.`,
  });
}
