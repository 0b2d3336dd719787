import type { Finding } from '../../core/connector.ts';
import type { CheckTarget } from './check.ts';
import { classify, serverCode } from './classify.ts';
import { RawCursor } from './raw-cursor.ts';
import { describeScope, type Scope, scopeOf } from './scope.ts';
import { streamPipeline, streamTarget } from './stream-pipeline.ts';

const UNAUTHORIZED = 13;

/** Opens the very stream the source would read, from now on, and closes it. */
export async function checkStream(target: CheckTarget): Promise<readonly Finding[]> {
  const check = 'mongodb.stream';
  const { client, config, context, signal } = target;
  const scope = scopeOf(config.include, config.exclude);
  await using cursor = new RawCursor({
    client,
    ...streamTarget(scope),
    pipeline: streamPipeline(config, scope, { kind: 'now' }, 'fail'),
    readPreference: config.readPreference,
    comment: `sluice doctor ${context.pipeline}`,
    maxAwaitMs: config.maxAwaitTime,
    answerMs: config.answerTimeout,
    logger: context.logger,
    signal,
  });
  try {
    await cursor.open(1);
  } catch (thrown) {
    const error = classify(thrown, 'open', 'open the change stream');
    const fix = serverCode(error) === UNAUTHORIZED ? `Grant it: ${grantFor(scope)}` : error.hint;
    return [{ check, level: 'error', message: error.message, fix }];
  }
  return [{ check, level: 'ok', message: `the change stream of ${describeScope(scope)} can be opened` }];
}

/** The commands that give a user what the stream needs, and no more. */
function grantFor(scope: Scope): string {
  const db = scope.level === 'deployment' ? '' : scope.db;
  const collection = scope.level === 'collection' ? scope.coll : '';
  const privilege = { resource: { db, collection }, actions: ['find', 'changeStream'] };
  const role = JSON.stringify({ createRole: 'sluiceSource', privileges: [privilege], roles: [] });
  return `db.getSiblingDB("admin").runCommand(${role}); db.getSiblingDB("admin").grantRolesToUser("USER", ["sluiceSource"])`;
}
