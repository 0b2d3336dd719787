import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { compareClusterTime } from '../../src/core/cluster-time.ts';
import { startMongo } from '../../src/testing/servers/mongo.ts';
import { overflowOplog } from '../overflow-oplog.ts';
import { type FileBed, fileBed, isReady } from '../pipeline-bed.ts';

const NEVER = { t: 0, i: 0 };

async function lines(bed: FileBed): Promise<{ fullDocument?: { _id: number } }[]> {
  const text = await readFile(bed.output, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('a quiet stream survives an oplog that rolls over, also over a kill', { timeout: 400_000 }, async () => {
  await using mongo = await startMongo({ oplogSizeMb: 1 });
  await using bed = await fileBed({ mongo: mongo.uri, pipeline: { checkpoint: { idleInterval: '500ms' } } });
  const client = await MongoClient.connect(mongo.uri);
  try {
    const items = client.db(bed.db).collection<{ _id: number }>('items');
    {
      await using sluice = bed.start();
      await bed.waitFor(sluice, isReady);
      await items.insertOne({ _id: 1 });
      await bed.waitFor(sluice, ({ counts }) => counts.delivered === 1);
      await overflowOplog(client, (isBehind) => bed.waitFor(sluice, isBehind));
      const { operationTime } = await client.db('admin').command({ ping: 1 });
      const behindNoise = { t: operationTime.getHighBits(), i: operationTime.getLowBits() };
      await bed.waitFor(sluice, ({ checkpoint }) => compareClusterTime(checkpoint ?? NEVER, behindNoise) >= 0);
      await sluice.end('SIGKILL');
    }
    await items.insertOne({ _id: 2 });
    await using sluice = bed.start();
    await bed.waitFor(sluice, ({ counts }) => counts.delivered === 1);
    assert.deepEqual(
      (await lines(bed)).map(({ fullDocument }) => fullDocument?._id),
      [1, 2],
    );
  } finally {
    await client.close();
  }
});

test('a lost position stops the pipeline with what was lost and what to do', { timeout: 400_000 }, async () => {
  await using mongo = await startMongo({ oplogSizeMb: 1 });
  await using bed = await fileBed({ mongo: mongo.uri });
  const client = await MongoClient.connect(mongo.uri);
  try {
    const items = client.db(bed.db).collection<{ _id: number }>('items');
    {
      await using sluice = bed.start();
      await bed.waitFor(sluice, isReady);
      await items.insertOne({ _id: 1 });
      await bed.waitFor(sluice, ({ counts }) => counts.delivered === 1);
      await sluice.end('SIGTERM');
    }
    await items.insertOne({ _id: 2 });
    await overflowOplog(client);
    await using sluice = bed.start();
    const exit = await sluice.exit;
    assert.equal(exit.code, 3, sluice.stderr);
    assert.match(sluice.stderr, /mongodb\.position-lost/);
    assert.match(sluice.stderr, /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/, 'it names times');
    assert.match(sluice.stderr, /onPositionLost: resnapshot/, 'it names a choice');
    assert.deepEqual(
      (await lines(bed)).map(({ fullDocument }) => fullDocument?._id),
      [1],
      'nothing was skipped silently',
    );
  } finally {
    await client.close();
  }
});
