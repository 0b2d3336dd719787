import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientConfig } from 'pg';
import { type Certificates, makeCertificates } from './certificates.ts';

/** How a client logs in. */
export interface PostgresLogin {
  readonly user: string;
  readonly password: string;
}

/** What the server needs, and what a client needs to get in; what does not apply is undefined. */
export interface PostgresSecurity {
  readonly login: PostgresLogin | undefined;
  readonly tls: Certificates | undefined;
  /** What the `pg` library needs for TLS. */
  readonly ssl: ClientConfig['ssl'];
  /** Lines for postgresql.conf. The certificates must be in the data folder as ca.pem and server.pem. */
  readonly lines: readonly string[];
  /** Text of pg_hba.conf. */
  readonly access: string;
}

/** Makes the password and the certificates in `dir`, as asked for. */
export async function makePostgresSecurity(
  dir: string,
  options: { readonly auth?: 'scram'; readonly tls?: boolean | 'mutual' },
): Promise<PostgresSecurity> {
  const login =
    options.auth === undefined ? undefined : { user: 'postgres', password: randomBytes(12).toString('hex') };
  const method = login === undefined ? 'trust' : 'scram-sha-256';
  if (options.tls === undefined || options.tls === false) {
    return { login, tls: undefined, ssl: undefined, lines: [], access: `host all all 127.0.0.1/32 ${method}\n` };
  }
  const folder = join(dir, 'tls');
  await mkdir(folder);
  const tls = await makeCertificates(folder);
  const mutual = options.tls === 'mutual';
  return {
    login,
    tls,
    ssl: await clientSide(tls, mutual),
    lines: ['ssl = on', "ssl_ca_file = 'ca.pem'", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.pem'"],
    // No line for connections without TLS: they are refused.
    access: `hostssl all all 127.0.0.1/32 ${method}${mutual ? ' clientcert=verify-ca' : ''}\n`,
  };
}

async function clientSide(tls: Certificates, mutual: boolean): Promise<ClientConfig['ssl']> {
  const ca = await readFile(tls.caFile, 'utf8');
  if (!mutual) return { ca };
  const [key, cert] = await Promise.all(
    [tls.clientKeyFile, tls.clientCertificateFile].map((file) => readFile(file, 'utf8')),
  );
  return { ca, key: key ?? '', cert: cert ?? '' };
}
