import { execFile } from 'node:child_process';
import { copyFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '..');
const OUTPUT = join(ROOT, '.cache/bench');
/** What `bin/sluice.mjs` sets. */
const NODE_ARGS = ['--max-semi-space-size=4', '--heap-growing-percent=150'];
const LIMIT_MS = 180_000;
const execute = promisify(execFile);

/** Runs a script of the bench in a process of its own and parses the JSON line that it prints. */
export type CompiledBench = <Result>(script: string, args: readonly (string | number)[]) => Promise<Result>;

/**
 * Compiles the program and the scripts to JavaScript, as the published package is, so that neither memory nor time of
 * stripping types is measured.
 */
export async function compileBench(): Promise<CompiledBench> {
  await rm(OUTPUT, { recursive: true, force: true });
  await execute(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(import.meta.dirname, 'tsconfig.json')]);
  await copyFile(join(ROOT, 'packages/sluice/package.json'), join(OUTPUT, 'packages/sluice/package.json'));
  return async <Result>(script: string, args: readonly (string | number)[]) => {
    const path = join(OUTPUT, 'bench', `${script}.js`);
    const { stdout } = await execute(process.execPath, [...NODE_ARGS, path, ...args.map(String)], {
      timeout: LIMIT_MS,
    });
    return JSON.parse(stdout) as Result;
  };
}
