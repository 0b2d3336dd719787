import type { MongoClient } from 'mongodb';
import type { PipelineStatus } from '../src/core/status.ts';
import { waitFor } from '../src/testing/wait-for.ts';
import { behindNow } from './snapshot-bed.ts';

/** Waits until a pipeline has the status. */
type Follow = (isBehind: (status: PipelineStatus) => boolean) => Promise<unknown>;

/** Documents of 100 kB that are written at a time. */
const AT_ONCE = 20;
/** With a pipeline that reads on meanwhile: less than the smallest oplog holds. */
const AT_ONCE_FOLLOWED = 3;

/**
 * Writes elsewhere until the oldest entry of the oplog is younger than this moment. `follow`: of a pipeline that must not
 * lose its place meanwhile; then nothing is written before it has read what was.
 */
export async function overflowOplog(client: MongoClient, follow?: Follow): Promise<void> {
  const noise = client.db('noise').collection('items');
  const { operationTime } = await client.db('admin').command({ ping: 1 });
  const oplog = client.db('local').collection('oplog.rs');
  const pad = 'x'.repeat(100_000);
  const rolledOver = async () => {
    const length = follow === undefined ? AT_ONCE : AT_ONCE_FOLLOWED;
    await noise.insertMany(Array.from({ length }, () => ({ pad })));
    await noise.deleteMany({});
    await follow?.(await behindNow(client));
    // The oldest entry may go while it is read, which the server tells with an error.
    const first = oplog.find().sort({ $natural: 1 }).limit(1).next();
    const oldest = await first.catch(() => null);
    return oldest?.['ts'].greaterThan(operationTime);
  };
  await waitFor(rolledOver, { timeoutMs: 240_000, message: 'the oplog has rolled over' });
}
