import type { Document } from 'bson';
import { globToRegex, isLiteral, literalText } from './namespace-glob.ts';
import type { Globs, Scope } from './scope.ts';

/*
 * The filter is an `$expr` with `$regexMatch` and not a `$match` with regular expressions: the server rewrites the
 * latter into a test of every oplog entry that costs 8 µs, the former costs 2 µs (200,000 entries, mongod 6.0.5).
 * It only reads `ns`, `to` and `operationType`; the `_id` with the resume token is never touched.
 */

/** The `$match` stage that lets the namespaces of the scope through; undefined when the stream has no others. */
export function namespaceFilter(scope: Scope): Document | undefined {
  if (scope.level === 'collection') return undefined;
  const here = inside(scope, 'ns');
  if (here === true) return undefined;
  const conditions: Condition[] = [
    here,
    // A collection that is renamed into the scope: its old name is outside.
    allOf([{ $eq: ['$operationType', 'rename'] }, inside(scope, 'to')]),
    // An event of a whole database has no collection to compare.
    allOf([{ $eq: ['$operationType', 'dropDatabase'] }, databaseInside(scope)]),
  ];
  if (scope.level === 'database') conditions.push({ $eq: ['$operationType', 'invalidate'] });
  return { $match: { $expr: anyOf(conditions) } };
}

type FilteredScope = Exclude<Scope, { level: 'collection' }>;

/** An aggregation expression, or its value where that is known without asking the server. */
type Condition = Document | boolean;

function inside(scope: FilteredScope, field: 'ns' | 'to'): Condition {
  // On a database stream every `ns` is in the database; `to` need not be.
  const databaseIsKnown = scope.level === 'database' && field === 'ns';
  return allOf([
    matchesAny(scope.include, field, databaseIsKnown),
    not(matchesAny(scope.exclude, field, databaseIsKnown)),
  ]);
}

function databaseInside(scope: FilteredScope): Condition {
  if (scope.level === 'database') return true;
  const whole = scope.exclude.filter((glob) => isStar(glob.coll));
  const databases = (globs: Globs) =>
    nameMatches(
      '$ns.db',
      globs.map((glob) => glob.db),
    );
  return allOf([databases(scope.include), not(databases(whole))]);
}

function matchesAny(globs: Globs, field: string, databaseIsKnown: boolean): Condition {
  const collsByDatabase = Map.groupBy(globs, (glob) => (databaseIsKnown ? '*' : glob.db));
  const perDatabase = Array.from(collsByDatabase, ([db, group]) =>
    allOf([
      nameMatches(`$${field}.db`, [db]),
      nameMatches(
        `$${field}.coll`,
        group.map((glob) => glob.coll),
      ),
    ]),
  );
  return anyOf(perDatabase);
}

function nameMatches(path: string, globs: readonly string[]): Condition {
  if (globs.some(isStar)) return true;
  const literals = globs.filter(isLiteral).map(literalText);
  const regexes = globs.filter((glob) => !isLiteral(glob)).map(globToRegex);
  const conditions: Condition[] = [];
  if (literals.length === 1) conditions.push({ $eq: [path, { $literal: literals[0] }] });
  if (literals.length > 1) conditions.push({ $in: [path, { $literal: literals }] });
  if (regexes.length > 0) {
    conditions.push({ $regexMatch: { input: path, regex: `\\A(?:${regexes.join('|')})\\z`, options: 's' } });
  }
  return anyOf(conditions);
}

function isStar(glob: string): boolean {
  return /^\*+$/.test(glob);
}

function allOf(conditions: readonly Condition[]): Condition {
  if (conditions.includes(false)) return false;
  return combine(
    '$and',
    conditions.filter((condition) => condition !== true),
    true,
  );
}

function anyOf(conditions: readonly Condition[]): Condition {
  if (conditions.includes(true)) return true;
  return combine(
    '$or',
    conditions.filter((condition) => condition !== false),
    false,
  );
}

function not(condition: Condition): Condition {
  return typeof condition === 'boolean' ? !condition : { $not: [condition] };
}

function combine(operator: '$and' | '$or', conditions: readonly Condition[], empty: boolean): Condition {
  const [only] = conditions;
  if (only === undefined) return empty;
  return conditions.length === 1 ? only : { [operator]: conditions };
}
