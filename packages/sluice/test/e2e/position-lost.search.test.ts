import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { startMongo } from '../../src/testing/servers/mongo.ts';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { testSearch } from '../../src/testing/servers/search.ts';
import { postgresTarget, searchTarget, waitUntilEqual, wholeDocuments } from '../document-targets.ts';
import { overflowOplog } from '../overflow-oplog.ts';
import { isReady } from '../pipeline-bed.ts';
import { behindNow, isCopied } from '../snapshot-bed.ts';
import { workerBed } from '../worker-bed.ts';

const COLLECTIONS = ['a', 'b'];
const PER_COLLECTION = 300;
const LIMIT_MS = 180_000;

test('resnapshot: what was deleted while the position was lost is gone from index, table and exactly-once table', {
  timeout: 540_000,
}, async () => {
  await using server = await startMongo({ oplogSizeMb: 1 });
  await using bed = await workerBed();
  await using index = searchTarget(await testSearch());
  await using table = postgresTarget(await testPostgres());
  await using exact = postgresTarget(await testPostgres());
  const client = await MongoClient.connect(server.uri);
  try {
    const source = { uri: server.uri, db: `lost_${bed.id}` };
    const items = (name: string) => client.db(source.db).collection<{ _id: string; n: number }>(name);
    for (const name of COLLECTIONS) {
      await items(name).insertMany(Array.from({ length: PER_COLLECTION }, (_, i) => ({ _id: `${name}${i}`, n: 1 })));
    }
    const sinks = { index: index.sink(), table: table.sink(), exact: exact.sink({ delivery: 'exactly-once' }) };
    const pipelines = Object.fromEntries(
      Object.entries(sinks).map(([name, sink]) => [
        `${name}-${bed.id}`,
        { source: wholeDocuments(source, { snapshot: 'initial' }), sink, onPositionLost: 'resnapshot' },
      ]),
    );
    const equal = async () => {
      for (const target of [index, table, exact]) {
        await waitUntilEqual(target, source, { collections: COLLECTIONS, timeoutMs: LIMIT_MS });
      }
    };
    {
      await using first = await bed.start(pipelines);
      const isBehind = await behindNow(client);
      for (const name of Object.keys(pipelines)) {
        await first.waitFor(name, (status) => isReady(status) && isCopied(status) && isBehind(status), LIMIT_MS);
      }
      await equal();
      await first.process.end('SIGTERM');
    }
    for (const name of COLLECTIONS) {
      await items(name).deleteMany({ _id: { $in: [`${name}1`, `${name}2`, `${name}299`] } });
      await items(name).updateMany({ _id: { $in: [`${name}3`, `${name}4`] } }, { $set: { n: 2 } });
      await items(name).insertOne({ _id: `${name}new`, n: 1 });
    }
    await overflowOplog(client);
    await using second = await bed.start(pipelines);
    for (const name of Object.keys(pipelines)) {
      const { snapshot } = await second.waitFor(name, isCopied, LIMIT_MS);
      assert.equal(snapshot?.reason, 'position-lost');
    }
    await items('a').updateOne({ _id: 'a5' }, { $set: { n: 7 } });
    await items('b').deleteOne({ _id: 'b6' });
    await equal();
  } finally {
    await client.close();
  }
});
