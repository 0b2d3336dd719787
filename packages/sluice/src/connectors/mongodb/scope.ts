import { globMatches, isLiteral, literalText, type NamespaceGlob, parseNamespacePattern } from './namespace-glob.ts';

/** Name of the database Sluice keeps its own state in; its changes are never part of a stream by accident. */
export const OWN_DATABASE = 'sluice';

/** Databases the server itself never shows in a change stream. */
const SERVER_DATABASES = ['admin', 'local', 'config'];

/**
 * What a change stream is opened on: the narrowest level that covers the patterns, which needs the fewest privileges.
 * The patterns of the level `database` all match its database.
 */
export type Scope =
  | { readonly level: 'collection'; readonly db: string; readonly coll: string }
  | { readonly level: 'database'; readonly db: string; readonly include: Globs; readonly exclude: Globs }
  | { readonly level: 'deployment'; readonly include: Globs; readonly exclude: Globs };

/** Patterns with their alternatives written out. */
export type Globs = readonly NamespaceGlob[];

/** The scope of `include` minus `exclude` (patterns as configured). Throws `GlobError`. */
export function scopeOf(include: readonly string[], exclude: readonly string[]): Scope {
  const wanted = include.flatMap((pattern) => parseNamespacePattern(pattern));
  const unwanted = exclude.flatMap((pattern) => parseNamespacePattern(pattern));
  const [first] = wanted;
  const isOne = wanted.length === 1 && unwanted.length === 0;
  if (first !== undefined && isOne && isLiteral(first.db) && isLiteral(first.coll)) {
    return { level: 'collection', db: literalText(first.db), coll: literalText(first.coll) };
  }
  if (first !== undefined && isLiteral(first.db) && wanted.every((glob) => sameLiteral(glob.db, first.db))) {
    const db = literalText(first.db);
    return { level: 'database', db, include: wanted, exclude: unwanted.filter((glob) => globMatches(glob.db, db)) };
  }
  const ownIsWanted = wanted.some((glob) => sameLiteral(glob.db, OWN_DATABASE));
  const withoutOwn = ownIsWanted ? unwanted : [...unwanted, { db: OWN_DATABASE, coll: '*' }];
  return { level: 'deployment', include: wanted, exclude: withoutOwn };
}

/** Whether changes of `db.coll` are part of the scope. */
export function scopeIncludes(scope: Scope, db: string, coll: string): boolean {
  if (SERVER_DATABASES.includes(db)) return false;
  if (scope.level === 'collection') return db === scope.db && coll === scope.coll;
  if (scope.level === 'database' && db !== scope.db) return false;
  const matches = (glob: NamespaceGlob) => globMatches(glob.db, db) && globMatches(glob.coll, coll);
  return scope.include.some(matches) && !scope.exclude.some(matches);
}

/** The scope in words, for messages: `shop.orders`, `database shop`, `the deployment`. */
export function describeScope(scope: Scope): string {
  if (scope.level === 'collection') return `${scope.db}.${scope.coll}`;
  return scope.level === 'database' ? `database ${scope.db}` : 'the deployment';
}

/** The databases whose names the patterns spell out; undefined when a pattern leaves the database open. */
export function literalDatabases(scope: Scope): readonly string[] | undefined {
  if (scope.level !== 'deployment') return [scope.db];
  if (!scope.include.every((glob) => isLiteral(glob.db))) return undefined;
  return [...new Set(scope.include.map((glob) => literalText(glob.db)))];
}

function sameLiteral(glob: string, other: string): boolean {
  return isLiteral(glob) && literalText(glob) === literalText(other);
}
