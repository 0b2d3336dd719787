import { AckPolicy, type ConsumerConfig, type ConsumerInfo, DeliverPolicy, type StreamInfo } from '@nats-io/jetstream';
import { SluiceError } from '../../core/failure.ts';
import { JetStreamCode } from './classify.ts';
import type { NatsClient } from './client.ts';
import type { NatsSourceConfig } from './config.ts';
import { errorFacts } from './error-facts.ts';
import { subjectsOverlap } from './subject-template.ts';

const NANOS_PER_MS = 1_000_000;

/** The priority group of each consumer: its members wait until the one that is pinned has gone. */
export const PIN_GROUP = 'sluice';

/** Code of the error when the stream does not exist. */
export const STREAM_MISSING = 'nats.stream-missing';

/** One part of the stream, with a consumer of its own. */
export interface ConsumerName {
  /** For people: `stream`, or `stream/partition`. */
  readonly part: string;
  readonly durable: string;
  /** Empty: everything. */
  readonly subjects: readonly string[];
}

/** The consumers that the settings ask for. Throws `config` errors where partitions would read a message twice. */
export function consumerNames(config: NatsSourceConfig, pipeline: string): readonly ConsumerName[] {
  const { stream, subjects = [], partitions } = config;
  // Pipeline names may have dots, which consumers cannot have.
  const durable = config.durable ?? `sluice-${pipeline.replaceAll(/[^a-zA-Z0-9_-]/g, '_')}`;
  if (partitions === undefined) return [{ part: stream, durable, subjects }];
  if (subjects.length > 0) throw wrongPartitions('`subjects` and `partitions` do not go together');
  for (const [index, own] of partitions.entries()) {
    const others = partitions.slice(index + 1).flat();
    const twice = own.find((subject) => others.some((other) => subjectsOverlap(subject, other)));
    if (twice !== undefined) throw wrongPartitions(`"${twice}" of partition ${index} is in another partition too`);
  }
  return partitions.map((own, index) => ({
    part: `${stream}/${index}`,
    durable: `${durable}-${index}`,
    subjects: own,
  }));
}

/** The stream as it is. Throws `nats.stream-missing`, which is transient: whoever writes the stream may create it. */
export async function streamInfo(client: NatsClient, name: string, signal: AbortSignal): Promise<StreamInfo> {
  try {
    return await client.run('read', signal, () => client.manager.streams.info(name));
  } catch (error) {
    if (errorFacts(error).jetStream?.code !== JetStreamCode.streamNotFound) throw error;
    throw new SluiceError(`the stream "${name}" does not exist`, {
      kind: 'transient',
      code: STREAM_MISSING,
      hint: 'It is read once it is there: start the pipeline that creates it, or check `stream` and the account of the login.',
      cause: error,
    });
  }
}

/** The consumer as it is; undefined when it does not exist. */
export async function findConsumer(
  client: NatsClient,
  stream: string,
  durable: string,
  signal: AbortSignal,
): Promise<ConsumerInfo | undefined> {
  try {
    return await client.run('read', signal, () => client.manager.consumers.info(stream, durable));
  } catch (error) {
    if (errorFacts(error).jetStream?.code === JetStreamCode.consumerNotFound) return undefined;
    throw error;
  }
}

/**
 * The consumer, created if it does not exist. One that exists must have the same settings (`nats.consumer-mismatch`):
 * others may rely on them, and a changed filter would skip or repeat messages.
 */
export async function openConsumer(
  config: NatsSourceConfig,
  name: ConsumerName,
  { client, signal }: { readonly client: NatsClient; readonly signal: AbortSignal },
): Promise<{ readonly info: ConsumerInfo; readonly created: boolean }> {
  const { stream } = config;
  const found = await findConsumer(client, stream, name.durable, signal);
  // Created by somebody else meanwhile: the server accepts the same settings, and `wanted` are compared then.
  const wanted = consumerConfig(config, name);
  const info = found ?? (await client.run('consumer', signal, () => client.manager.consumers.add(stream, wanted)));
  const problems = consumerProblems(info.config, wanted);
  if (problems.length === 0) return { info, created: found === undefined };
  throw new SluiceError(`the consumer "${name.durable}" of the stream "${stream}" ${problems.join('; ')}`, {
    kind: 'config',
    code: 'nats.consumer-mismatch',
    hint: `Set the option to what the consumer has, choose another \`durable\`, or change the consumer (nats consumer edit ${stream} ${name.durable}).`,
  });
}

/** The settings of a consumer for this source. */
export function consumerConfig(config: NatsSourceConfig, { durable, subjects }: ConsumerName): ConsumerConfig {
  const { startAt, ackWait, maxAckPending, pinTimeout } = config;
  const start =
    startAt === 'all'
      ? { deliver_policy: DeliverPolicy.All }
      : startAt === 'new'
        ? { deliver_policy: DeliverPolicy.New }
        : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: startAt.time.toISOString() };
  return {
    durable_name: durable,
    ...start,
    // The only one that a work queue accepts, and the only one under which redelivered messages, whose delivery numbers
    // do not follow the stream, are acknowledged each by itself.
    ack_policy: AckPolicy.Explicit,
    replay_policy: 'instant',
    ack_wait: ackWait * NANOS_PER_MS,
    max_ack_pending: maxAckPending,
    max_deliver: -1,
    priority_groups: [PIN_GROUP],
    priority_policy: 'pinned_client',
    priority_timeout: pinTimeout * NANOS_PER_MS,
    ...(subjects.length > 0 ? { filter_subjects: [...subjects] } : {}),
  };
}

/** What is different, in words that go behind the name of the consumer. Where it began does not matter any more. */
export function consumerProblems(found: ConsumerConfig, wanted: ConsumerConfig): readonly string[] {
  const ms = (nanos: number | undefined) => `${(nanos ?? 0) / NANOS_PER_MS}ms`;
  const compared: readonly [name: string, wanted: string, found: string][] = [
    ['subjects', subjectList(wanted), subjectList(found)],
    ['acknowledgement', wanted.ack_policy, found.ack_policy],
    ['ackWait', ms(wanted.ack_wait), ms(found.ack_wait)],
    ['maxAckPending', String(wanted.max_ack_pending), String(found.max_ack_pending)],
    ['max_deliver', String(wanted.max_deliver), String(found.max_deliver ?? -1)],
    ['priority policy', String(wanted.priority_policy), found.priority_policy ?? 'none'],
    ['priority group', PIN_GROUP, found.priority_groups?.join(',') ?? 'none'],
    ['pinTimeout', ms(wanted.priority_timeout), ms(found.priority_timeout)],
    ['headers_only', 'false', String(found.headers_only ?? false)],
    ['backoff', '0', String(found.backoff?.length ?? 0)],
    ['push subject', 'none', found.deliver_subject ?? 'none'],
  ];
  return compared
    .filter(([, mine, theirs]) => mine !== theirs)
    .map(([name, mine, theirs]) => `has ${name} ${theirs}, the configuration says ${mine}`);
}

function subjectList({ filter_subject, filter_subjects }: ConsumerConfig): string {
  const subjects = filter_subjects ?? (filter_subject === undefined || filter_subject === '' ? [] : [filter_subject]);
  return subjects.length === 0 ? 'all' : subjects.toSorted().join(',');
}

function wrongPartitions(what: string): SluiceError {
  return new SluiceError(what, {
    kind: 'config',
    code: 'nats.partitions',
    hint: 'Each subject must be in one partition only: a message in two would be delivered twice, in no order.',
  });
}
