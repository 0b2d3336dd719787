import { copyFile, mkdir } from 'node:fs/promises';
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

const NATS_VERSION = '2.15.2';
const CACHE_NAME = `nats-server-${NATS_VERSION}`;
const PROGRAM = 'nats-server';
/** Atomic batches with message ids, which the tests rely on. */
const OLDEST = [2, 12, 1] as const;
const BUILD_LIMIT_MS = 10 * 60_000;
const VERSION_LIMIT_MS = 30_000;

/**
 * The path of a nats-server: `SLUICE_NATS_SERVER`, else on the PATH, in the user's cache, or built once with Go into
 * that cache. Throws an error that lists what was tried and what to install.
 */
export async function findNats(report: Report = reportOnStderr): Promise<string> {
  const tried: string[] = [];
  const named = process.env['SLUICE_NATS_SERVER'];
  if (named !== undefined && named !== '') {
    const problem = await unusable(named);
    if (problem === undefined) return named;
    throw notFound(`SLUICE_NATS_SERVER: ${problem}`);
  }
  const onPath = await findOnPath(PROGRAM);
  if (onPath === undefined) tried.push(`PATH: no ${PROGRAM}`);
  else {
    const problem = await unusable(onPath);
    if (problem === undefined) return onPath;
    tried.push(`PATH: ${problem}`);
  }
  const cached = join(serverCacheDir(), CACHE_NAME, PROGRAM);
  if (await isExecutable(cached)) return cached;
  tried.push(`cache: no ${cached}`);
  try {
    return await buildNats(report);
  } catch (error) {
    tried.push(`Go (${PROGRAM} ${NATS_VERSION}): ${(error as Error).message}`);
    throw notFound(`no usable ${PROGRAM} found\n${tried.map((line) => `  - ${line}`).join('\n')}`);
  }
}

async function unusable(path: string): Promise<string | undefined> {
  let output: string;
  try {
    output = await runProgram(path, ['--version'], { timeoutMs: VERSION_LIMIT_MS });
  } catch (error) {
    return `${path} does not run here: ${(error as Error).message}`;
  }
  const version = /v(\d+)\.(\d+)\.(\d+)/.exec(output)?.slice(1).map(Number);
  if (version === undefined) return `${path} does not tell its version`;
  const different = OLDEST.findIndex((part, index) => part !== version[index]);
  const older = different >= 0 && (version[different] ?? 0) < (OLDEST[different] ?? 0);
  return older ? `${path} ${version.join('.')} is older than ${OLDEST.join('.')}` : undefined;
}

async function buildNats(report: Report): Promise<string> {
  report(`sluice: building ${PROGRAM} ${NATS_VERSION} with Go into the cache (about a minute, once)`);
  const folder = await fillCache(CACHE_NAME, async (scratch) => {
    const bin = join(scratch, 'bin');
    const ready = join(scratch, 'ready');
    await mkdir(ready);
    await runProgram('go', ['install', `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`], {
      timeoutMs: BUILD_LIMIT_MS,
      env: { GOBIN: bin, CGO_ENABLED: '0' },
    });
    await copyFile(join(bin, PROGRAM), join(ready, PROGRAM));
    return ready;
  });
  return join(folder, PROGRAM);
}

function notFound(message: string): SluiceError {
  return new SluiceError(message, {
    kind: 'config',
    code: 'testbed.nats-not-found',
    hint:
      `Put a ${PROGRAM} of version ${OLDEST.join('.')} or newer on the PATH or name it in SLUICE_NATS_SERVER, or ` +
      'install Go (it is then built once), or set SLUICE_TEST_NATS to host:port of a running one (tests only).',
  });
}
