import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { startMongo } from '../../../testing/servers/mongo.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { replicationLagSeconds } from './replication-lag.ts';

test('the lag grows while no majority confirms, and goes away with that', { timeout: 400_000 }, async () => {
  await using server = await startMongo({ members: 3 });
  const client = await new MongoClient(server.uri).connect();
  const signal = new AbortController().signal;
  const lag = () => replicationLagSeconds({ client, readPreference: 'primary', signal });
  const members = server.members.map(({ uri }) => new MongoClient(uri));
  // The members stay alive, but fetch nothing from their primary, whichever it is: a busy machine may elect another one.
  const stopFetching = (mode: string) =>
    Promise.all(members.map((member) => member.db('admin').command({ configureFailPoint: 'stopReplProducer', mode })));
  const patience = { timeoutMs: 90_000, intervalMs: 200, retryErrors: true };
  try {
    const orders = client.db('shop').collection('orders', { writeConcern: { w: 1 } });
    await waitFor(() => orders.insertOne({}), { ...patience, message: 'something is written' });
    await waitFor(async () => (await lag()) === 0, { ...patience, message: 'all is confirmed' });
    await stopFetching('alwaysOn');
    await waitFor(
      async () => {
        await orders.insertOne({});
        return ((await lag()) ?? 0) >= 3;
      },
      { ...patience, message: 'the lag grows' },
    );
    await stopFetching('off');
    await waitFor(async () => (await lag()) === 0, { ...patience, message: 'the members have caught up' });
  } finally {
    await Promise.all([client, ...members].map((each) => each.close()));
  }
});
