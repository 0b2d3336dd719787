import { type Document, type MongoClient, type ReadPreferenceMode, Timestamp } from 'mongodb';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { SourceWindow } from '../../core/source.ts';
import { serverCode } from './classify.ts';
import { runCommand } from './client.ts';

const LIMIT_MS = 3_000;

/**
 * The times of the oldest and the newest oplog entry. Undefined when they cannot be known: without `find` on
 * `local.oplog.rs`, or through a mongos. Throws classified errors when the server does not answer.
 */
export async function oplogWindow(
  client: MongoClient,
  readPreference: ReadPreferenceMode,
  signal: AbortSignal,
): Promise<SourceWindow | undefined> {
  const context = { client, phase: 'check', doing: 'read the oplog window', signal, limitMs: LIMIT_MS } as const;
  const end = async (direction: 1 | -1): Promise<ClusterTime | undefined> => {
    const reply = await runCommand(context, 'local', endOfOplog(direction), readPreference);
    const time: unknown = reply['cursor'].firstBatch[0]?.ts;
    return time instanceof Timestamp ? { t: time.high >>> 0, i: time.low >>> 0 } : undefined;
  };
  try {
    const [oldest, newest] = await Promise.all([end(1), end(-1)]);
    return oldest === undefined || newest === undefined ? undefined : { oldest, newest };
  } catch (error) {
    signal.throwIfAborted();
    // The server has answered that this is not for us to see.
    if (serverCode(error) !== undefined) return undefined;
    throw error;
  }
}

function endOfOplog(direction: 1 | -1): Document {
  return {
    find: 'oplog.rs',
    projection: { ts: 1 },
    sort: { $natural: direction },
    limit: 1,
    singleBatch: true,
    maxTimeMS: LIMIT_MS,
  };
}
