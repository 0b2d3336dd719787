import type { Ledger } from './ledger.ts';
import { namespacePattern, regexToPatterns } from './namespace-pattern.ts';

/** What a Debezium connector reads, as patterns, and as stages where there are no patterns. */
export interface DebeziumScope {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly stages: readonly unknown[];
}

const CASE = 'names must have the same case here';
const ON_SERVER = 'as a $match with the regular expression';
const TOO_MUCH =
  'no pattern has this meaning: changes are matched by it, but a snapshot copies everything; edit include';

/** The include and exclude lists, and `capture.scope`. Lists hold regular expressions, separated by commas. */
export function debeziumScope(connector: Ledger, copies: boolean): DebeziumScope {
  const list = (option: string, toPatterns: ToPatterns) => readList(connector, option, toPatterns, copies);
  const include = list('collection.include.list', regexToPatterns);
  const exclude = list('collection.exclude.list', regexToPatterns);
  const databases = list('database.include.list', databasePatterns);
  const others = list('database.exclude.list', databasePatterns);
  const captured = captureTarget(connector);
  const stages = [include, databases].flatMap(({ rest, subject }) =>
    rest === undefined ? [] : [match(subject, rest)],
  );
  const not = [exclude, others].flatMap(({ rest, subject }) =>
    rest === undefined ? [] : [match(subject, rest, true)],
  );
  return {
    include: firstGiven(include.patterns, databases.patterns, captured),
    exclude: [...exclude.patterns, ...others.patterns, ...outside(include.patterns, databases.patterns)],
    stages: [...stages, ...not],
  };
}

interface List {
  readonly patterns: readonly string[];
  /** One regular expression for all, when one of them has no pattern. */
  readonly rest: string | undefined;
  readonly subject: unknown;
}

type ToPatterns = (regex: string) => readonly string[] | undefined;

function readList(connector: Ledger, option: string, toPatterns: ToPatterns, copies: boolean): List {
  const subject = option.startsWith('database')
    ? '$ns.db'
    : { $concat: ['$ns.db', '.', { $ifNull: ['$ns.coll', ''] }] };
  const entries = splitList(connector.text(option) ?? '');
  const translated = entries.map(toPatterns);
  const patterns = translated.filter((found) => found !== undefined).flat();
  const setting = option.includes('exclude') ? 'exclude' : 'include';
  if (translated.every((found) => found !== undefined)) {
    connector.note(option, 'mapped', entries.length === 0 ? 'empty' : CASE, `source.mongodb.${setting}`);
    return { patterns, rest: undefined, subject };
  }
  const to = 'source.mongodb.pipeline';
  connector.note(option, copies ? 'not-supported' : 'changed', copies ? TOO_MUCH : ON_SERVER, to);
  return { patterns: [], rest: `^(?:${entries.join('|')})$`, subject };
}

/** At commas outside of brackets, which may belong to a regular expression. */
function splitList(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const character of text) {
    if ('([{'.includes(character)) depth++;
    if (')]}'.includes(character)) depth--;
    if (character === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  return [...parts, part].map((entry) => entry.trim()).filter((entry) => entry !== '');
}

function databasePatterns(regex: string): readonly string[] | undefined {
  const patterns = regexToPatterns(`${regex}\\..*`);
  return patterns?.length === 1 ? patterns : undefined;
}

function match(subject: unknown, regex: string, not = false): unknown {
  const matches = { $regexMatch: { input: subject, regex, options: 'i' } };
  return { $match: { $expr: not ? { $not: [matches] } : matches } };
}

/** `capture.scope: database` with `capture.target: shop` and so on. */
function captureTarget(connector: Ledger): readonly string[] {
  const scope = connector.text('capture.scope')?.toLowerCase() ?? 'deployment';
  const target = connector.text('capture.target');
  connector.mapped('capture.scope', 'source.mongodb.include');
  connector.mapped('capture.target', 'source.mongodb.include');
  if (target === undefined || scope === 'deployment') return [];
  if (scope === 'database') return [namespacePattern(target, undefined)];
  const dot = target.indexOf('.');
  return dot < 0 ? [] : [namespacePattern(target.slice(0, dot), target.slice(dot + 1))];
}

function firstGiven(...lists: readonly (readonly string[])[]): readonly string[] {
  return lists.find((patterns) => patterns.length > 0) ?? ['*.*'];
}

/** With both lists a collection must be in both; a collection list outside of the databases reads nothing. */
function outside(collections: readonly string[], databases: readonly string[]): readonly string[] {
  if (collections.length === 0 || databases.length === 0) return [];
  const names = new Set(databases.map((pattern) => pattern.split('.')[0]));
  return collections.filter(
    (pattern) => !names.has(pattern.split('.')[0]) && ![...names].some((db) => db?.includes('*')),
  );
}
