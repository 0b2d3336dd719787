import type { StreamConfig } from '@nats-io/jetstream';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError, isAbort } from '../../core/failure.ts';
import { NatsClient } from './client.ts';
import type { NatsSinkConfig } from './config.ts';
import { recordPrefixOf } from './own-records.ts';
import { streamProblems } from './stream-problems.ts';
import { findStream, hasAtomicBatches, neededSubjects } from './stream-setup.ts';
import { isCoveredBy, subjectsOfTemplate } from './subject-template.ts';

const CHECK_LIMIT_MS = 10_000;
const NANOS_PER_SECOND = 1_000_000_000;
/** The largest document MongoDB stores. */
const LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024;

interface CheckParts {
  readonly config: NatsSinkConfig;
  readonly client: NatsClient;
  readonly signal: AbortSignal;
}

/** Looks at the servers, the stream and the rights of the user. Writes nothing and creates nothing. */
export async function checkNatsSink(config: NatsSinkConfig, context: ConnectorContext): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  const findings: Finding[] = [];
  let check = 'nats.reachable';
  try {
    await using client = await NatsClient.open(config, signal);
    const parts = { config, client, signal };
    findings.push({ check, level: 'ok', message: `nats-server ${client.version} answers` });
    check = 'nats.jetstream';
    await client.run('stream', signal, () => client.manager.getAccountInfo());
    findings.push({ check, level: 'ok', message: 'JetStream is enabled for this account' });
    check = 'nats.permissions';
    findings.push(await checkPermissions(parts));
    check = 'nats.stream';
    findings.push(...(await checkStream(parts)));
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

interface SubjectRights {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** The server tells a user's own rights; without an answer nothing is known. */
async function checkPermissions({ config, client, signal }: CheckParts): Promise<Finding> {
  const check = 'nats.permissions';
  const answer = await client.run('read', signal, () =>
    client.connection.request('$SYS.REQ.USER.INFO', '', { timeout: client.requestTimeoutMs }),
  );
  const { data } = answer.json<{ data?: { permissions?: { publish?: SubjectRights } } }>();
  const rights = data?.permissions?.publish;
  const wanted = [...subjectsOfTemplate(config.subject), `${recordPrefixOf(config)}.>`];
  const forbidden = wanted.filter((subject) => !mayPublish(subject, rights));
  if (forbidden.length === 0)
    return { check, level: 'ok', message: 'the user may publish to the subjects of the stream' };
  const list = forbidden.join(', ');
  return {
    check,
    level: 'error',
    message: `the user may not publish to all of ${list}`,
    fix: `Grant publish on ${list} and on $JS.API.>, and subscribe on _INBOX.>.`,
  };
}

function mayPublish(subject: string, rights: SubjectRights | undefined): boolean {
  const { allow = [], deny = [] } = rights ?? {};
  const allowed = allow.length === 0 || allow.some((filter) => isCoveredBy(subject, filter));
  return allowed && !deny.some((filter) => isCoveredBy(subject, filter) || isCoveredBy(filter, subject));
}

async function checkStream({ config, client, signal }: CheckParts): Promise<readonly Finding[]> {
  const check = 'nats.stream';
  const stream = await client.run('stream', signal, () => findStream(client, config.stream));
  const payload = checkPayload(
    client.maxPayload,
    'the servers take',
    '`max_payload` in the configuration of the servers',
  );
  if (stream === undefined) {
    const subjects = neededSubjects(config).join(', ');
    if (config.createStream.enabled) {
      const message = `the stream "${config.stream}" does not exist; it will be created for ${subjects}`;
      return [{ check, level: 'ok', message }, ...durability(config.createStream.replicas ?? 1), ...payload];
    }
    const message = `the stream "${config.stream}" does not exist and must not be created`;
    const fix = `nats stream add ${config.stream} --discard new --subjects '${subjects.replaceAll(', ', ',')}'`;
    return [{ check, level: 'error', message, fix }, ...payload];
  }
  const problems = streamProblems(stream, config).map(
    ({ message, fix }): Finding => ({ check, level: 'error', message: `the stream "${stream.name}" ${message}`, fix }),
  );
  const fits: Finding = { check, level: 'ok', message: `the stream "${stream.name}" fits` };
  const own = problems.length > 0 ? problems : [fits];
  return [...own, ...durability(stream.num_replicas), ...batches(stream, client), ...duplicates(stream), ...payload];
}

/** What is acknowledged is in the file cache of the system; how often it is synced cannot be asked for by a client. */
function durability(replicas: number): readonly Finding[] {
  const check = 'nats.durability';
  if (replicas >= 3) {
    return [
      {
        check,
        level: 'ok',
        message: `${replicas} replicas; set sync_interval: always against the loss of all at once`,
      },
    ];
  }
  return [
    {
      check,
      level: 'warning',
      message: `${replicas === 1 ? 'a single replica' : `${replicas} replicas`}: acknowledged messages of the last two minutes can be lost when the machine fails`,
      fix: 'Use 3 replicas (`createStream.replicas: 3`), and `sync_interval: always` in the jetstream block of the servers.',
    },
  ];
}

function batches(stream: StreamConfig, client: NatsClient): readonly Finding[] {
  const check = 'nats.atomic-batches';
  if (stream.allow_atomic === true && hasAtomicBatches(client)) {
    return [{ check, level: 'ok', message: 'batches are stored atomically' }];
  }
  const why = hasAtomicBatches(client) ? 'the stream does not allow them' : 'the servers are older than 2.12.1';
  const fix = hasAtomicBatches(client) ? `Set \`allow_atomic\` on the stream "${stream.name}".` : 'Update the servers.';
  return [{ check, level: 'warning', message: `no atomic batches, which makes writing slower: ${why}`, fix }];
}

function duplicates(stream: StreamConfig): readonly Finding[] {
  const seconds = stream.duplicate_window / NANOS_PER_SECOND;
  return [{ check: 'nats.duplicate-window', level: 'ok', message: `message ids are remembered for ${seconds} s` }];
}

function checkPayload(limit: number, who: string, where: string): readonly Finding[] {
  if (limit >= LARGEST_DOCUMENT_BYTES) return [];
  const message = `${who} messages up to ${limit} bytes, MongoDB documents go to ${LARGEST_DOCUMENT_BYTES}: larger ones become dead letters`;
  return [{ check: 'nats.max-payload', level: 'warning', message, fix: `Raise ${where}.` }];
}
