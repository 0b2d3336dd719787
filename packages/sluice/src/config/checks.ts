import type { Registry } from '../connectors/registry-entry.ts';
import { isLoopback, parseListenAddress } from './listen-address.ts';
import type { Prepared } from './prepare.ts';
import { type ConfigPath, type ConfigProblem, formatPath } from './problem.ts';
import { PIPELINE_NAME } from './schema.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** Sections that name a connector must name exactly one; `checkpoint`, `deadLetter`, `lease` and `schema` at most one. */
export function choiceProblems(prepared: Prepared, registry: Registry, file: string): readonly ConfigProblem[] {
  const pipelines = mappingAt(prepared.value, 'pipelines');
  return Object.entries(pipelines ?? {}).flatMap(([name, pipeline]) => {
    if (!isMapping(pipeline)) return [];
    const check = (section: string, connectors: object, required: boolean) => {
      const path = ['pipelines', name, section];
      return checkChoice({
        section: pipeline[section],
        path,
        names: Object.keys(connectors),
        required,
        prepared,
        file,
      });
    };
    return [
      ...check('source', registry.sources, true),
      ...check('sink', registry.sinks, true),
      ...check('checkpoint', registry.checkpoints, false),
      ...check('deadLetter', registry.deadLetters, false),
      ...check('lease', registry.leases, false),
      ...check('schema', registry.schemas, false),
    ];
  });
}

/** Names of pipelines become part of checkpoints, topics, labels and file names. */
export function nameProblems(prepared: Prepared, file: string): readonly ConfigProblem[] {
  const names = Object.keys(mappingAt(prepared.value, 'pipelines') ?? {}).filter((name) => !PIPELINE_NAME.test(name));
  return names.map((name) => {
    const hint = 'use at most 63 letters, digits, "-" and "_", and begin with a letter or digit';
    return problemAt(['pipelines', name], 'this name is not allowed', { prepared, file, hint });
  });
}

interface ChoiceToCheck {
  readonly section: unknown;
  readonly path: ConfigPath;
  readonly names: readonly string[];
  readonly required: boolean;
  readonly prepared: Prepared;
  readonly file: string;
}

function checkChoice({ section, path, names, required, prepared, file }: ChoiceToCheck): readonly ConfigProblem[] {
  if (!isMapping(section)) return [];
  const keys = Object.keys(section);
  const known = keys.filter((key) => names.includes(key));
  const [, second] = known;
  const what = String(path.at(-1));
  if (second !== undefined) {
    const text = `names ${known.length} connectors (${known.join(', ')}); a pipeline has one ${what}`;
    return [problemAt([...path, second], text, { prepared, file, hint: 'write another pipeline for the other' })];
  }
  // With an unknown key the schema has already said what is wrong.
  if (keys.length > 0 || !required) return [];
  return [problemAt(path, 'names no connector', { prepared, file, hint: `choose one of ${names.join(', ')}` })];
}

/** An HTTP endpoint that other machines can reach must have a token. */
export function exposureProblems(prepared: Prepared, file: string): readonly ConfigProblem[] {
  const http = mappingAt(prepared.value, 'http');
  const listen = http?.['listen'];
  const address = typeof listen === 'string' ? parseListenAddress(listen) : undefined;
  if (address === undefined || isLoopback(address.host) || Object.hasOwn(http ?? {}, 'token')) return [];
  const message = `other machines can reach ${address.host}, so the endpoint needs a token`;
  const hint = 'set http.token: \u0024{env:SLUICE_TOKEN}, or listen on 127.0.0.1';
  return [problemAt(['http', 'listen'], message, { prepared, file, hint })];
}

/** What a problem is placed with. */
export interface ProblemContext {
  readonly prepared: Prepared;
  readonly file: string;
  readonly hint?: string | undefined;
}

/** A problem at a path; where the path is not in the file, at the nearest section above it. */
export function problemAt(path: ConfigPath, message: string, { prepared, file, hint }: ProblemContext): ConfigProblem {
  const text = formatPath(path);
  for (let length = path.length; length >= 0; length--) {
    const place = prepared.places.get(formatPath(path.slice(0, length)));
    if (place !== undefined) return { file, ...place.key, path: text, message, hint };
  }
  return { file, line: 1, column: 1, path: text, message, hint };
}

function mappingAt(value: unknown, key: string): Mapping | undefined {
  const inner = isMapping(value) ? value[key] : undefined;
  return isMapping(inner) ? inner : undefined;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
