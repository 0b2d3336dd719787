import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import { runProgram } from './server-cache.ts';

/** Certificates for one test server, all PEM files: a CA and what it signed. Valid for 127.0.0.1 and localhost. */
export interface Certificates {
  readonly caFile: string;
  /** Key and certificate in one file, as mongod and Kafka want them. */
  readonly serverFile: string;
  /** Key and certificate in one file, subject `CN=client,OU=clients,O=Sluice`. */
  readonly clientFile: string;
  readonly clientKeyFile: string;
  readonly clientCertificateFile: string;
}

const OPENSSL_LIMIT_MS = 60_000;
const DAYS = '30';
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes new certificates in `dir` with the openssl program; a clear error when it is missing. */
export async function makeCertificates(dir: string): Promise<Certificates> {
  const caFile = join(dir, 'ca.pem');
  const caKey = join(dir, 'ca.key');
  await openssl(
    ['req', '-x509', ...NEW_KEY, '-days', DAYS, '-subj', '/O=Sluice/CN=test CA', '-keyout', caKey, '-out', caFile],
    dir,
  );
  const server = await issue(dir, 'server', '/O=Sluice/OU=servers/CN=127.0.0.1');
  const client = await issue(dir, 'client', '/O=Sluice/OU=clients/CN=client');
  return {
    caFile,
    serverFile: server.bothFile,
    clientFile: client.bothFile,
    clientKeyFile: client.keyFile,
    clientCertificateFile: client.certificateFile,
  };
}

async function issue(dir: string, name: string, subject: string) {
  const keyFile = join(dir, `${name}.key`);
  const certificateFile = join(dir, `${name}.crt`);
  const request = join(dir, `${name}.csr`);
  const extensions = join(dir, `${name}.ext`);
  await writeFile(
    extensions,
    [
      'basicConstraints=CA:FALSE',
      'keyUsage=digitalSignature,keyEncipherment',
      'extendedKeyUsage=serverAuth,clientAuth',
      'subjectAltName=IP:127.0.0.1,DNS:localhost',
      '',
    ].join('\n'),
  );
  await openssl(['req', ...NEW_KEY, '-subj', subject, '-keyout', keyFile, '-out', request], dir);
  const authority = ['-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key'), '-CAcreateserial'];
  await openssl(
    ['x509', '-req', '-in', request, ...authority, '-days', DAYS, '-extfile', extensions, '-out', certificateFile],
    dir,
  );
  const bothFile = join(dir, `${name}.pem`);
  await writeFile(bothFile, (await readFile(keyFile, 'utf8')) + (await readFile(certificateFile, 'utf8')), {
    mode: 0o600,
  });
  return { keyFile, certificateFile, bothFile };
}

async function openssl(args: readonly string[], cwd: string): Promise<void> {
  try {
    await runProgram('openssl', args, { cwd, timeoutMs: OPENSSL_LIMIT_MS });
  } catch (cause) {
    throw new SluiceError(`cannot make test certificates: ${(cause as Error).message}`, {
      kind: 'config',
      code: 'testbed.openssl',
      hint: 'Install the openssl program (1.1.1 or newer).',
      cause,
    });
  }
}
