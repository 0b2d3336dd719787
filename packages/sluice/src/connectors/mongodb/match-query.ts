import { FORBIDDEN_OPERATORS, findKey } from './user-pipeline.ts';

/** Operators that need an index or an order of their own: a copy goes through the collection in the order of `_id`. */
const ORDERED_OPERATORS: readonly string[] = ['$text', '$near', '$nearSphere', '$geoNear'];

/** What is wrong with a query (Extended JSON) that selects documents to copy; undefined when it may be asked. */
export function matchProblem(query: unknown): string | undefined {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    return 'must be a query, such as { status: "open" }';
  }
  const forbidden = findKey(query, (key) => FORBIDDEN_OPERATORS.includes(key));
  if (forbidden !== undefined) return `${forbidden} is not allowed`;
  const ordered = findKey(query, (key) => ORDERED_OPERATORS.includes(key));
  return ordered === undefined ? undefined : `${ordered} is not possible: documents are copied in the order of _id`;
}
