import type { MongoClient } from 'mongodb';
import type { ConnectorContext, Finding } from '../../../core/connector.ts';
import { withFindings } from '../check.ts';
import { closeClient, openClient } from '../client.ts';
import type { MongodbSinkConfig } from './config.ts';
import { describeTarget, type TargetDeployment } from './describe-target.ts';
import { noTransactions } from './no-transactions.ts';
import { Privileges } from './privileges.ts';
import { BYPASS, wantsBypass } from './validation.ts';

const WRITE_ACTIONS = ['insert', 'update', 'remove'];

/** Looks at the deployment the way the sink would use it; writes nothing. Findings only, no exceptions but an abort. */
export function checkMongodbSink(config: MongodbSinkConfig, context: ConnectorContext): Promise<readonly Finding[]> {
  return withFindings('mongodb.target-reachable', context, async (signal) => {
    const client = await openClient(config, { purpose: 'state', signal });
    try {
      const deployment = await describeTarget(client, signal);
      const privileges = await withFindings('mongodb.target-privileges', context, (limit) =>
        checkPrivileges(config, client, limit),
      );
      return [reachable(deployment), ...transactions(config, deployment), ...privileges];
    } finally {
      await closeClient(client);
    }
  });
}

function reachable({ isSharded, hasTransactions, isWritable }: TargetDeployment): Finding {
  const check = 'mongodb.target-reachable';
  const what = isSharded ? 'a sharded cluster' : hasTransactions ? 'a replica set' : 'a single server';
  if (isWritable) return { check, level: 'ok', message: `connected to ${what} that can be written to` };
  const fix = 'Connect to the replica set with all of its members, not to one of them with directConnection=true.';
  return { check, level: 'error', message: `connected to a member of ${what} that is not its primary`, fix };
}

function transactions(config: MongodbSinkConfig, { hasTransactions }: TargetDeployment): readonly Finding[] {
  const check = 'mongodb.target-transactions';
  if (config.delivery !== 'exactly-once' && config.guard !== 'version') return [];
  if (hasTransactions) return [{ check, level: 'ok', message: 'the target has transactions' }];
  const { message, hint } = noTransactions();
  return [{ check, level: 'error', message, fix: hint }];
}

/** The databases that are written to, as far as they are known; the empty name stands for any. */
function databasesOf({ database, delivery, guard, checkpoints, versions }: MongodbSinkConfig): readonly string[] {
  const data = database.includes('{') ? '' : database;
  const own = [
    ...(delivery === 'exactly-once' ? [checkpoints.database] : []),
    ...(guard === 'version' ? [versions.database] : []),
  ];
  return [...new Set([data, ...own])];
}

async function checkPrivileges(
  config: MongodbSinkConfig,
  client: MongoClient,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const check = 'mongodb.target-privileges';
  const privileges = await Privileges.read(client, { phase: 'check', signal });
  if (privileges.isAnonymous) {
    return [{ check, level: 'ok', message: 'nobody is logged in; the server does not ask for it' }];
  }
  const forbidden = databasesOf(config).filter((database) => !privileges.allows(WRITE_ACTIONS, database));
  const structure = structureRights(config, privileges);
  if (forbidden.length === 0)
    return [{ check, level: 'ok', message: 'the user may write to the target' }, ...structure];
  const findings = forbidden.map((database): Finding => {
    const fix = grant('readWrite', database);
    // With a template the databases may be few, and the user may have rights on just these.
    if (database === '') return { check, level: 'warning', message: 'the user may not write to every database', fix };
    return { check, level: 'error', message: `the user may not write to the database ${database}`, fix };
  });
  return [...findings, ...structure];
}

/** What `readWrite` does not include. A missing right only stops the pipeline when it is needed. */
function structureRights(config: MongodbSinkConfig, privileges: Privileges): readonly Finding[] {
  const [database = ''] = databasesOf(config);
  const isMissing = (action: string) => !privileges.allows([action], database);
  const where = database === '' ? 'every database' : `the database ${database}`;
  const missing = [
    ...(wantsBypass(config) && isMissing(BYPASS) ? [`write what the validators of ${where} refuse`] : []),
    ...(config.ddl.collMod === 'apply' && isMissing('collMod')
      ? [`change the options of collections in ${where}`]
      : []),
  ];
  if (missing.length === 0) return [];
  const isNeeded = config.validation === 'bypass' && isMissing(BYPASS) && database !== '';
  return [
    {
      check: 'mongodb.target-structure',
      level: isNeeded ? 'error' : 'warning',
      message: `the user may not ${missing.join(', and not ')}`,
      fix: `${grant('dbAdmin', database)}; or set validation: check and ddl.collMod: warn`,
    },
  ];
}

function grant(role: string, database: string): string {
  const granted = database === '' ? `"${role}AnyDatabase"` : `{ role: "${role}", db: "${database}" }`;
  return `Grant it: db.getSiblingDB("admin").grantRolesToUser("USER", [${granted}])`;
}
