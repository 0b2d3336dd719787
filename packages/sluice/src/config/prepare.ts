import { dirname, isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { asSluiceError } from '../core/failure.ts';
import { type ConfigPath, type ConfigProblem, formatPath } from './problem.ts';
import { literalPassword, literalSecret, type ReferenceSources, resolveReferences } from './references.ts';
import { acceptsOnly, childSchemas, scalarKind } from './schema-walk.ts';
import type { Place, ScalarNode, TreeNode } from './yaml-tree.ts';

/** The file as plain data, ready for the schema, and what is needed to explain it. */
export interface Prepared {
  readonly value: unknown;
  readonly problems: readonly ConfigProblem[];
  /** Where keys and values stand, by `formatPath`. */
  readonly places: ReadonlyMap<string, { readonly key: Place; readonly value: Place }>;
  /** Values that came from references, by `formatPath`: how they are written and what they gave. */
  readonly references: ReadonlyMap<string, { readonly raw: string; readonly values: readonly string[] }>;
  /** Paths that already have a problem. */
  readonly failed: ReadonlySet<string>;
  /** What must never be printed. */
  readonly secrets: readonly string[];
}

/** What `prepare` works with. */
export interface PrepareOptions {
  readonly file: string;
  readonly schema: z.core.$ZodType;
  readonly sources: ReferenceSources;
}

type Schemas = readonly z.core.$ZodType[];

/**
 * Resolves references, refuses literal secrets and takes relative paths from the directory of the file. The schema
 * says which scalars are secrets or paths and which texts from references must become numbers.
 */
export function prepare(root: TreeNode, options: PrepareOptions): Prepared {
  const preparer = new Preparer(options);
  const value = preparer.read(root, [], [options.schema]);
  return { value, ...preparer.collected };
}

class Preparer {
  readonly collected = {
    problems: [] as ConfigProblem[],
    places: new Map<string, { key: Place; value: Place }>(),
    references: new Map<string, { raw: string; values: readonly string[] }>(),
    failed: new Set<string>(),
    secrets: [] as string[],
  };
  readonly #options: PrepareOptions;

  constructor(options: PrepareOptions) {
    this.#options = options;
  }

  read(node: TreeNode, path: ConfigPath, schemas: Schemas, keyPlace: Place = node.place): unknown {
    this.collected.places.set(formatPath(path), { key: keyPlace, value: node.place });
    if (node.type === 'list') {
      return node.items.map((item, index) => this.read(item, [...path, index], childSchemas(schemas, index)));
    }
    if (node.type === 'map') {
      const entries = [...node.entries].map(
        ([key, entry]) =>
          [key, this.read(entry.value, [...path, key], childSchemas(schemas, key), entry.keyPlace)] as const,
      );
      return Object.fromEntries(entries);
    }
    // `pipelines:` with nothing behind it means an empty mapping, and then the schema says what is missing in it.
    if (node.value === null && acceptsOnly(schemas, 'object', 'record')) return {};
    return typeof node.value === 'string' ? this.#readText(node, node.value, { path, schemas }) : node.value;
  }

  #readText(node: ScalarNode, raw: string, at: { readonly path: ConfigPath; readonly schemas: Schemas }): unknown {
    const kind = scalarKind(at.schemas);
    const literal = kind === 'secret' ? literalSecret(raw) : literalPassword(raw);
    if (literal !== undefined) return this.#refuse(node, at.path, literal, secretHint(kind === 'secret', at.path));
    const text = this.#resolve(node, raw, at.path);
    if (text === undefined) return undefined;
    if (kind === 'secret') this.collected.secrets.push(text);
    if (kind === 'uri') this.collected.secrets.push(...passwordsOf(text));
    if (kind === 'path') return this.absolute(text);
    const referenced = this.collected.references.has(formatPath(at.path));
    return referenced ? retype(text, at.schemas) : text;
  }

  #resolve(node: ScalarNode, raw: string, path: ConfigPath): string | undefined {
    try {
      const { text, references, values } = resolveReferences(raw, this.#options.sources);
      if (references > 0) this.collected.references.set(formatPath(path), { raw, values });
      return text;
    } catch (cause) {
      const { message, hint } = asSluiceError(cause);
      return this.#refuse(node, path, message, hint);
    }
  }

  #refuse(node: ScalarNode, path: ConfigPath, message: string, hint: string | undefined): undefined {
    const text = formatPath(path);
    this.collected.failed.add(text);
    this.collected.problems.push({ file: this.#options.file, ...node.place, path: text, message, hint });
    return undefined;
  }

  absolute(path: string): string {
    return isAbsolute(path) || path === '' ? path : resolve(dirname(this.#options.file), path);
  }
}

/** Text of a reference as the type that the schema wants, where it has that form. */
function retype(text: string, schemas: Schemas): unknown {
  if (acceptsOnly(schemas, 'number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (acceptsOnly(schemas, 'boolean') && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function secretHint(whole: boolean, path: ConfigPath): string {
  const key = path.findLast((step) => typeof step === 'string') ?? 'secret';
  const variable = `\u0024{env:${whole ? environmentName(key) : 'PASSWORD'}}`;
  if (whole) return `write ${variable} or \u0024{file:path}`;
  return `write ${variable} in its place, or take the whole value from \u0024{env:${environmentName(key)}}`;
}

function environmentName(key: string): string {
  return key
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replace(/\W/g, '_')
    .toUpperCase();
}

/** The password of a connection string, as it is written and as it is meant. */
function passwordsOf(uri: string): readonly string[] {
  const userInfo = /:\/\/([^\s]*)@/.exec(uri)?.[1];
  const password = userInfo?.includes(':') ? userInfo.slice(userInfo.indexOf(':') + 1) : '';
  if (password === '') return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
