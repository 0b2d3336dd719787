import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from './certificates.ts';
import type { ScramMechanism } from './kafka-admin.ts';

/** What a client needs to get in. */
export interface KafkaSecurity {
  /** Present with `sasl`. */
  readonly login: { readonly mechanism: ScramMechanism; readonly user: string; readonly password: string } | undefined;
  /** Present with `tls`: PEM texts and the files they are in. */
  readonly tls:
    | { readonly ca: string; readonly cert: string; readonly key: string; readonly files: Certificates }
    | undefined;
}

interface SecurityOptions {
  readonly sasl?: 'scram-sha-256' | 'scram-sha-512';
  readonly tls?: boolean;
}

/** Makes a user with a random password and certificates in `dir`, as asked for. */
export async function makeKafkaSecurity(dir: string, options: SecurityOptions): Promise<KafkaSecurity> {
  const login =
    options.sasl === undefined
      ? undefined
      : {
          mechanism: options.sasl === 'scram-sha-256' ? ('SCRAM-SHA-256' as const) : ('SCRAM-SHA-512' as const),
          user: 'sluice',
          password: randomBytes(12).toString('hex'),
        };
  if (options.tls !== true) return { login, tls: undefined };
  const folder = join(dir, 'tls');
  await mkdir(folder);
  const files = await makeCertificates(folder);
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.clientCertificateFile, files.clientKeyFile].map((file) => readFile(file, 'utf8')),
  );
  return { login, tls: { ca: ca ?? '', cert: cert ?? '', key: key ?? '', files } };
}
