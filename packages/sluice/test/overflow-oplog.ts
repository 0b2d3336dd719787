import type { MongoClient } from 'mongodb';
import { waitFor } from '../src/testing/wait-for.ts';

/** Writes elsewhere until the oldest entry of the oplog is younger than this moment. */
export async function overflowOplog(client: MongoClient): Promise<void> {
  const noise = client.db('noise').collection('items');
  const { operationTime } = await client.db('admin').command({ ping: 1 });
  const oplog = client.db('local').collection('oplog.rs');
  const pad = 'x'.repeat(100_000);
  const rolledOver = async () => {
    await noise.insertMany(Array.from({ length: 20 }, () => ({ pad })));
    await noise.deleteMany({});
    const oldest = await oplog.find().sort({ $natural: 1 }).limit(1).next();
    return oldest?.['ts'].greaterThan(operationTime);
  };
  await waitFor(rolledOver, { timeoutMs: 60_000, message: 'the oplog has rolled over' });
}
