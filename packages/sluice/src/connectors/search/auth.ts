import { awsSigner } from './aws-signature.ts';
import type { SearchConnectionConfig } from './connection-config.ts';

/** A request before it is authenticated. */
export interface UnsignedRequest {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The very bytes that are sent. */
  readonly body: Buffer | undefined;
  /** Host and port, as the `host` header has them. */
  readonly host: string;
}

/** What is sent: path and headers may differ from those of the unsigned request. */
export interface SignedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Adds what proves who sends a request. Called for every try, because signatures hold the time and the host. */
export type Authenticate = (request: UnsignedRequest) => SignedRequest;

/**
 * The way to log in that the settings ask for. Secrets are revealed here and in the signature only. Throws `config` when
 * credentials for Amazon are neither there nor in the environment.
 */
export function authentication(
  auth: SearchConnectionConfig['auth'],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Authenticate {
  if (auth?.aws !== undefined) return awsSigner(auth.aws, environment);
  const authorization = authorizationOf(auth);
  if (authorization === undefined) return ({ path, headers }) => ({ path, headers });
  return ({ path, headers }) => ({ path, headers: { ...headers, authorization } });
}

function authorizationOf(auth: SearchConnectionConfig['auth']): string | undefined {
  if (auth?.basic !== undefined) {
    return `Basic ${Buffer.from(`${auth.basic.username}:${auth.basic.password.reveal()}`).toString('base64')}`;
  }
  const key = auth?.apiKey;
  if (key === undefined) return undefined;
  if (!('id' in key)) return `ApiKey ${key.reveal()}`;
  return `ApiKey ${Buffer.from(`${key.id}:${key.key.reveal()}`).toString('base64')}`;
}
