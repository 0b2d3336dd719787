import type { ConnectionOptions, SecureVersion } from 'node:tls';
import type { ClientConfig } from 'pg';
import { SluiceError } from '../../core/failure.ts';
import { readCertificates } from '../../settings/named-file.ts';
import type { PostgresConnection } from './config.ts';
import { type ParsedUri, parseConnectionUri } from './connection-uri.ts';

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
  readonly minVersion?: SecureVersion | undefined;
}

/**
 * How to connect to each of the hosts. Files are read anew at each call, so that renewed ones are taken up; secrets are
 * revealed here only. Variables of the environment (`PGHOST`, `PGPASSWORD`, …) and `~/.pgpass` do not count. Throws
 * `config` errors for unreadable files, and for `channel_binding=require` where `tls` leaves the server unchecked.
 */
export async function connectionOptions(config: PostgresConnection): Promise<readonly ClientOptions[]> {
  const parsed = config.uri === undefined ? asParsed(config) : parseConnectionUri(config.uri.reveal());
  const setting = tlsSetting(config, parsed);
  if (parsed.bindsChannel === true && (setting === undefined || setting.verify === 'none')) throw notBound();
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
      ...(parsed.options === undefined ? {} : { options: parsed.options }),
      ...(parsed.bindsChannel === true ? { enableChannelBinding: true } : {}),
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
  const minVersion = uri.minTls;
  if (tls !== undefined) return { verify: tls.verify, ca: tls.ca ?? uri.ca, cert: tls.cert, key: tls.key, minVersion };
  const { sslMode, ca, cert, key, bindsChannel } = uri;
  if (sslMode === undefined && ca === undefined && cert === undefined && bindsChannel !== true) return undefined;
  if (sslMode === 'disable') return undefined;
  return { verify: verifyOf(uri), ca, cert, key, minVersion };
}

/**
 * As libpq does, `require` looks at the authority when one is given. Where the channel is to be bound, the certificate is
 * checked in any case: the library binds it only when the server offers that, and then nobody else must be able to ask
 * for the password.
 */
function verifyOf({ sslMode, ca, bindsChannel }: ParsedUri): TlsSetting['verify'] {
  if (sslMode === 'require' && ca === undefined) return bindsChannel === true ? 'full' : 'none';
  return sslMode === 'require' || sslMode === 'verify-ca' ? 'ca' : 'full';
}

function notBound(): SluiceError {
  return new SluiceError('the URI has channel_binding=require, but `tls` asks for a connection that is not checked', {
    kind: 'config',
    code: 'postgres.channel-binding',
    hint: 'Leave `tls` out or set its `verify` to full or ca, or take channel_binding out of the URI.',
  });
}

async function tlsOptions({ verify, ca, cert, key, minVersion }: TlsSetting): Promise<ConnectionOptions> {
  return {
    ...(await readCertificates({ ca, cert, key }, 'postgres.file')),
    rejectUnauthorized: verify !== 'none',
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(verify === 'ca' ? { checkServerIdentity: () => undefined } : {}),
  };
}
