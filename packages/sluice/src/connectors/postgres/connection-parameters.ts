/** What is wrong with a connection string; never shows any of its values. */
export class UriError extends Error {}

/** Parameters that say something Sluice acts on. */
const USED: ReadonlySet<string> = new Set([
  'host',
  'port',
  'dbname',
  'user',
  'password',
  'application_name',
  'fallback_application_name',
  'options',
  'channel_binding',
  'ssl',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'ssl_min_protocol_version',
]);

/**
 * Parameters that change nothing here. Connections are always kept alive, how long connecting may take is set by
 * `connectTimeout`, and without GSSAPI its names mean nothing.
 */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'connect_timeout',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'load_balance_hosts',
  'sslcompression',
  'krbsrvname',
  'gsslib',
  'gssdelegation',
  'uselibpqcompat',
]);

/** Parameters with the values that ask for no more than is done in any case. */
const GRANTED: Readonly<Record<string, readonly string[]>> = {
  // Of several hosts only one that can be written to is taken, also with `any`.
  target_session_attrs: ['read-write', 'primary', 'any'],
  client_encoding: ['utf8', 'utf-8', 'unicode', 'auto'],
  gssencmode: ['disable', 'prefer'],
  sslnegotiation: ['postgres'],
  sslsni: ['1'],
  sslcertmode: ['allow'],
  replication: ['false', 'off', 'no', '0'],
};

/** Parameters whose meaning would get lost, and what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  hostaddr: 'write the address as the host',
  passfile: 'write the password into the URI, from a variable or a file',
  service: 'write what the service stands for into the URI',
  servicefile: 'write what the service stands for into the URI',
  sslpassword: 'take the password off the key and protect the file',
  sslcrl: 'revoked certificates are not looked up; leave it out only if you can do without',
  sslcrldir: 'revoked certificates are not looked up; leave it out only if you can do without',
  ssl_max_protocol_version: 'the newest version that both sides know is used',
  requirepeer: 'leave it out only if you can do without',
  require_auth: 'use TLS with sslmode=verify-full, so that only the right server asks for the password',
};

const HINTS: Readonly<Record<string, string>> = {
  target_session_attrs: 'Sluice writes',
  client_encoding: 'Sluice writes UTF-8',
  gssencmode: 'GSSAPI is not supported; use TLS',
};

/** What a parameter looks like, and not a piece of a password with an unescaped `?`. */
const PARAMETER = /^[a-z][a-z_]{0,29}$/i;

/** The parameters behind the `?` of a connection string, by name; those without effect are left out. Throws `UriError`. */
export function readParameters(query: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [name = '', ...rest] = pair.split('=');
    const value = rest.length === 0 ? undefined : decoded(rest.join('='));
    if (value === undefined || !accepts(name, value)) throw unknown(name, value !== undefined && !query.includes('@'));
    if (USED.has(name)) options.set(name, value);
  }
  return options;
}

/** False for one that is not known. */
function accepts(name: string, value: string): boolean {
  if (USED.has(name) || WITHOUT_EFFECT.has(name)) return true;
  const instead = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
  if (instead !== undefined) throw new UriError(`has the parameter ${name}, which Sluice cannot heed: ${instead}`);
  const granted = Object.hasOwn(GRANTED, name) ? GRANTED[name] : undefined;
  if (granted === undefined) return false;
  if (granted.includes(value.toLowerCase())) return true;
  const why = HINTS[name] === undefined ? '' : `: ${HINTS[name]}`;
  throw new UriError(`must have ${name}=${granted.join(', ')} or leave it out${why}`);
}

function unknown(name: string, canBeShown: boolean): UriError {
  const shown = canBeShown && PARAMETER.test(name) ? `the parameter "${name}"` : 'a parameter';
  return new UriError(`has ${shown}, which Sluice does not know (a ? in a password is written %3F)`);
}

/** Percent-encoded text. Throws `UriError`. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UriError('has a % that does not begin a percent-encoded character');
  }
}
