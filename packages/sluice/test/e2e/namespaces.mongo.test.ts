import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import type { SluiceProcess } from '../../src/testing/sluice-process.ts';
import { type FileBed, fileBed, isReady } from '../pipeline-bed.ts';

interface Change {
  readonly operationType: string;
  readonly ns: { readonly coll?: string };
  readonly documentKey?: { readonly _id: number };
}

async function changes(bed: FileBed): Promise<string[]> {
  const text = await readFile(bed.output, 'utf8').catch(() => '');
  const events = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Change);
  return events.map(({ operationType, ns, documentKey }) =>
    `${operationType} ${ns.coll ?? ''} ${documentKey?._id ?? ''}`.trim(),
  );
}

async function ended(bed: FileBed, sluice: SluiceProcess, delivered: number): Promise<void> {
  await bed.waitFor(sluice, ({ counts }) => counts.delivered === delivered);
  assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
}

for (const include of ['items', '*']) {
  test(`drop, re-create and rename under ${include === '*' ? 'a database' : 'a collection'} stream`, {
    timeout: 400_000,
  }, async () => {
    const mongo = await testMongo();
    await using bed = await fileBed({ mongo });
    await bed.configure({ include: [`${bed.db}.${include}`] });
    const client = await MongoClient.connect(mongo);
    try {
      const db = client.db(bed.db);
      await using sluice = bed.start();
      await bed.waitFor(sluice, isReady);
      await db.collection<{ _id: number }>('items').insertOne({ _id: 1 });
      await db.collection('items').drop();
      await db.collection<{ _id: number }>('items').insertOne({ _id: 2 });
      await db.collection('items').rename('elsewhere');
      await db.collection<{ _id: number }>('items').insertOne({ _id: 3 });
      await bed.waitFor(sluice, ({ counts }) => counts.delivered === 5);
      await sluice.end('SIGTERM');
      assert.deepEqual(await changes(bed), [
        'insert items 1',
        'drop items',
        'insert items 2',
        'rename items',
        'insert items 3',
      ]);
    } finally {
      await client.db(bed.db).dropDatabase();
      await client.close();
    }
  });
}

test('a filter that shrinks and grows between runs loses and repeats nothing', { timeout: 400_000 }, async () => {
  const mongo = await testMongo();
  await using bed = await fileBed({ mongo });
  const client = await MongoClient.connect(mongo);
  try {
    const [a, b] = ['a', 'b'].map((name) => client.db(bed.db).collection<{ _id: number }>(name));
    assert.ok(a && b);
    const both = [`${bed.db}.a`, `${bed.db}.b`];
    await bed.configure({ include: both });
    {
      await using sluice = bed.start();
      await bed.waitFor(sluice, isReady);
      await a.insertOne({ _id: 1 });
      await b.insertOne({ _id: 1 });
      await ended(bed, sluice, 2);
    }
    // The last event is of b: its token is one that the shrunk stream refuses.
    await bed.configure({ include: [`${bed.db}.a`] });
    await a.insertOne({ _id: 2 });
    {
      await using sluice = bed.start();
      await ended(bed, sluice, 1);
    }
    await b.insertOne({ _id: 2 });
    await a.insertOne({ _id: 3 });
    await bed.configure({ include: both });
    {
      await using sluice = bed.start();
      await ended(bed, sluice, 2);
    }
    assert.deepEqual(await changes(bed), ['insert a 1', 'insert b 1', 'insert a 2', 'insert b 2', 'insert a 3']);
  } finally {
    await client.db(bed.db).dropDatabase();
    await client.close();
  }
});
