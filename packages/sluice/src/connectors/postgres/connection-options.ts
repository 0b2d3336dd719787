import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { ClientConfig } from 'pg';
import { SluiceError } from '../../core/failure.ts';
import type { PostgresConnection } from './config.ts';
import { type ParsedUri, parseConnectionUri, type SslMode } from './connection-uri.ts';

/** How the client library connects to one of the hosts. */
export interface ClientOptions {
  readonly client: ClientConfig;
  /** Then it is only taken when it can be written to. */
  readonly isOneOfMany: boolean;
}

/** What is said about TLS, from the URI and the configuration. */
interface TlsSetting {
  readonly verify: 'full' | 'ca' | 'none';
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * How to connect to each of the hosts. Files are read anew at each call, so that renewed ones are taken up; secrets are
 * revealed here only. Variables of the environment (`PGHOST`, `PGPASSWORD`, …) and `~/.pgpass` do not count. Throws
 * `config` errors for unreadable files.
 */
export async function connectionOptions(config: PostgresConnection): Promise<readonly ClientOptions[]> {
  const parsed = config.uri === undefined ? asParsed(config) : parseConnectionUri(config.uri.reveal());
  const setting = tlsSetting(config, parsed);
  const ssl = setting === undefined ? false : await tlsOptions(setting);
  const user = parsed.user ?? 'postgres';
  return parsed.hosts.map(({ host, port }) => ({
    client: {
      host,
      port,
      user,
      // Without one, the library would look into the environment and a file.
      password: () => parsed.password ?? '',
      database: parsed.database ?? user,
      application_name: parsed.applicationName ?? 'sluice',
      // By an address there is no name to ask for, and the certificate must still be that of the host.
      ssl: ssl && { ...ssl, host },
    },
    isOneOfMany: parsed.hosts.length > 1,
  }));
}

function asParsed({ host = '', port, user, password, database }: PostgresConnection): ParsedUri {
  return {
    hosts: [{ host, port }],
    user,
    password: password?.reveal(),
    database,
    sslMode: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    applicationName: undefined,
  };
}

/** Undefined for a connection without TLS. */
export function tlsSetting({ tls }: PostgresConnection, uri: ParsedUri): TlsSetting | undefined {
  if (tls === false) return undefined;
  if (tls !== undefined) return { verify: tls.verify, ca: tls.ca ?? uri.ca, cert: tls.cert, key: tls.key };
  if (uri.sslMode === undefined && uri.ca === undefined && uri.cert === undefined) return undefined;
  if (uri.sslMode === 'disable') return undefined;
  return { verify: verifyOf(uri.sslMode, uri.ca), ca: uri.ca, cert: uri.cert, key: uri.key };
}

/** As libpq does, `require` looks at the authority when one is given. */
function verifyOf(mode: SslMode | undefined, ca: string | undefined): TlsSetting['verify'] {
  if (mode === 'require') return ca === undefined ? 'none' : 'ca';
  return mode === 'verify-ca' ? 'ca' : 'full';
}

async function tlsOptions({ verify, ca, cert, key }: TlsSetting): Promise<ConnectionOptions> {
  const [authorities, certificate, certificateKey] = await Promise.all([
    read(ca, 'tls.ca'),
    read(cert, 'tls.cert'),
    read(key, 'tls.key'),
  ]);
  return {
    rejectUnauthorized: verify !== 'none',
    ...(verify === 'ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(certificateKey === undefined ? {} : { key: certificateKey }),
  };
}

async function read(path: string | undefined, option: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SluiceError(`${option}: the file "${path}" cannot be read`, {
      kind: 'config',
      code: 'postgres.file',
      hint: 'Check the path and the permissions of the file.',
      cause,
    });
  }
}
