import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConnectorContext } from '../../core/connector.ts';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { silentLogger } from '../../core/logger.ts';
import { testRandom } from '../../testing/random.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { compact } from './dead-letter-log.ts';
import { openFileDeadLetters } from './dead-letters.ts';

const signal = new AbortController().signal;
const context: ConnectorContext = { pipeline: 'orders', partition: 'orders/0', logger: silentLogger, signal };

function letter(id: string, overrides: Partial<DeadLetter> = {}): DeadLetter {
  const raw = Buffer.from(`raw ${id}`);
  return {
    id,
    pipeline: 'orders',
    partition: 'orders/0',
    namespace: 'shop.orders',
    op: 'insert',
    key: `{"_id":"${id}"}`,
    clusterTime: { t: 1, i: 1 },
    code: 'test.poison',
    reason: 'poison\nin two lines',
    attempts: 1,
    failedAtMs: 1,
    raw,
    rawBytes: raw.length,
    ...overrides,
  };
}

async function idsOf(store: DeadLetterStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.list('orders', signal)) ids.push(id);
  return ids;
}

async function bed() {
  const directory = await tempDir();
  const path = join(directory.path, 'letters.ndjson');
  const open = () => openFileDeadLetters({ path }, context);
  return { directory, path, open, [Symbol.asyncDispose]: async () => directory[Symbol.asyncDispose]() };
}

test('the file is for its owner alone', async () => {
  await using place = await bed();
  await using _store = await place.open();
  assert.equal((await stat(place.path)).mode & 0o777, 0o600);
});

test('an entry cut at any byte was never put; the next one is', async () => {
  await using place = await bed();
  await using store = await place.open();
  await store.put([letter('a')], signal);
  const whole = (await stat(place.path)).size;
  await store.put([letter('b')], signal);
  const both = await readFile(place.path);
  for (let size = whole; size < both.length; size++) {
    await writeFile(place.path, both.subarray(0, size));
    assert.deepEqual(await idsOf(store), ['a'], `cut at ${size}`);
    await store.put([letter('c')], signal);
    assert.deepEqual(await idsOf(store), size === both.length - 1 ? ['a', 'b', 'c'] : ['a', 'c'], `cut at ${size}`);
  }
});

test('a damaged line is refused, and named', async () => {
  await using place = await bed();
  await using store = await place.open();
  await store.put([letter('a'), letter('b')], signal);
  const text = await readFile(place.path, 'utf8');
  await writeFile(place.path, text.replace('{"id":"b"', '{"id":b"'));
  const at = text.indexOf('\n') + 1;
  await assert.rejects(idsOf(store), {
    kind: 'config',
    code: 'file.dead-letters-damaged',
    message: `the dead letters in ${place.path} are damaged at byte ${at}`,
  });
  await store.put([letter('c')], signal);
});

test('a re-put keeps the place, takes the new text, and never lowers the attempts', async () => {
  await using place = await bed();
  await using store = await place.open();
  await store.put([letter('a', { attempts: 3 }), letter('b')], signal);
  await store.put([letter('a', { attempts: 1, reason: 'again' })], signal);
  assert.deepEqual(await idsOf(store), ['a', 'b']);
  const entry = await store.get('orders', 'a', signal);
  assert.deepEqual([entry?.attempts, entry?.reason], [3, 'again']);
});

test('an entry larger than the blocks it is read in', async () => {
  await using place = await bed();
  await using store = await place.open();
  const raw = Buffer.alloc(3_000_000, 7);
  await store.put([letter('a'), letter('big', { raw }), letter('c')], signal);
  assert.deepEqual(await idsOf(store), ['a', 'big', 'c']);
  const found = await store.get('orders', 'big', signal);
  assert.ok(found?.raw !== undefined && raw.equals(found.raw));
});

test('after removals the file is written anew when it is closed', async () => {
  await using place = await bed();
  {
    await using store = await place.open();
    await store.put(
      Array.from({ length: 100 }, (_, n) => letter(`id-${n}`)),
      signal,
    );
    await store.put([letter('id-98', { attempts: 5 }), letter('other', { pipeline: 'users' })], signal);
    const removed = Array.from({ length: 98 }, (_, n) => `id-${n}`);
    await store.remove('orders', removed, signal);
  }
  assert.equal((await readFile(place.path, 'utf8')).trimEnd().split('\n').length, 3);
  assert.deepEqual(await readdir(place.directory.path), ['letters.ndjson']);
  await using store = await place.open();
  assert.deepEqual(await idsOf(store), ['id-98', 'id-99']);
  assert.equal((await store.get('orders', 'id-98', signal))?.attempts, 5);
  assert.equal((await store.get('users', 'other', signal))?.pipeline, 'users');
  await store.remove('orders', ['id-98', 'id-99'], signal);
  await store.remove('users', ['other'], signal);
  await compact(place.path);
  assert.equal((await stat(place.path)).size, 0);
});

test('a few removals leave the file as it is', async () => {
  await using place = await bed();
  {
    await using store = await place.open();
    await store.put([letter('a'), letter('b'), letter('c')], signal);
    await store.remove('orders', ['a'], signal);
  }
  assert.equal((await readFile(place.path, 'utf8')).trimEnd().split('\n').length, 4);
});

test('nothing is lost while others put, remove and compact', async (t) => {
  const random = testRandom(t);
  await using place = await bed();
  const expected: string[] = [];
  await (await place.open())[Symbol.asyncDispose]();
  const writer = async (name: number) => {
    await using store = await place.open();
    for (let n = 0; n < 300; n++) {
      const id = `${name}-${n}`;
      await store.put([letter(id)], signal);
      if (random.chance(0.8)) await store.remove('orders', [id], signal);
      else expected.push(id);
    }
  };
  const done = new AbortController();
  const compactor = async () => {
    while (!done.signal.aborted) await compact(place.path);
  };
  const compactors = [compactor(), compactor()];
  await Promise.all([writer(1), writer(2), writer(3)]);
  done.abort();
  await Promise.all(compactors);
  await using store = await place.open();
  assert.deepEqual((await idsOf(store)).toSorted(), expected.toSorted());
});

test('a compaction that was killed does not stop later ones for ever', async () => {
  await using place = await bed();
  await using store = await place.open();
  await store.put([letter('a')], signal);
  await store.remove('orders', ['a'], signal);
  const abandoned = `${place.path}.compacting`;
  await appendFile(abandoned, 'half a li');
  await compact(place.path);
  assert.ok((await stat(place.path)).size > 0, 'another process seems to be at it');
  const before = new Date(Date.now() - 3_600_000);
  await utimes(abandoned, before, before);
  await compact(place.path);
  await compact(place.path);
  assert.equal((await stat(place.path)).size, 0);
});

test('a file that is not there is empty, one that cannot be used is refused', async () => {
  await using place = await bed();
  await using store = await place.open();
  await truncate(place.path);
  assert.deepEqual(await idsOf(store), []);
  await assert.rejects(openFileDeadLetters({ path: place.directory.path }, context), {
    kind: 'config',
    code: 'file.bad-path',
  });
});
