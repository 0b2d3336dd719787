import { createHash } from 'node:crypto';
import aws4, { type Request } from 'aws4';
import { SluiceError } from '../../core/failure.ts';
import { Secret } from '../../settings/secret.ts';
import type { Authenticate, SignedRequest, UnsignedRequest } from './auth.ts';
import type { SearchConnectionConfig } from './connection-config.ts';

type AwsConfig = NonNullable<NonNullable<SearchConnectionConfig['auth']>['aws']>;
type Environment = Readonly<Record<string, string | undefined>>;

/** Serverless refuses a signature over this one; elsewhere it says nothing that the hash of the body does not. */
const NOT_SIGNED = { 'content-length': true };

const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
const VISIBLE = /^[\x21-\x7e]+$/;

/** Keys of a user or a role. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret | undefined;
}

/**
 * Signs requests by Signature Version 4. The hash of the body is made of the bytes that are sent and goes into a header, which
 * OpenSearch Serverless insists on. Throws `config` when the region or the credentials are missing.
 */
export function awsSigner(config: AwsConfig, environment: Environment): Authenticate {
  const region = config.region ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
  if (region === undefined || !VISIBLE.test(region)) throw missing('a region', '`auth.aws.region` or AWS_REGION');
  const credentials = credentialsOf(config, environment);
  return (request) => {
    const hash = createHash('sha256')
      .update(request.body ?? '')
      .digest('hex');
    const headers = { ...request.headers, 'x-amz-content-sha256': hash };
    return signRequest({ ...request, headers }, { region, service: config.service, credentials });
  };
}

function credentialsOf(config: AwsConfig, environment: Environment): AwsCredentials {
  if (config.accessKeyId !== undefined && config.secretAccessKey !== undefined) {
    const { accessKeyId, secretAccessKey, sessionToken } = config;
    return { accessKeyId, secretAccessKey, sessionToken };
  }
  const [accessKeyId = '', secret = '', token = ''] = VARIABLES.map((name) => environment[name]?.trim());
  if (!VISIBLE.test(accessKeyId) || secret === '') {
    throw missing(
      'credentials',
      '`auth.aws.accessKeyId` and `secretAccessKey`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    );
  }
  return {
    accessKeyId,
    secretAccessKey: new Secret(secret),
    sessionToken: token === '' ? undefined : new Secret(token),
  };
}

/** For whom a request is signed, and with what. */
export interface SigningScope {
  readonly region: string;
  readonly service: string;
  readonly credentials: AwsCredentials;
}

/** The request with its signature. Headers and path must be sent as they come back. */
export function signRequest(
  { method, path, headers, body, host }: UnsignedRequest,
  { region, service, credentials }: SigningScope,
): SignedRequest {
  const request: Request & { extraHeadersToIgnore: typeof NOT_SIGNED } = {
    method,
    path,
    service,
    region,
    headers: { ...headers, host },
    ...(body === undefined ? {} : { body }),
    extraHeadersToIgnore: NOT_SIGNED,
  };
  const signed = aws4.sign(request, {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey.reveal(),
    ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken.reveal() }),
  });
  return { path: signed.path ?? path, headers: signed.headers as Record<string, string> };
}

function missing(what: string, where: string): SluiceError {
  return new SluiceError(`${what} for Amazon is neither in the settings nor in the environment`, {
    kind: 'config',
    code: 'search.aws-credentials',
    hint: `Set ${where}.`,
  });
}
