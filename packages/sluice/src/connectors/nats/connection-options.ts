import {
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node';
import { SluiceError } from '../../core/failure.ts';
import { readCertificates, readNamedFile } from '../../settings/named-file.ts';
import type { NatsConnectionConfig } from './config.ts';

type LoginConfig = NonNullable<NatsConnectionConfig['login']>;
type TlsConfig = NonNullable<NatsConnectionConfig['tls']>;

const CONNECT_LIMIT_MS = 10_000;
/** A connection that has died without a word is noticed within two of these. */
const PING_EVERY_MS = 10_000;
/** The code of an error about a file. */
const FILE = 'nats.file';

/**
 * How the client library connects, apart from the server. Files are read anew at each call, so that renewed ones are taken up; secrets are
 * revealed here only. A lost connection stays lost: what was sent over it may have been dropped while later messages
 * arrive, so the pipeline opens a new one and finds out. Throws `config` errors for unreadable files.
 */
export async function connectionOptions(config: NatsConnectionConfig): Promise<ConnectionOptions> {
  const { name, login, tls, requestTimeout } = config;
  return {
    name,
    timeout: Math.min(CONNECT_LIMIT_MS, requestTimeout),
    reconnect: false,
    pingInterval: PING_EVERY_MS,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls: await tlsOptions(tls) }),
    ...(login === undefined ? {} : await loginOptions(login)),
  };
}

async function loginOptions(login: LoginConfig): Promise<ConnectionOptions> {
  if (login.method === 'password') return { user: login.username, pass: login.password.reveal() };
  if (login.method === 'token') return { token: login.token.reveal() };
  if (login.method === 'nkey') {
    const seed = Buffer.from(login.seed.reveal().trim());
    return { authenticator: guarded(() => nkeyAuthenticator(seed)) };
  }
  const creds = await readNamedFile(login.file, { option: 'login.file', code: FILE });
  return { authenticator: guarded(() => credsAuthenticator(creds)) };
}

/** The library tells about a malformed seed only when it logs in, with words that are not for operators. */
function guarded(make: () => ReturnType<typeof nkeyAuthenticator>): ReturnType<typeof nkeyAuthenticator> {
  const wrong = () =>
    new SluiceError('the key in `login` is not the seed of a user', {
      kind: 'config',
      code: 'nats.login-key',
      hint: 'A seed of a user begins with `SU`; a `.creds` file comes from `nsc generate creds`.',
    });
  let authenticator: ReturnType<typeof nkeyAuthenticator>;
  try {
    authenticator = make();
    authenticator('nonce');
  } catch {
    throw wrong();
  }
  return authenticator;
}

async function tlsOptions(tls: TlsConfig): Promise<TlsOptions> {
  return { ...(await readCertificates(tls, FILE)), handshakeFirst: tls.handshakeFirst };
}
