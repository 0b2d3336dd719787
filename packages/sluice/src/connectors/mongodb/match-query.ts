import { EJSON } from 'bson';
import { FORBIDDEN_OPERATORS, findKey } from './user-pipeline.ts';

/** Operators that need an index or an order of their own: a copy goes through the collection in the order of `_id`. */
const ORDERED_OPERATORS: readonly string[] = ['$text', '$near', '$nearSphere', '$geoNear'];

/** Far below what the server or this program could not take. */
const MAX_DEPTH = 50;

/** What is wrong with a query (Extended JSON) that selects documents to copy; undefined when it may be asked. */
export function matchProblem(query: unknown): string | undefined {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    return 'must be a query, such as { status: "open" }';
  }
  if (isDeeperThan(query, MAX_DEPTH)) return `is nested deeper than ${MAX_DEPTH} levels`;
  const values = valueProblem(query);
  if (values !== undefined) return values;
  const forbidden = findKey(query, (key) => FORBIDDEN_OPERATORS.includes(key));
  if (forbidden !== undefined) return `${forbidden} is not allowed`;
  const ordered = findKey(query, (key) => ORDERED_OPERATORS.includes(key));
  return ordered === undefined ? undefined : `${ordered} is not possible: documents are copied in the order of _id`;
}

/** The query in canonical Extended JSON, every digit of an int64 kept. `matchProblem` has nothing against it. */
export function canonicalQuery(query: object): string {
  return EJSON.stringify(EJSON.deserialize(query, { relaxed: false }), { relaxed: false });
}

/** The query that the configuration has for a collection, in canonical Extended JSON. */
export function configuredQuery(queries: Readonly<Record<string, object>>, namespace: string): string | undefined {
  const query = queries[namespace];
  return query === undefined ? undefined : canonicalQuery(query);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

/** Values that are no Extended JSON, such as an `$oid` of too few digits. */
function valueProblem(query: object): string | undefined {
  try {
    EJSON.deserialize(query, { relaxed: false });
    return undefined;
  } catch (error) {
    return `holds a value that is not Extended JSON: ${(error as Error).message}`;
  }
}
