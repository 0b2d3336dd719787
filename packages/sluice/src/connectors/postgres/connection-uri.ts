import { decoded, readParameters, UriError } from './connection-parameters.ts';

export { UriError } from './connection-parameters.ts';

/** Where a server listens. A host that begins with a slash is the directory of a socket. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** How `sslmode` names what is checked. */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;

export type SslMode = (typeof SSL_MODES)[number];

/** What a connection string says. */
export interface ParsedUri {
  readonly hosts: readonly HostAddress[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode | undefined;
  /** Undefined also when those of the system are meant. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly applicationName: string | undefined;
  /** Settings of the session, as a server takes them: `-c name=value`. */
  readonly options?: string | undefined;
  /** True when nobody between may pass for the server. */
  readonly bindsChannel?: boolean | undefined;
  /** As TLS libraries call it: `TLSv1.3`. */
  readonly minTls?: 'TLSv1.2' | 'TLSv1.3' | undefined;
}

type Parameters = ReadonlyMap<string, string>;

const DEFAULT_PORT = 5432;
/** In place of a file: the authorities that the system trusts. */
const SYSTEM = 'system';
const URI = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s;
const HOST = /^(\[[0-9a-fA-F:.%a-z]+\]|[^:[\]]*)(?::(\d{1,5}))?$/;
/** Older versions are not spoken at all. */
const MIN_TLS: Readonly<Record<string, ParsedUri['minTls']>> = {
  TLSV1: 'TLSv1.2',
  'TLSV1.1': 'TLSv1.2',
  'TLSV1.2': 'TLSv1.2',
  'TLSV1.3': 'TLSv1.3',
};

/**
 * Reads a connection string in the form of libpq
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING). What it asks for is done, or was found
 * to change nothing, or is refused. Throws `UriError`.
 */
export function parseConnectionUri(text: string): ParsedUri {
  const match = URI.exec(text);
  if (match === null) throw new UriError('is not a connection string: postgresql://user:password@host:5432/database');
  const [, userInfo = '', authority = '', path = '', query = ''] = match;
  // Otherwise a part of the password would pass for the host or the database, and be shown.
  if (path.includes('@')) throw new UriError('has an @ behind the host (in a password / is written %2F, and @ as %40)');
  const options = readParameters(query);
  checkPairs(options);
  const colon = userInfo.indexOf(':');
  const user = colon < 0 ? userInfo : userInfo.slice(0, colon);
  const password = colon < 0 ? '' : userInfo.slice(colon + 1);
  return {
    hosts: hostsOf(authority, options),
    user: decoded(user) || options.get('user'),
    password: decoded(password) || options.get('password'),
    database: decoded(path) || options.get('dbname'),
    sslMode: sslModeOf(options),
    ca: options.get('sslrootcert') === SYSTEM ? undefined : options.get('sslrootcert'),
    cert: options.get('sslcert'),
    key: options.get('sslkey'),
    applicationName: options.get('application_name') ?? options.get('fallback_application_name'),
    options: options.get('options'),
    bindsChannel: bindsChannel(options.get('channel_binding')),
    minTls: minTlsOf(options.get('ssl_min_protocol_version')),
  };
}

function checkPairs(options: Parameters): void {
  if ((options.get('sslcert') === undefined) !== (options.get('sslkey') === undefined)) {
    throw new UriError('must have sslcert and sslkey together');
  }
  if (options.get('channel_binding') === 'require' && options.get('sslmode') === 'disable') {
    throw new UriError('cannot have channel_binding=require with sslmode=disable: it takes TLS');
  }
}

function hostsOf(authority: string, options: Parameters): readonly HostAddress[] {
  const hosts = authority.split(',').map((part): HostAddress => {
    const [, host = '', port] = HOST.exec(part) ?? bad();
    const name = decoded(host.replace(/^\[(.*)\]$/, '$1')) || options.get('host');
    return { host: name ?? 'localhost', port: portOf(port ?? options.get('port')) };
  });
  return hosts;
}

function bad(): never {
  throw new UriError('has a host that is not `name:port`');
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? DEFAULT_PORT : Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new UriError('has a port that is not a number from 1 to 65535');
}

function sslModeOf(options: Parameters): SslMode | undefined {
  const text = options.get('sslmode') ?? jdbcSslMode(options.get('ssl'));
  const isSystem = options.get('sslrootcert') === SYSTEM;
  // As in libpq: the authorities of the system give certificates to everybody, so the name has to be right.
  if (isSystem && text !== undefined && text !== 'verify-full') {
    throw new UriError('must have sslmode=verify-full with sslrootcert=system');
  }
  if (text === undefined) return isSystem ? 'verify-full' : undefined;
  const mode = SSL_MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new UriError(
    text === 'prefer' || text === 'allow'
      ? `has sslmode=${text}, with which it is left to whoever is on the path whether there is TLS: write ${SSL_MODES.join(', ')}`
      : `must have an sslmode of ${SSL_MODES.join(', ')}`,
  );
}

/** libpq takes `ssl=true` of the URIs of JDBC. */
function jdbcSslMode(ssl: string | undefined): SslMode | undefined {
  if (ssl === undefined) return undefined;
  if (ssl === 'true') return 'require';
  throw new UriError('must have ssl=true, or sslmode instead');
}

function bindsChannel(text: string | undefined): boolean {
  if (text === undefined || text === 'prefer' || text === 'disable') return false;
  if (text === 'require') return true;
  throw new UriError('must have a channel_binding of require, prefer, disable');
}

function minTlsOf(text: string | undefined): ParsedUri['minTls'] {
  if (text === undefined) return undefined;
  const version = MIN_TLS[text.toUpperCase()];
  if (version !== undefined) return version;
  throw new UriError('must have an ssl_min_protocol_version of TLSv1.2, TLSv1.3');
}
