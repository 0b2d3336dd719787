import { test } from 'node:test';
import { startMongo } from '../../src/testing/servers/mongo.ts';
import { badNetworkRun } from '../bad-network-run.ts';
import { waitUntilSame } from '../worker-bed.ts';

test('connections to MongoDB as source and target break again and again: the target is equal in the end', {
  timeout: 600_000,
}, async (t) => {
  await using server = await startMongo();
  const database = `copy_${process.pid}`;
  await badNetworkRun(t, {
    ports: [Number(new URL(server.uri).port)],
    pipelines: (source, [address], id) => ({
      [`network-${id}`]: {
        source,
        sink: { mongodb: { uri: `mongodb://${address}/?directConnection=true`, database, missingDocument: 'skip' } },
      },
    }),
    untilEqual: (source, collections, timeoutMs) =>
      waitUntilSame({ source, target: { uri: server.uri, db: database }, collections, timeoutMs }),
  });
});
