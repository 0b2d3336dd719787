import { readFile } from 'node:fs/promises';
import { SluiceError } from '../core/failure.ts';

/** What an error about a file says: the setting that names it, and the code of the connector. */
export interface NamedFile {
  readonly option: string;
  readonly code: string;
}

/** Paths of PEM files, as in the `tls` settings of connectors. */
export interface CertificatePaths {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The texts of PEM files, for those that are named. Node's TLS takes it as it is. */
export interface CertificateFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads a file that a setting names. Throws `config` with that code when it cannot be read. */
export async function readNamedFile(path: string, { option, code }: NamedFile): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new SluiceError(`${option}: the file "${path}" cannot be read`, {
      kind: 'config',
      code,
      hint: 'Check the path and the permissions of the file.',
      cause,
    });
  }
}

/** Reads the certificates that are named. Throws `config` with that code when one cannot be read. */
export async function readCertificates(paths: CertificatePaths, code: string): Promise<CertificateFiles> {
  const read = async (option: keyof CertificatePaths) => {
    const path = paths[option];
    if (path === undefined) return {};
    return { [option]: (await readNamedFile(path, { option: `tls.${option}`, code })).toString() };
  };
  const [ca, cert, key] = await Promise.all([read('ca'), read('cert'), read('key')]);
  return { ...ca, ...cert, ...key };
}
