import { type Document, Timestamp } from 'mongodb';
import { runCommand } from '../client.ts';
import type { SnapshotContext } from './raw-read.ts';

/**
 * Seconds between the last write of the member and the last one that a majority has, by its own account (`hello`,
 * no privilege); undefined when it does not say (a mongos). After a quiet time it can jump for a moment to the length
 * of that (at most 10 s, as the server writes a no-op then), so look twice before acting on it.
 */
export async function replicationLagSeconds(
  context: Pick<SnapshotContext, 'client' | 'readPreference' | 'signal'>,
): Promise<number | undefined> {
  const { client, readPreference, signal } = context;
  const asking = { client, signal, phase: 'snapshot', doing: 'ask for the replication lag' } as const;
  const { lastWrite } = await runCommand(asking, 'admin', { hello: 1 }, readPreference);
  const last = secondOf(lastWrite?.opTime);
  const confirmed = secondOf(lastWrite?.majorityOpTime);
  return last === undefined || confirmed === undefined ? undefined : Math.max(0, last - confirmed);
}

function secondOf(opTime: Document | undefined): number | undefined {
  const time: unknown = opTime?.['ts'];
  return time instanceof Timestamp ? time.high >>> 0 : undefined;
}
