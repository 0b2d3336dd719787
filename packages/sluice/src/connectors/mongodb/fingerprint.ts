import { createHash } from 'node:crypto';
import { EJSON } from 'bson';
import type { Globs, Scope } from './scope.ts';
import { fullDocumentOf, type StreamConfig, userStages } from './stream-pipeline.ts';

/**
 * Hash of everything that selects or shapes events. Two configurations that mean the same have the same one: the order
 * of the patterns does not matter, that of the pipeline does.
 */
export function fingerprintOf(config: StreamConfig, scope: Scope): string {
  const selection = {
    scope: scopeText(scope),
    pipeline: EJSON.stringify(userStages(config.pipeline), { relaxed: false }),
    fullDocument: fullDocumentOf(config),
    beforeImage: config.beforeImage,
    ddl: config.ddl ?? false,
  };
  return createHash('sha256').update(JSON.stringify(selection)).digest('hex').slice(0, 32);
}

function scopeText(scope: Scope): readonly unknown[] {
  if (scope.level === 'collection') return [scope.level, scope.db, scope.coll];
  const db = scope.level === 'database' ? scope.db : '';
  return [scope.level, db, sorted(scope.include), sorted(scope.exclude)];
}

function sorted(globs: Globs): string[] {
  return [...new Set(globs.map((glob) => `${glob.db}.${glob.coll}`))].sort();
}
