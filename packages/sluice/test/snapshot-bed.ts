import type { MongoClient } from 'mongodb';
import { compareClusterTime } from '../src/core/cluster-time.ts';
import type { PipelineStatus } from '../src/core/status.ts';

const BEGINNING = { t: 0, i: 0 };

/** The counter of every document of a workload, by its number. */
export async function documentsOf(
  client: MongoClient,
  db: string,
  collections: readonly string[],
): Promise<Map<number, number>> {
  const documents = new Map<number, number>();
  for (const collection of collections) {
    const found = client
      .db(db)
      .collection(collection)
      .find({}, { projection: { _id: 0, k: 1, n: 1 } });
    for await (const { k, n } of found) documents.set(k, n);
  }
  return documents;
}

/** True of a status when everything that was written before now has been delivered. */
export async function behindNow(client: MongoClient): Promise<(status: PipelineStatus) => boolean> {
  // A note in the oplog moves the cluster time beyond everything written before.
  const { operationTime } = await client.db('admin').command({ appendOplogNote: 1, data: { sluice: 'now' } });
  const now = { t: operationTime.getHighBits(), i: operationTime.getLowBits() };
  return ({ acknowledged }) => compareClusterTime(acknowledged ?? BEGINNING, now) >= 0;
}

/** True of a status when its snapshot has come to its end. */
export function isCopied({ snapshot }: PipelineStatus): boolean {
  return snapshot?.state === 'completed';
}
