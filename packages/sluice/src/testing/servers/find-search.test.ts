import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { findSearch } from './find-search.ts';

let scratch: TempDir;
let bin: string;
const before = { ...process.env };
const silent = () => undefined;

beforeEach(async () => {
  scratch = await tempDir('find');
  bin = join(scratch.path, 'bin');
  await mkdir(bin);
  // Nothing but the shell is on the PATH, and the cache is empty: no test here reaches the network.
  await symlink('/bin/sh', join(bin, 'sh'));
  process.env['PATH'] = bin;
  process.env['XDG_CACHE_HOME'] = join(scratch.path, 'cache');
  delete process.env['JAVA_HOME'];
});

afterEach(async () => {
  process.env = { ...before };
  await scratch[Symbol.asyncDispose]();
});

async function program(name: string, body: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(bin, name), 0o755);
}

function refused(parts: readonly RegExp[]) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError && error.kind === 'config');
    for (const part of parts) assert.match(`${error.message}\n${error.hint}`, part);
    return true;
  };
}

test('the jars are fetched once and the program that starts a node is compiled once', async () => {
  await program('java', 'echo "openjdk version \\"17.0.1\\"" >&2');
  await assert.rejects(
    findSearch('opensearch', silent),
    refused([/OpenSearch 2\.19\.1: `mvn` is not/, /Install a Java/]),
  );
  // The fifth argument names the folder for the jars; javac's fifth the folder for classes, its last the source.
  await program('mvn', 'folder="${5#-DoutputDirectory=}"; echo >"$folder/opensearch-2.19.1.jar"');
  await assert.rejects(findSearch('opensearch', silent), refused([/there is no javac beside/]));
  await program('javac', 'echo "$7" >"$6/SearchNode.class"');
  const found = await findSearch('opensearch', silent);
  await program('javac', 'exit 1');
  await program('mvn', 'exit 1');
  assert.deepEqual(await findSearch('opensearch', silent), found);
  const folders = await readdir(join(scratch.path, 'cache', 'sluice'));
  assert.deepEqual(
    folders.toSorted().map((name) => name.replace(/[0-9a-f]{12}$/, '…')),
    ['opensearch-2.19.1.0', 'opensearch-node-2.19.1.0-…'],
  );
  await assert.rejects(
    findSearch('elasticsearch', silent),
    refused([/Elasticsearch 7\.10\.2/, /SLUICE_TEST_OPENSEARCH/]),
  );
});
