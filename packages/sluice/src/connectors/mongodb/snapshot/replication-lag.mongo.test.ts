import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { startMongo } from '../../../testing/servers/mongo.ts';
import { primaryOf } from '../../../testing/servers/mongo-admin.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { replicationLagSeconds } from './replication-lag.ts';

test('the lag grows while no majority confirms, and goes away with that', { timeout: 120_000 }, async () => {
  await using server = await startMongo({ members: 3 });
  const primary = await primaryOf(server);
  const client = await new MongoClient(primary.uri).connect();
  const signal = new AbortController().signal;
  const lag = () => replicationLagSeconds({ client, readPreference: 'primary', signal });
  const secondaries = server.members.filter(({ port }) => port !== primary.port).map(({ uri }) => new MongoClient(uri));
  // The members stay alive and keep their primary, but fetch nothing from it.
  const stopFetching = (mode: string) =>
    Promise.all(
      secondaries.map((member) => member.db('admin').command({ configureFailPoint: 'stopReplProducer', mode })),
    );
  try {
    const orders = client.db('shop').collection('orders', { writeConcern: { w: 1 } });
    await orders.insertOne({});
    await waitFor(async () => (await lag()) === 0, { timeoutMs: 20_000, message: 'all is confirmed' });
    await stopFetching('alwaysOn');
    await waitFor(
      async () => {
        await orders.insertOne({});
        return ((await lag()) ?? 0) >= 3;
      },
      { timeoutMs: 30_000, intervalMs: 200, message: 'the lag grows' },
    );
    await stopFetching('off');
    await waitFor(async () => (await lag()) === 0, { timeoutMs: 30_000, message: 'the members have caught up' });
  } finally {
    await Promise.all([client, ...secondaries].map((each) => each.close()));
  }
});
