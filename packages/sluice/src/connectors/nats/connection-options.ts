import { readFile } from 'node:fs/promises';
import {
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node';
import { SluiceError } from '../../core/failure.ts';
import type { NatsConnectionConfig } from './config.ts';

type LoginConfig = NonNullable<NatsConnectionConfig['login']>;
type TlsConfig = NonNullable<NatsConnectionConfig['tls']>;

const CONNECT_LIMIT_MS = 10_000;
/** A connection that has died without a word is noticed within two of these. */
const PING_EVERY_MS = 10_000;

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
  const creds = await read(login.file, 'login.file');
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
  const [ca, cert, key] = await Promise.all([
    tls.ca === undefined ? undefined : read(tls.ca, 'tls.ca'),
    tls.cert === undefined ? undefined : read(tls.cert, 'tls.cert'),
    tls.key === undefined ? undefined : read(tls.key, 'tls.key'),
  ]);
  return {
    ...(ca === undefined ? {} : { ca: ca.toString() }),
    ...(cert === undefined ? {} : { cert: cert.toString() }),
    ...(key === undefined ? {} : { key: key.toString() }),
    handshakeFirst: tls.handshakeFirst,
  };
}

async function read(path: string, option: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new SluiceError(`${option}: the file "${path}" cannot be read`, {
      kind: 'config',
      code: 'nats.file',
      hint: 'Check the path and the permissions of the file.',
      cause,
    });
  }
}
