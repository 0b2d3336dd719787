/*
 * What a user may do to events on the server. The rule behind all of it: the fields that tell which event it is and
 * whose it is must arrive as the server made them, else a stream cannot be resumed or an event not be attributed.
 */

/** Top-level fields that the pipeline must leave alone. */
export const PROTECTED_FIELDS = ['_id', 'operationType', 'clusterTime', 'ns', 'documentKey'] as const;

/** Fields that may be absent from an event, so that leaving them out of a projection is no harm, but not be made up. */
const RESERVED_FIELDS: readonly string[] = [...PROTECTED_FIELDS, 'splitEvent', '_sluice'];

const ALLOWED_STAGES: readonly string[] = [
  '$match',
  '$project',
  '$addFields',
  '$set',
  '$unset',
  '$replaceWith',
  '$replaceRoot',
  '$redact',
];

/** Operators that run code, or that give another answer each time: then a resumed stream is not the same stream. */
export const FORBIDDEN_OPERATORS: readonly string[] = ['$function', '$accumulator', '$where', '$rand', '$sampleRate'];

/** What is wrong with a stage of the pipeline, in words; undefined when it may run. */
export function stageProblem(stage: unknown): string | undefined {
  if (!isObject(stage)) return 'must be an aggregation stage, such as { $match: … }';
  const [name, ...others] = Object.keys(stage);
  if (name === undefined || others.length > 0) return 'must have exactly one key, the name of the stage';
  if (!ALLOWED_STAGES.includes(name)) {
    return `${name} is not possible on a change stream here; the stages are ${ALLOWED_STAGES.join(', ')}`;
  }
  const forbidden = findKey(stage, (key) => FORBIDDEN_OPERATORS.includes(key));
  if (forbidden !== undefined) return `${forbidden} is not allowed`;
  return CHECKS[name]?.(stage[name]);
}

type Check = (body: unknown) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  $match: (body) => (isObject(body) ? undefined : '$match needs an object'),
  $project: projectProblem,
  $addFields: (body) => setProblem('$addFields', body),
  $set: (body) => setProblem('$set', body),
  $unset: unsetProblem,
  $replaceWith: (body) => replacementProblem('$replaceWith', body),
  $replaceRoot: (body) => replacementProblem('$replaceRoot', isObject(body) ? body['newRoot'] : undefined),
  $redact: redactProblem,
};

function projectProblem(body: unknown): string | undefined {
  if (!isObject(body)) return '$project needs an object';
  const entries = Object.entries(body);
  const excludes = entries.some(([field, value]) => field !== '_id' && excludesSomething(value));
  for (const [field, value] of entries) {
    if (!isReserved(field)) continue;
    if (field !== rootOf(field) || !isFlag(value)) return `$project must not change ${rootOf(field)}`;
    if (!value) return `$project must not remove ${field}`;
  }
  if (excludes) return undefined;
  const kept = new Set(Object.keys(body)).add('_id');
  const missing = PROTECTED_FIELDS.filter((field) => !kept.has(field));
  if (missing.length === 0 || entries.length === 0) return undefined;
  return `$project leaves out ${missing.join(', ')}; add ${missing.map((field) => `${field}: 1`).join(', ')}`;
}

function isFlag(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function excludesSomething(value: unknown): boolean {
  if (isFlag(value)) return !value;
  return (
    isObject(value) && Object.entries(value).some(([key, inner]) => !key.startsWith('$') && excludesSomething(inner))
  );
}

function setProblem(stage: string, body: unknown): string | undefined {
  if (!isObject(body)) return `${stage} needs an object`;
  const field = Object.keys(body).find(isReserved);
  return field === undefined ? undefined : `${stage} must not change ${rootOf(field)}`;
}

function unsetProblem(body: unknown): string | undefined {
  const fields: readonly unknown[] = Array.isArray(body) ? body : [body];
  for (const field of fields) {
    if (typeof field !== 'string') return '$unset needs the name of a field, or a list of names';
    if (isReserved(field)) return `$unset must not remove ${rootOf(field)}`;
  }
  return undefined;
}

/** A new root can only be judged when it says literally that it keeps what must be kept. */
function replacementProblem(stage: string, root: unknown): string | undefined {
  const keeps = `${stage} must keep ${PROTECTED_FIELDS.join(', ')}`;
  if (!isObject(root)) return `${keeps}; merge with $$ROOT: { $mergeObjects: ["$$ROOT", { … }] }`;
  const parts = root['$mergeObjects'];
  if (Array.isArray(parts)) return mergeProblem(stage, parts, keeps);
  const changed = PROTECTED_FIELDS.find((field) => root[field] !== `$${field}`);
  if (changed === undefined && Object.keys(root).every((key) => !key.startsWith('$'))) {
    return Object.hasOwn(root, '_sluice') || Object.hasOwn(root, 'splitEvent')
      ? `${stage} uses a reserved name`
      : undefined;
  }
  return `${keeps}; write ${changed ?? '_id'}: "$${changed ?? '_id'}" and so on, or merge with $$ROOT`;
}

function mergeProblem(stage: string, parts: readonly unknown[], keeps: string): string | undefined {
  const root = parts.lastIndexOf('$$ROOT');
  if (root < 0) return `${keeps}: $mergeObjects must contain "$$ROOT"`;
  for (const part of parts.slice(root + 1)) {
    if (!isObject(part) || Object.keys(part).some((key) => key.startsWith('$'))) {
      return `${keeps}: put "$$ROOT" last, or only plain objects behind it`;
    }
    const field = Object.keys(part).find(isReserved);
    if (field !== undefined) return `${stage} must not change ${rootOf(field)}`;
  }
  return undefined;
}

/** With `$$DESCEND` the condition is asked of every embedded document, the resume token in `_id` among them. */
function redactProblem(body: unknown): string | undefined {
  return mentions(body, '$$DESCEND') ? '$redact must not use $$DESCEND: it would also cut the resume token' : undefined;
}

function isReserved(path: string): boolean {
  return RESERVED_FIELDS.includes(rootOf(path));
}

function rootOf(path: string): string {
  return path.split('.', 1)[0] ?? path;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first key, at any depth, that is accepted. */
export function findKey(value: unknown, accept: (key: string) => boolean): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && accept(key)) return key;
    const found = findKey(inner, accept);
    if (found !== undefined) return found;
  }
  return undefined;
}

function mentions(value: unknown, text: string): boolean {
  if (value === text) return true;
  return typeof value === 'object' && value !== null && Object.values(value).some((inner) => mentions(inner, text));
}
