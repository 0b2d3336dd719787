import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError, isAbort } from '../../core/failure.ts';
import { NatsClient } from './client.ts';
import type { NatsSourceConfig } from './config.ts';
import { consumerConfig, consumerNames, consumerProblems, findConsumer, streamInfo } from './consumer-setup.ts';
import { recordPrefixOf } from './own-records.ts';
import { isCoveredBy } from './subject-template.ts';

const CHECK_LIMIT_MS = 10_000;

/** Looks at the servers, the stream and its consumers the way a source would use them. Creates nothing. */
export async function checkNatsSource(
  config: NatsSourceConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  const findings: Finding[] = [];
  let check = 'nats.reachable';
  try {
    await using client = await NatsClient.open(config, signal);
    findings.push({ check, level: 'ok', message: `nats-server ${client.version} answers` });
    check = 'nats.stream';
    const { config: stream } = await streamInfo(client, config.stream, signal);
    findings.push({ check, level: 'ok', message: `the stream "${stream.name}" exists` });
    check = 'nats.partitions';
    findings.push(...unread(config, stream.subjects));
    check = 'nats.consumer';
    findings.push(...(await checkConsumers(config, { client, context, signal })));
    return findings;
  } catch (error) {
    if (isAbort(error, context.signal)) throw error;
    if (limit.aborted) {
      const message = `no result within ${CHECK_LIMIT_MS / 1000} s`;
      return [...findings, { check, level: 'error', message, fix: 'Check that the servers answer.' }];
    }
    const { message, hint } = asSluiceError(error);
    return [...findings, { check, level: 'error', message, fix: hint }];
  }
}

/** Subjects of the stream that are in no partition as a whole. */
function unread(config: NatsSourceConfig, subjects: readonly string[]): readonly Finding[] {
  const read = config.partitions?.flat();
  if (read === undefined) return [];
  const own = `${recordPrefixOf(config)}.>`;
  const missing = subjects.filter((subject) => subject !== own && !read.some((filter) => isCoveredBy(subject, filter)));
  if (missing.length === 0) return [];
  const message = `the stream takes ${missing.join(', ')}, which no partition has as a whole`;
  const fix = 'Check that `partitions` have all subjects that are to be read: the others are not.';
  return [{ check: 'nats.partitions', level: 'warning', message, fix }];
}

async function checkConsumers(
  config: NatsSourceConfig,
  { client, context, signal }: { client: NatsClient; context: ConnectorContext; signal: AbortSignal },
): Promise<readonly Finding[]> {
  const check = 'nats.consumer';
  const findings: Finding[] = [];
  for (const name of consumerNames(config, context.pipeline)) {
    const { durable } = name;
    const found = await findConsumer(client, config.stream, durable, signal);
    const problems = found === undefined ? [] : consumerProblems(found.config, consumerConfig(config, name));
    const state = found === undefined ? 'does not exist; it will be created' : `can be used; ${found.num_pending} wait`;
    if (problems.length === 0) findings.push({ check, level: 'ok', message: `the consumer "${durable}" ${state}` });
    for (const problem of problems) {
      const fix = `nats consumer edit ${config.stream} ${durable}, or choose another \`durable\`.`;
      findings.push({ check, level: 'error', message: `the consumer "${durable}" ${problem}`, fix });
    }
  }
  return findings;
}
