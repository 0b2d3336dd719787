import { createSecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { SluiceError } from '../../core/failure.ts';
import { type CertificateFiles, readCertificates } from '../../settings/named-file.ts';
import type { SearchConnectionConfig } from './connection-config.ts';

type TlsConfig = SearchConnectionConfig['tls'];

/**
 * Makes connections, with TLS to nodes that want it. Files are read here, once. Throws `config` for a file that cannot be read
 * or is no certificate or key.
 */
export async function nodeConnector(tls: TlsConfig, timeoutMs: number): Promise<buildConnector.connector> {
  const files = await certificates(tls);
  checkCertificates(files);
  const connect = buildConnector({
    ...files,
    rejectUnauthorized: tls?.insecure !== true,
    allowH2: false,
    timeout: timeoutMs,
  });
  const serverName = tls?.serverName;
  if (serverName === undefined) return connect;
  // Set here, because the client takes the name from the `host` header where there is one, as in signed requests.
  return (options, callback) => connect({ ...options, servername: serverName }, callback);
}

interface UnlockedFiles extends CertificateFiles {
  readonly passphrase?: string;
}

async function certificates(tls: TlsConfig): Promise<UnlockedFiles> {
  const files = await readCertificates(tls ?? {}, 'search.file');
  return tls?.keyPassphrase === undefined ? files : { ...files, passphrase: tls.keyPassphrase.reveal() };
}

/** Otherwise the first connection would tell, with words that are not for operators. */
function checkCertificates(files: UnlockedFiles): void {
  try {
    createSecureContext(files);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new SluiceError(`\`tls\`: the certificates cannot be used (${code ?? 'no PEM'})`, {
      kind: 'config',
      code: 'search.certificate',
      hint: 'Check that the files are PEM, that `tls.key` belongs to `tls.cert`, and `tls.keyPassphrase`.',
    });
  }
}
