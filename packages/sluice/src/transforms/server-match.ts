import { isExtended, isMapping } from './constants.ts';
import type { TransformSetting } from './settings.ts';

type Query = Readonly<Record<string, unknown>>;

/** Where the fields of the view are in an event of a change stream. */
const PLACES: readonly (readonly [view: string, event: string])[] = [
  ['after.', 'fullDocument.'],
  ['before.', 'fullDocumentBeforeChange.'],
  ['key.', 'documentKey.'],
  ['ns.', 'ns.'],
];

/** Operators that mean the same on both sides, whatever the values are. */
const OPERATORS = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$type']);
const GROUPS = new Set(['$and', '$or', '$nor']);
const DATA_OPERATIONS = ['insert', 'update', 'replace', 'delete'];

/**
 * What of the transforms a change stream can do by itself: the query of the `$match` stages in front of all others, as far as
 * each condition has an equal on the server. It lets through at least what the stages let through; they run as
 * well, because rows of a snapshot come another way. Undefined when there is nothing. Values stay as they are written.
 */
export function serverMatch(settings: readonly TransformSetting[]): Query | undefined {
  const queries: Query[] = [];
  for (const { action, namespaces } of settings) {
    if (action.kind !== 'stage' || action.stage !== '$match' || namespaces !== undefined) break;
    const query = translated(action.body);
    if (query === undefined) break;
    queries.push(query);
  }
  if (queries.length === 0) return undefined;
  // Changes of collections pass every stage.
  return { $or: [{ operationType: { $nin: DATA_OPERATIONS } }, { $and: queries }] };
}

/** Undefined when a part of it has no equal. */
function translated(query: unknown): Query | undefined {
  if (!isMapping(query)) return undefined;
  const entries = Object.entries(query).map(([key, body]) => translatedEntry(key, body));
  return entries.includes(undefined) ? undefined : Object.fromEntries(entries as (readonly [string, unknown])[]);
}

function translatedEntry(key: string, body: unknown): readonly [string, unknown] | undefined {
  if (GROUPS.has(key) && Array.isArray(body)) {
    const queries = body.map(translated);
    return queries.includes(undefined) ? undefined : [key, queries];
  }
  const path = placeOf(key);
  return path === undefined || !isPlain(body) ? undefined : [path, body];
}

function placeOf(path: string): string | undefined {
  if (path === 'op') return 'operationType';
  const place = PLACES.find(([view]) => path.startsWith(view));
  return place === undefined ? undefined : place[1] + path.slice(place[0].length);
}

/** A value to be equal to, or operators with such values. */
function isPlain(body: unknown): boolean {
  if (isValue(body)) return true;
  if (!isMapping(body)) return false;
  const entries = Object.entries(body);
  return entries.length > 0 && entries.every(([name, value]) => OPERATORS.has(name) && isOperand(value));
}

function isOperand(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isValue) : isValue(value);
}

/** Regular expressions differ in dialect; documents and lists in how numbers in them are written. */
function isValue(value: unknown): boolean {
  if (isExtended(value)) return !Object.hasOwn(value as object, '$regularExpression');
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}
