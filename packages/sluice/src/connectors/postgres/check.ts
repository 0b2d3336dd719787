import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError, isAbort } from '../../core/failure.ts';
import { Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { shownTarget } from './config.ts';
import { parseConnectionUri } from './connection-uri.ts';
import { schemaName } from './names.ts';

const CHECK_LIMIT_MS = 15_000;
const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|::1|\/.*)$/;

/** Looks at the server, the database and the rights of the user. Writes nothing and creates nothing. */
export async function checkPostgresSink(
  config: PostgresSinkConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  const findings: Finding[] = [];
  let check = 'postgres.reachable';
  try {
    await using session = await Session.open(config, signal);
    findings.push({ check, level: 'ok', message: `${shownTarget(config)} answers and takes the login` });
    check = 'postgres.server';
    findings.push(...(await checkServer(session, signal)));
    check = 'postgres.tls';
    findings.push(await checkTls(config, session, signal));
    check = 'postgres.privileges';
    findings.push(...(await checkPrivileges(config, session, signal)));
    return findings;
  } catch (error) {
    if (isAbort(error, context.signal)) throw error;
    if (limit.aborted) {
      const message = `no result within ${CHECK_LIMIT_MS / 1000} s`;
      return [...findings, { check, level: 'error', message, fix: 'Check that the server answers.' }];
    }
    const { message, hint } = asSluiceError(error);
    return [...findings, { check, level: 'error', message, fix: hint }];
  }
}

async function checkServer(session: Session, signal: AbortSignal): Promise<readonly Finding[]> {
  const text = `select current_setting('server_version') as version, current_setting('server_encoding') as encoding,
    pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on' as read_only,
    current_setting('fsync') as fsync`;
  const { rows } = await session.run('check', 'ask the server what it is', { text }, signal);
  const { version, encoding, read_only: isReadOnly, fsync } = rows[0] ?? {};
  const findings: Finding[] = [{ check: 'postgres.version', level: 'ok', message: `PostgreSQL ${String(version)}` }];
  if (encoding !== 'UTF8') {
    const message = `the encoding of the database is ${String(encoding)}: texts with other characters are refused`;
    const fix = 'Create a database with the encoding UTF8: create database NAME encoding UTF8 template template0';
    findings.push({ check: 'postgres.encoding', level: 'error', message, fix });
  }
  if (isReadOnly === true) {
    const message = 'the server cannot be written to: it is a standby, or was made read-only';
    findings.push({ check: 'postgres.writable', level: 'error', message, fix: 'Name the primary, or all hosts.' });
  }
  if (fsync === 'off') {
    const message = 'fsync is off: what was acknowledged is lost, or damaged, when the machine fails';
    findings.push({ check: 'postgres.fsync', level: 'warning', message, fix: 'Set fsync = on in postgresql.conf.' });
  }
  return findings;
}

async function checkTls(config: PostgresSinkConfig, session: Session, signal: AbortSignal): Promise<Finding> {
  const check = 'postgres.tls';
  const text = 'select ssl, version from pg_catalog.pg_stat_ssl where pid = pg_backend_pid()';
  const { rows } = await session.run('check', 'look at the connection', { text }, signal);
  const { ssl, version } = rows[0] ?? {};
  if (ssl === true) return { check, level: 'ok', message: `the connection is encrypted (${String(version)})` };
  const hosts =
    config.uri === undefined ? [{ host: config.host ?? '' }] : parseConnectionUri(config.uri.reveal()).hosts;
  if (hosts.every(({ host }) => LOCAL.test(host))) return { check, level: 'ok', message: 'no TLS, on this machine' };
  const message = 'the connection is not encrypted: anyone on the path can read and change the data';
  return { check, level: 'warning', message, fix: 'Set `tls: true`, or sslmode=verify-full in the URI.' };
}

async function checkPrivileges(
  config: PostgresSinkConfig,
  session: Session,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  // With a placeholder nobody knows which schemas there will be.
  const named = config.schema.includes('{') ? undefined : schemaName(config.schema);
  const schemas = [config.stateSchema, ...(named === undefined ? [] : [named])];
  const text = `select current_database() as database, current_user as name,
      has_database_privilege(current_database(), 'create') as can_make_schemas`;
  const { rows } = await session.run('check', 'look at the privileges', { text }, signal);
  const { database, name, can_make_schemas: canMakeSchemas } = rows[0] ?? {};
  const findings: Finding[] = [];
  for (const schema of schemas) findings.push(...(await checkSchema(schema, canMakeSchemas === true, session, signal)));
  if (named === undefined && canMakeSchemas !== true) {
    const message = `the user ${String(name)} may not make schemas in the database ${String(database)}`;
    const fix = `grant create on database "${String(database)}" to "${String(name)}"; or make the schemas beforehand`;
    findings.push({ check: 'postgres.privileges', level: 'warning', message, fix });
  }
  if (findings.length > 0) return findings;
  return [{ check: 'postgres.privileges', level: 'ok', message: 'the user may make the schemas and tables' }];
}

async function checkSchema(
  schema: string,
  canMakeSchemas: boolean,
  session: Session,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const check = 'postgres.privileges';
  const text = `select has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage') as can_write
    from pg_catalog.pg_namespace where nspname = $1`;
  const { rows } = await session.run('check', `look at ${schema}`, { text, values: [schema] }, signal);
  const [found] = rows;
  if (found === undefined && !canMakeSchemas) {
    const message = `the schema "${schema}" does not exist, and the user may not make it`;
    return [{ check, level: 'error', message, fix: `create schema "${schema}" authorization USER` }];
  }
  if (found !== undefined && found['can_write'] !== true) {
    const message = `the user may not make tables in the schema "${schema}"`;
    return [{ check, level: 'error', message, fix: `grant usage, create on schema "${schema}" to USER` }];
  }
  return [];
}
