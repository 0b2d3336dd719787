import assert from 'node:assert/strict';
import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConnectorContext } from '../../core/connector.ts';
import { silentLogger } from '../../core/logger.ts';
import { schemaStoreContract } from '../../testing/contracts/schema-store.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { openFileSchemaStore } from './schema-store.ts';

const signal = new AbortController().signal;
const context: ConnectorContext = { pipeline: 'p', partition: 'p/0', logger: silentLogger, signal };

schemaStoreContract('file', async () => {
  const directory = await tempDir();
  return {
    open: () => openFileSchemaStore({ path: join(directory.path, 'checkpoints') }, context),
    cleanup: async () => directory[Symbol.asyncDispose](),
  };
});

test('old revisions are removed after a while; the files are for the owner alone; a damaged one is named', async () => {
  await using directory = await tempDir();
  await using store = await openFileSchemaStore({ path: directory.path }, context);
  const collection = 'shop.items';
  const put = (revision: number) => store.replace('orders', { collection, revision, text: `${revision + 1}` }, signal);
  const folder = join(directory.path, 'orders.schema');
  for (let revision = 0; revision < 8; revision++) assert.equal(await put(revision), true);
  assert.equal((await readdir(folder)).length, 8, 'somebody may still make the next one of each');
  for (const name of await readdir(folder)) await utimes(join(folder, name), 1_000, 1_000);
  assert.equal(await put(8), true);
  const names = ['shop.items.7.json', 'shop.items.8.json', 'shop.items.9.json'];
  assert.deepEqual((await readdir(folder)).toSorted(), names);
  for (const stale of [0, 3, 4, 7]) assert.equal(await put(stale), false, `from ${stale}`);
  assert.equal((await store.read('orders', collection, signal))?.text, '9');
  const path = join(folder, 'shop.items.9.json');
  if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(path, '{"coll');
  const expected = { kind: 'config', code: 'schema.damaged', message: /shop\.items\.9\.json/ };
  await assert.rejects(store.load('orders', signal), expected);
});
