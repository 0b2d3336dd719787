import { literalPattern } from './namespace-pattern.ts';

/** Where a part of the namespaces goes. */
export interface TopicRoute {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A topic template. */
  readonly topic: string;
}

/** What topics are made from. */
export interface TopicParts {
  readonly prefix: string | undefined;
  readonly suffix: string | undefined;
  readonly separator: string;
  /** Topic by `db.coll`, new name of the database by `db`, topic of everything else by `*`. */
  readonly map: Readonly<Record<string, string>>;
  /** What the connector reads; undefined: any. */
  readonly database: string | undefined;
  readonly collection: string | undefined;
}

/** The routes of a connector: one without a map, else one for each entry that fits and one for the rest. */
export function topicRoutes(parts: TopicParts): readonly TopicRoute[] {
  const { prefix, suffix, separator, map, database, collection } = parts;
  const full = (name: string) => [prefix, name, suffix].filter((part) => part !== undefined).join(separator);
  const fits = (db: string, coll: string | undefined) =>
    (database === undefined || db === database) &&
    (collection === undefined || coll === undefined || coll === collection);
  const routes: TopicRoute[] = [];
  const taken: string[] = [];
  for (const [namespace, topic] of Object.entries(map).toSorted(longerFirst)) {
    if (namespace === '*') continue;
    const [db, coll] = splitAtDot(namespace);
    if (!fits(db, coll)) continue;
    const pattern = `${literalPattern(db)}.${nameOrAny(coll ?? collection)}`;
    if (taken.includes(pattern)) continue;
    const name = coll === undefined ? `${topic}${separator}{coll}` : topic;
    routes.push({ include: [pattern], exclude: [...taken], topic: full(name) });
    taken.push(pattern);
  }
  const all = `${nameOrAny(database)}.${nameOrAny(collection)}`;
  if (taken.includes(all)) return routes;
  const rest = map['*'] ?? `{db}${separator}{coll}`;
  return [...routes, { include: [all], exclude: taken, topic: full(rest) }];
}

/** Entries for collections before entries for databases. */
function longerFirst([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return Number(b.includes('.')) - Number(a.includes('.'));
}

function splitAtDot(namespace: string): readonly [string, string | undefined] {
  const dot = namespace.indexOf('.');
  return dot < 0 ? [namespace, undefined] : [namespace.slice(0, dot), namespace.slice(dot + 1)];
}

function nameOrAny(name: string | undefined): string {
  return name === undefined ? '*' : literalPattern(name);
}
