import { isIP } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { type ConnectionOptions, SASLMechanisms, type SASLOptions } from '@platformatic/kafka';
import { readCertificates } from '../../settings/named-file.ts';
import type { KafkaConnectionConfig } from './config.ts';

type SaslConfig = NonNullable<KafkaConnectionConfig['sasl']>;
type TlsConfig = NonNullable<KafkaConnectionConfig['tls']>;
type TokenEndpoint = NonNullable<Extract<SaslConfig, { mechanism: 'oauthbearer' }>['tokenEndpoint']>;

const CONNECT_LIMIT_MS = 10_000;
const TOKEN_LIMIT_MS = 10_000;

/**
 * How the client library connects: time-outs, TLS and login. Certificates are read anew at each call, so that renewed
 * ones are taken up; secrets are revealed only when the library asks for them. Throws `config` errors for unreadable files.
 */
export async function connectionOptions(config: KafkaConnectionConfig): Promise<ConnectionOptions> {
  const { tls, sasl, requestTimeout } = config;
  return {
    connectTimeout: Math.min(CONNECT_LIMIT_MS, requestTimeout),
    requestTimeout,
    ...(tls === undefined ? {} : { tls: await tlsOptions(tls), tlsServerName: namesHosts(config.brokers) }),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
  };
}

/** The server name is sent when brokers are named: an IP address must not be sent as one (RFC 6066). */
function namesHosts(brokers: readonly string[]): boolean {
  return brokers.every((broker) => !broker.startsWith('[') && isIP(broker.replace(/:\d+$/, '')) === 0);
}

async function tlsOptions(tls: TlsConfig): Promise<TlsOptions> {
  return {
    ...(await readCertificates(tls, 'kafka.tls-file')),
    ...(tls.keyPassphrase === undefined ? {} : { passphrase: tls.keyPassphrase.reveal() }),
    rejectUnauthorized: !tls.insecure,
  };
}

function saslOptions(sasl: SaslConfig): SASLOptions {
  if (sasl.mechanism === 'oauthbearer') {
    const { token, tokenEndpoint } = sasl;
    return {
      mechanism: SASLMechanisms.OAUTHBEARER,
      token: () => (tokenEndpoint === undefined ? (token?.reveal() ?? '') : fetchToken(tokenEndpoint)),
    };
  }
  const mechanism = {
    plain: SASLMechanisms.PLAIN,
    'scram-sha-256': SASLMechanisms.SCRAM_SHA_256,
    'scram-sha-512': SASLMechanisms.SCRAM_SHA_512,
  }[sasl.mechanism];
  return { mechanism, username: sasl.username, password: () => sasl.password.reveal() };
}

/** Names and passwords in this header are form-encoded first (RFC 6749, section 2.3.1). */
function formEncode(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', '+');
}

/** A token of the client-credentials grant (RFC 6749, section 4.4). The answer never gets into an error. */
async function fetchToken({ url, clientId, clientSecret, scope }: TokenEndpoint): Promise<string> {
  const basic = [clientId, clientSecret.reveal()].map(formEncode).join(':');
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(basic).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) }),
    redirect: 'error',
    signal: AbortSignal.timeout(TOKEN_LIMIT_MS),
  });
  const answer = response.ok ? ((await response.json()) as { access_token?: unknown }) : {};
  if (typeof answer.access_token === 'string') return answer.access_token;
  throw new Error(`the token endpoint answered ${response.status} without a token`);
}
