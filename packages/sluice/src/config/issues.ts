import { z } from 'zod';
import type { Prepared } from './prepare.ts';
import { type ConfigPath, type ConfigProblem, formatPath } from './problem.ts';
import { childSchemas, knownKeys } from './schema-walk.ts';
import { nearest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** What the schema complained about, as problems with places. */
export interface IssueContext {
  readonly file: string;
  readonly schema: z.core.$ZodType;
  readonly prepared: Prepared;
}

/** Features of the design that this version does not have: a setting for them must not be silently ignored. */
const NOT_BUILT = new Map([
  ['partitions', 'several partitions per pipeline are not built yet: every pipeline runs as one'],
]);

/** Text for the issues whose schema has no message of its own. Given to the parser as its error map. */
export function issueMessage(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}, not ${describe(issue.input)}`;
  if (issue.code === 'invalid_value') return `must be ${listOf(issue.values)}`;
  if (issue.code === 'too_small') return `must be at least ${String(issue.minimum)}${unitOf(issue.origin)}`;
  if (issue.code === 'too_big') return `must be at most ${String(issue.maximum)}${unitOf(issue.origin)}`;
  return undefined;
}

/** The problems of all issues, in the order of the file. Values that came from references are not shown. */
export function problemsOf(issues: readonly Issue[], context: IssueContext): ConfigProblem[] {
  const problems = issues.flatMap((issue) => flatten(issue, [])).flatMap((issue) => toProblems(issue, context));
  return problems.filter(({ path }) => !context.prepared.failed.has(path));
}

/** Issues inside a union, brought to the top with their full path. */
function flatten(issue: Issue, base: ConfigPath): readonly Issue[] {
  const path = [...base, ...(issue.path as ConfigPath)];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = likeliestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => flatten(inner, path));
  }
  return [{ ...issue, path }];
}

/** The alternative that was meant: the one whose complaints lie inside the value; none when all refuse its type. */
function likeliestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((branch) =>
    branch.every((issue) => issue.path.length > 0 || issue.code !== 'invalid_type'),
  );
  const rank = (branch: readonly Issue[]) => branch.length + (branch.some(isWrongValue) ? MANY_ISSUES : 0);
  return inside.toSorted((a, b) => rank(a) - rank(b))[0];
}

const MANY_ISSUES = 1000;

/** Every word refuses a mapping too: where a mapping is possible and written, that was meant. */
function isWrongValue({ code, path }: Issue): boolean {
  return code === 'invalid_value' && path.length === 0;
}

function toProblems(issue: Issue, context: IssueContext): readonly ConfigProblem[] {
  const path = issue.path as ConfigPath;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], context));
  const text = formatPath(path);
  const place = placeOf(path, context);
  const base = { file: context.file, ...place, path: text };
  if (issue.code === 'invalid_type' && isAbsent(path, context)) {
    return [{ ...base, message: `is missing${describeMissing(path, context.schema)}` }];
  }
  return [{ ...base, message: masked(issue.message, text, context), hint: valueHint(issue, path, context) }];
}

function unknownKey(path: ConfigPath, context: IssueContext): ConfigProblem {
  const key = String(path.at(-1));
  const place = context.prepared.places.get(formatPath(path))?.key ?? placeOf(path, context);
  const base = { file: context.file, ...place, path: formatPath(path) };
  const missing = NOT_BUILT.get(key);
  if (missing !== undefined) return { ...base, message: missing, hint: 'remove this key' };
  const known = knownKeys(schemasAt(path.slice(0, -1), context.schema));
  const meant = nearest(key, known);
  const hint = meant === undefined ? `known here: ${known.join(', ')}` : `did you mean "${meant}"?`;
  return { ...base, message: 'unknown key', hint };
}

function valueHint(issue: Issue, path: ConfigPath, { prepared }: IssueContext): string | undefined {
  const value = valueAt(prepared.value, path);
  if (issue.code !== 'invalid_value' || typeof value !== 'string') return undefined;
  const meant = nearest(
    value,
    issue.values.filter((candidate) => typeof candidate === 'string'),
  );
  return meant === undefined ? undefined : `did you mean "${meant}"?`;
}

/** The message without what a reference gave. */
function masked(message: string, path: string, { prepared }: IssueContext): string {
  const values = prepared.references.get(path)?.values ?? [];
  const known = [...values, ...prepared.secrets].filter((value) => value !== '');
  return known.reduce((text, value) => text.replaceAll(value, '***'), message);
}

function placeOf(path: ConfigPath, { prepared }: IssueContext): { readonly line: number; readonly column: number } {
  const exact = prepared.places.get(formatPath(path));
  if (exact !== undefined) return isObject(valueAt(prepared.value, path)) ? exact.key : exact.value;
  for (let length = path.length - 1; length >= 0; length--) {
    const above = prepared.places.get(formatPath(path.slice(0, length)));
    if (above !== undefined) return above.key;
  }
  return { line: 1, column: 1 };
}

function isAbsent(path: ConfigPath, { prepared }: IssueContext): boolean {
  return valueAt(prepared.value, path) === undefined;
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      isObject(inner) && Object.hasOwn(inner, step) ? (inner as Record<string, unknown>)[step] : undefined,
    value,
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function schemasAt(path: ConfigPath, schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  return path.reduce<readonly z.core.$ZodType[]>((schemas, step) => childSchemas(schemas, step), [schema]);
}

function describeMissing(path: ConfigPath, schema: z.core.$ZodType): string {
  const descriptions = schemasAt(path, schema).map((found) => z.globalRegistry.get(found)?.description);
  const description = descriptions.find((text) => text !== undefined);
  return description === undefined ? '' : `: ${firstSentence(description)}`;
}

function firstSentence(text: string): string {
  return (/^.*?\.(?=\s|$)/s.exec(text)?.[0] ?? text).replace(/\.$/, '');
}

function article(expected: string): string {
  if (expected === 'string') return 'text';
  if (expected === 'object' || expected === 'record') return 'a mapping';
  if (expected === 'array') return 'a list';
  if (expected === 'boolean') return 'true or false';
  return `a ${expected}`;
}

function describe(input: unknown): string {
  if (input === null || input === undefined) return 'empty';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  return typeof input === 'string' ? 'text' : `a ${typeof input}`;
}

function listOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? String(texts[0]) : `one of ${texts.join(', ')}`;
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' || origin === 'set' ? ' entries long' : '';
}
