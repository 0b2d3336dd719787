import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { fileBed, isReady } from '../pipeline-bed.ts';

interface Line {
  readonly operationType: string;
  readonly documentKey?: { readonly _id: number };
}

test('a $match in front is done by the server for changes, by the worker for rows, and lets drops through', {
  timeout: 400_000,
}, async () => {
  const mongo = await testMongo();
  const transforms = [{ $match: { 'after.status': { $ne: 'draft' } } }];
  await using bed = await fileBed({ mongo, source: { snapshot: 'initial' }, pipeline: { transforms } });
  const client = await MongoClient.connect(mongo);
  try {
    const items = client.db(bed.db).collection<{ _id: number; status: string }>('items');
    const document = (_id: number) => ({ _id, status: _id % 2 === 0 ? 'draft' : 'paid' });
    await items.insertMany(Array.from({ length: 10 }, (_, n) => document(n)));
    await using sluice = bed.start();
    await bed.waitFor(sluice, (status) => isReady(status) && status.snapshot?.state === 'completed');
    const copied = await bed.waitFor(sluice, ({ counts }) => counts.delivered + counts.filtered === 10);
    assert.deepEqual([copied.counts.delivered, copied.counts.filtered], [5, 5]);
    await items.insertMany(Array.from({ length: 100 }, (_, n) => document(100 + n)));
    await items.drop();
    const { counts } = await bed.waitFor(sluice, ({ counts: { delivered } }) => delivered === 56);
    assert.deepEqual([counts.read, counts.filtered], [61, 5], 'no draft was sent');
    assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
    const lines = (await readFile(bed.output, 'utf8')).split('\n').filter((line) => line !== '');
    const events = lines.map((line) => JSON.parse(line) as Line);
    assert.equal(events.at(-1)?.operationType, 'drop');
    assert.ok(events.slice(0, -1).every(({ documentKey }) => (documentKey?._id ?? 0) % 2 === 1));
  } finally {
    await client.close();
  }
});
