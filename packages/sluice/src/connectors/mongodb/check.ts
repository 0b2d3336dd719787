import type { MongoClient } from 'mongodb';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError } from '../../core/failure.ts';
import { checkCollections } from './check-collections.ts';
import { checkStream } from './check-stream.ts';
import { serverCode } from './classify.ts';
import { closeClient, openClient, runCommand } from './client.ts';
import type {
  MongodbCheckpointStoreConfig,
  MongodbDeadLetterConfig,
  MongodbLeaseStoreConfig,
  MongodbSchemaStoreConfig,
  MongodbSourceConfig,
} from './config.ts';
import { atLeast, type Deployment, describeDeployment, type ServerVersion } from './deployment.ts';
import { oplogWindow } from './oplog-window.ts';
import { formatAge } from './position-lost.ts';
import { openStateCollection } from './state-collection.ts';
import { fullDocumentOf } from './stream-pipeline.ts';

const CHECK_LIMIT_MS = 20_000;
const SHORT_WINDOW_MS = 24 * 3_600_000;
const LOWEST_VERSION: ServerVersion = [6, 0, 0];
const UNAUTHORIZED = 13;

/** What the checks of one source look at. */
export interface CheckTarget {
  readonly config: MongodbSourceConfig;
  readonly context: ConnectorContext;
  readonly client: MongoClient;
  readonly deployment: Deployment;
  /** Ends with the caller's signal or after the limit of one check. */
  readonly signal: AbortSignal;
}

/** Looks at the deployment the way a source would use it. Findings only, no exceptions but an abort. */
export async function checkMongodbSource(
  config: MongodbSourceConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return withFindings('mongodb.reachable', context, async (signal) => {
    const client = await openClient(config, { purpose: 'stream', signal });
    try {
      const deployment = await describeDeployment(client, config.readPreference, signal);
      const target = { config, context, client, deployment };
      const later = await Promise.all([
        withFindings('mongodb.feature-version', context, (limit) => checkFeatureVersion({ ...target, signal: limit })),
        withFindings('mongodb.stream', context, (limit) => checkStream({ ...target, signal: limit })),
        withFindings('mongodb.oplog-window', context, (limit) => checkOplogWindow({ ...target, signal: limit })),
        withFindings('mongodb.collections', context, (limit) => checkCollections({ ...target, signal: limit })),
      ]);
      return [reachable(deployment), checkVersion(config, deployment), ...later.flat()];
    } finally {
      await closeClient(client);
    }
  });
}

/** Whether checkpoints can be written where they are configured; leaves nothing behind. */
export function checkMongodbCheckpointStore(
  config: MongodbCheckpointStoreConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return checkStateCollection('mongodb.checkpoint-store', config, context);
}

/** Whether leases can be written where they are configured; leaves nothing behind. */
export function checkMongodbLeaseStore(
  config: MongodbLeaseStoreConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return checkStateCollection('mongodb.lease-store', config, context);
}

/** Whether learned schemas can be written where they are configured; leaves nothing behind. */
export function checkMongodbSchemaStore(
  config: MongodbSchemaStoreConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return checkStateCollection('mongodb.schema-store', config, context);
}

/** Whether dead letters can be written where they are configured; leaves nothing behind. */
export function checkMongodbDeadLetters(
  config: MongodbDeadLetterConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return checkStateCollection('mongodb.dead-letters', config, context);
}

async function checkStateCollection(
  check: string,
  config: MongodbCheckpointStoreConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  return withFindings(check, context, async (signal) => {
    await using state = await openStateCollection(config, { ...context, signal });
    const probe = { _id: `doctor/${process.pid}-${Date.now()}` };
    try {
      await state.findAndModify(`write to ${state.name}`, probe, { $set: { at: new Date() } }, signal);
      await state.remove(`write to ${state.name}`, probe, signal);
    } catch (error) {
      if (serverCode(error) !== UNAUTHORIZED) throw error;
      const fix = `Grant it: db.getSiblingDB("admin").grantRolesToUser("USER", [{ role: "readWrite", db: "${config.database}" }])`;
      return [{ check, level: 'error', message: `the user may not write to ${state.name}`, fix }];
    }
    return [{ check, level: 'ok', message: `${state.name} can be written with majority` }];
  });
}

/** Runs one check with a limit of its own; what it throws becomes a finding. */
export async function withFindings(
  check: string,
  context: ConnectorContext,
  run: (signal: AbortSignal) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  try {
    return await run(AbortSignal.any([context.signal, limit]));
  } catch (error) {
    context.signal.throwIfAborted();
    const seconds = CHECK_LIMIT_MS / 1000;
    if (limit.aborted) return [{ check, level: 'error', message: `no answer within ${seconds} seconds` }];
    const { message, hint } = asSluiceError(error);
    return [{ check, level: 'error', message, fix: hint }];
  }
}

function reachable(deployment: Deployment): Finding {
  const what = deployment.kind === 'sharded' ? 'a sharded cluster' : `the replica set ${deployment.identity}`;
  return { check: 'mongodb.reachable', level: 'ok', message: `connected to ${what}` };
}

function checkVersion(config: MongodbSourceConfig, { version }: Deployment): Finding {
  const check = 'mongodb.version';
  if (atLeast(version, LOWEST_VERSION)) return { check, level: 'ok', message: `MongoDB ${version.join('.')}` };
  const fullDocument = fullDocumentOf(config);
  const postImage = fullDocument === 'whenAvailable' || fullDocument === 'required';
  const missing = [
    ...(postImage ? [`fullDocument: ${fullDocument}`] : []),
    ...(config.beforeImage === 'off' ? [] : [`beforeImage: ${config.beforeImage}`]),
    ...(config.ddl ? ['ddl: true'] : []),
  ];
  const has = missing.length === 0 ? 'it has no images and no DDL events' : `it cannot do ${missing.join(', ')}`;
  return {
    check,
    level: missing.length === 0 ? 'warning' : 'error',
    message: `MongoDB ${version.join('.')} is older than 6.0, the oldest that is supported; ${has}`,
    fix: 'Upgrade the deployment to MongoDB 6.0 or later.',
  };
}

/** The server behaves like its feature compatibility version, which may be older than its binaries. */
async function checkFeatureVersion(target: CheckTarget): Promise<readonly Finding[]> {
  const check = 'mongodb.feature-version';
  const { client, deployment, signal } = target;
  const context = { client, phase: 'check', doing: 'read the feature compatibility version', signal } as const;
  // Only mongod has it, and only some roles may read it.
  const reply = await runCommand(context, 'admin', { getParameter: 1, featureCompatibilityVersion: 1 }).catch(
    (error) => {
      if (serverCode(error) === undefined) throw error;
      return undefined;
    },
  );
  const text: unknown = reply?.['featureCompatibilityVersion']?.version;
  if (typeof text !== 'string') return [];
  const [major, minor] = deployment.version;
  if (text === `${major}.${minor}`) return [{ check, level: 'ok', message: `feature compatibility version ${text}` }];
  const message = `the feature compatibility version is ${text}, older than the server (${major}.${minor})`;
  const fix = `db.adminCommand({ setFeatureCompatibilityVersion: "${major}.${minor}" })`;
  return [{ check, level: Number.parseInt(text, 10) < LOWEST_VERSION[0] ? 'error' : 'warning', message, fix }];
}

async function checkOplogWindow(target: CheckTarget): Promise<readonly Finding[]> {
  const check = 'mongodb.oplog-window';
  const { client, config, deployment, signal } = target;
  if (deployment.kind === 'sharded') {
    return [{ check, level: 'ok', message: 'the oplogs of the shards cannot be seen through mongos' }];
  }
  const window = await oplogWindow(client, config.readPreference, signal);
  if (window === undefined) {
    const message = 'the user may not read the oplog, so its window and the time left cannot be shown';
    const fix =
      'Grant it: privilege { resource: { db: "local", collection: "oplog.rs" }, actions: ["find"] } in a role of the user';
    return [{ check, level: 'warning', message, fix }];
  }
  const spanMs = (window.newest.t - window.oldest.t) * 1000;
  const message = `the oplog holds the last ${formatAge(spanMs)}: Sluice may be down for that long without losing its position`;
  if (spanMs >= SHORT_WINDOW_MS) return [{ check, level: 'ok', message }];
  const fix =
    'If the deployment is older than that, enlarge it: db.adminCommand({ replSetResizeOplog: 1, minRetentionHours: 48 })';
  return [{ check, level: 'warning', message, fix }];
}
