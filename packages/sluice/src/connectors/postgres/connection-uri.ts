/** What is wrong with a connection string; never shows any of its values. */
export class UriError extends Error {}

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
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly applicationName: string | undefined;
}

const DEFAULT_PORT = 5432;
const URI = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s;
const HOST = /^(\[[0-9a-fA-F:.%a-z]+\]|[^:[\]]*)(?::(\d{1,5}))?$/;
const KNOWN = new Set([
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'target_session_attrs',
]);

/**
 * Reads a connection string in the form of libpq
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING). Throws `UriError`.
 */
export function parseConnectionUri(text: string): ParsedUri {
  const match = URI.exec(text);
  if (match === null) throw new UriError('is not a connection string: postgresql://user:password@host:5432/database');
  const [, userInfo = '', authority = '', path = '', query = ''] = match;
  const options = readQuery(query);
  const colon = userInfo.indexOf(':');
  const user = colon < 0 ? userInfo : userInfo.slice(0, colon);
  const password = colon < 0 ? '' : userInfo.slice(colon + 1);
  return {
    hosts: hostsOf(authority, options),
    user: decoded(user) || options.get('user'),
    password: decoded(password) || options.get('password'),
    database: decoded(path) || options.get('dbname'),
    sslMode: sslModeOf(options.get('sslmode')),
    ca: options.get('sslrootcert'),
    cert: options.get('sslcert'),
    key: options.get('sslkey'),
    applicationName: options.get('application_name'),
  };
}

function readQuery(query: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [name = '', ...value] = pair.split('=');
    if (!KNOWN.has(name)) throw new UriError(`has the parameter "${name}", which Sluice does not know`);
    options.set(name, decoded(value.join('=')));
  }
  const wanted = options.get('target_session_attrs') ?? 'read-write';
  if (wanted !== 'read-write' && wanted !== 'primary') {
    throw new UriError('must have target_session_attrs=read-write or leave it out: Sluice writes');
  }
  if ((options.get('sslcert') === undefined) !== (options.get('sslkey') === undefined)) {
    throw new UriError('must have sslcert and sslkey together');
  }
  return options;
}

function hostsOf(authority: string, options: ReadonlyMap<string, string>): readonly HostAddress[] {
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

function sslModeOf(text: string | undefined): SslMode | undefined {
  if (text === undefined) return undefined;
  const mode = SSL_MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new UriError(
    text === 'prefer' || text === 'allow'
      ? `has sslmode=${text}, with which it is left to whoever is on the path whether there is TLS: write ${SSL_MODES.join(', ')}`
      : `must have an sslmode of ${SSL_MODES.join(', ')}`,
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UriError('has a % that does not begin a percent-encoded character');
  }
}
