import { type Document, type MongoClient, ObjectId, type ReadPreferenceMode, Timestamp } from 'mongodb';
import type { ClusterTime } from '../../core/cluster-time.ts';
import { SluiceError } from '../../core/failure.ts';
import { serverCode } from './classify.ts';
import { type CommandContext, runCommand } from './client.ts';

/** What is known of the deployment behind a client. */
export interface Deployment {
  readonly kind: 'replica-set' | 'sharded';
  /**
   * `set name/replica set id`, or for a sharded cluster `sharded/cluster id`; without the second part where the user
   * may not read it.
   */
  readonly identity: string;
  readonly version: ServerVersion;
  /** The latest time the server that answered knows of. */
  readonly operationTime: ClusterTime;
  /** Address of the member that answered; undefined for a mongos. */
  readonly address: string | undefined;
}

/** Major, minor and patch number. */
export type ServerVersion = readonly [number, number, number];

/** Asks the deployment what it is. Throws `config` for a single server, else classified errors of phase `connect`. */
export async function describeDeployment(
  client: MongoClient,
  readPreference: ReadPreferenceMode,
  signal: AbortSignal,
): Promise<Deployment> {
  const context = { client, phase: 'connect', doing: 'ask MongoDB what it is', signal } as const;
  const hello = await runCommand(context, 'admin', { hello: 1 }, readPreference);
  const sharded = hello['msg'] === 'isdbgrid';
  if (!sharded && typeof hello['setName'] !== 'string') throw notAReplicaSet();
  const { version } = await runCommand(context, 'admin', { buildInfo: 1 }, readPreference);
  const id = sharded ? await clusterId(context) : await replicaSetId(context);
  const name = sharded ? 'sharded' : encodeURIComponent(String(hello['setName']));
  return {
    kind: sharded ? 'sharded' : 'replica-set',
    identity: id === undefined ? name : `${name}/${id}`,
    version: parseVersion(String(version)),
    operationTime: operationTimeOf(hello),
    address: typeof hello['me'] === 'string' ? hello['me'] : undefined,
  };
}

/** Whether two identities can be of one deployment: only the parts that both know are compared. */
export function sameDeployment(a: string, b: string): boolean {
  const [nameA, idA] = a.split('/');
  const [nameB, idB] = b.split('/');
  return nameA === nameB && (idA === undefined || idB === undefined || idA === idB);
}

/** True when `version` is at least `wanted`. */
export function atLeast(version: ServerVersion, wanted: ServerVersion): boolean {
  for (let i = 0; i < 3; i++) {
    const difference = (version[i] ?? 0) - (wanted[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Whether the server knows `$changeStreamSplitLargeEvent`: 7.0, and 6.0 from 6.0.9 on. */
export function splitsLargeEvents(version: ServerVersion): boolean {
  return atLeast(version, [7, 0, 0]) || (version[0] === 6 && version[1] === 0 && version[2] >= 9);
}

/** `7.0.12-rc1` as numbers. */
export function parseVersion(text: string): ServerVersion {
  const [major = 0, minor = 0, patch = 0] = text.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  return [major, minor, patch];
}

/** The cluster time that came with a reply; zero when the server sent none (it has no oplog). */
export function operationTimeOf(reply: Document): ClusterTime {
  const time: unknown = reply['operationTime'];
  return time instanceof Timestamp ? { t: time.high >>> 0, i: time.low >>> 0 } : { t: 0, i: 0 };
}

/** The id that is given to a replica set when it is made; undefined without the privilege to read it. */
async function replicaSetId(context: CommandContext): Promise<string | undefined> {
  const reply = await ifAllowed(runCommand(context, 'admin', { replSetGetConfig: 1 }));
  return idText(reply?.['config']?.settings?.replicaSetId);
}

async function clusterId(context: CommandContext): Promise<string | undefined> {
  const reply = await ifAllowed(runCommand(context, 'config', { find: 'version', limit: 1 }));
  return idText(reply?.['cursor']?.firstBatch?.[0]?.clusterId);
}

function idText(id: unknown): string | undefined {
  return id instanceof ObjectId ? id.toHexString() : undefined;
}

/** The answer to a question that the user need not be allowed to ask, or that this kind of server does not know. */
async function ifAllowed(reply: Promise<Document>): Promise<Document | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (serverCode(error) === undefined) throw error;
    return undefined;
  }
}

function notAReplicaSet(): SluiceError {
  return new SluiceError('the MongoDB server is not a member of a replica set, so it has no change streams', {
    kind: 'config',
    code: 'mongodb.not-a-replica-set',
    hint: 'Make it a replica set of one member: start mongod with --replSet rs0, then run rs.initiate().',
  });
}
