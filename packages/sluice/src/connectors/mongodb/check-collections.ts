import type { Document } from 'mongodb';
import type { Finding } from '../../core/connector.ts';
import type { CheckTarget } from './check.ts';
import { serverCode } from './classify.ts';
import { runCommand } from './client.ts';
import type { MongodbSourceConfig } from './config.ts';
import { describeScope, literalDatabases, type Scope, scopeIncludes, scopeOf } from './scope.ts';
import { fullDocumentOf } from './stream-pipeline.ts';

const NAMES_SHOWN = 5;

interface ListedCollection {
  readonly db: string;
  readonly coll: string;
  readonly type: string;
  readonly images: boolean;
}

/** Looks at the collections the filter matches: are there any, do they emit events, do they have the images wanted. */
export async function checkCollections(target: CheckTarget): Promise<readonly Finding[]> {
  const scope = scopeOf(target.config.include, target.config.exclude);
  const listed = await listMatching(target, scope);
  if (listed === undefined) return [notListable()];
  const ordinary = listed.filter((collection) => collection.type === 'collection');
  return [
    matched(scope, ordinary),
    ...silent(
      scope,
      listed.filter((collection) => collection.type !== 'collection'),
    ),
    ...images(target.config, ordinary),
  ];
}

/** Undefined when the user may not list them. */
async function listMatching(target: CheckTarget, scope: Scope): Promise<readonly ListedCollection[] | undefined> {
  const { client, signal } = target;
  const context = { client, phase: 'check', doing: 'list the collections', signal } as const;
  try {
    const databases = literalDatabases(scope) ?? (await databaseNames(target));
    const perDatabase = databases.map(async (db) => {
      const command = { listCollections: 1, cursor: { batchSize: 10_000 } };
      const reply = await runCommand(context, db, command);
      return (reply['cursor'].firstBatch as Document[]).map((info) => listedCollection(db, info));
    });
    const all = (await Promise.all(perDatabase)).flat();
    return all.filter(({ db, coll }) => !coll.startsWith('system.') && scopeIncludes(scope, db, coll));
  } catch (error) {
    if (serverCode(error) === undefined) throw error;
    return undefined;
  }
}

async function databaseNames(target: CheckTarget): Promise<string[]> {
  const { client, signal } = target;
  const context = { client, phase: 'check', doing: 'list the databases', signal } as const;
  const reply = await runCommand(context, 'admin', { listDatabases: 1, nameOnly: true });
  return (reply['databases'] as Document[]).map((database) => String(database['name']));
}

function listedCollection(db: string, info: Document): ListedCollection {
  const images = info['options']?.changeStreamPreAndPostImages?.enabled === true;
  return { db, coll: String(info['name']), type: String(info['type']), images };
}

function matched(scope: Scope, ordinary: readonly ListedCollection[]): Finding {
  const check = 'mongodb.collections';
  if (ordinary.length > 0) {
    return { check, level: 'ok', message: `the filter matches ${namesOf(ordinary)}` };
  }
  const message = `the filter (${describeScope(scope)}) matches no collection at the moment`;
  const fix =
    'Check include and exclude for typing errors; a collection that is created later is read from its first change.';
  return { check, level: 'warning', message, fix };
}

/** Views and time series never appear in a change stream; leaving that unsaid would be a silent gap. */
function silent(scope: Scope, others: readonly ListedCollection[]): Finding[] {
  if (others.length === 0) return [];
  const check = 'mongodb.silent-collections';
  const message = `views and time series emit no changes, and the filter matches ${namesOf(others)}`;
  const fix = 'Exclude them, and read the collections behind the views instead.';
  return [{ check, level: scope.level === 'collection' ? 'error' : 'warning', message, fix }];
}

function images(config: MongodbSourceConfig, ordinary: readonly ListedCollection[]): Finding[] {
  const wanted = [fullDocumentOf(config), config.beforeImage].filter(
    (mode) => mode === 'whenAvailable' || mode === 'required',
  );
  if (wanted.length === 0 || ordinary.length === 0) return [];
  const check = 'mongodb.images';
  const without = ordinary.filter((collection) => !collection.images);
  if (without.length === 0) {
    return [{ check, level: 'ok', message: 'the matched collections keep images of their documents' }];
  }
  const required = wanted.includes('required');
  const effect = required
    ? 'the pipeline will stop at their first update or delete'
    : 'their events come without images';
  const commands = without.slice(0, NAMES_SHOWN).map(collMod);
  const fix = `${commands.join('; ')}${without.length > NAMES_SHOWN ? '; and so on' : ''}`;
  const message = `no images are kept by ${namesOf(without)}: ${effect}`;
  return [{ check, level: required ? 'error' : 'warning', message, fix }];
}

function collMod({ db, coll }: ListedCollection): string {
  const command = { collMod: coll, changeStreamPreAndPostImages: { enabled: true } };
  return `db.getSiblingDB(${JSON.stringify(db)}).runCommand(${JSON.stringify(command)})`;
}

function namesOf(collections: readonly ListedCollection[]): string {
  const names = collections.slice(0, NAMES_SHOWN).map(({ db, coll }) => `${db}.${coll}`);
  const more = collections.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

function notListable(): Finding {
  return {
    check: 'mongodb.collections',
    level: 'warning',
    message: 'the user may not list collections, so views, time series and images could not be checked',
    fix: 'Grant listCollections on the databases (the role read has it) to the user that runs doctor.',
  };
}
