import type { Namespace } from '../core/change-event.ts';
import { formatNamespace } from '../core/change-event.ts';
import { TransformProblem } from './problem.ts';

/** Where events of a namespace go; the namespace itself when no rule is about it. */
export type RenameNamespace = (namespace: Namespace) => Namespace;

interface Rule {
  readonly pattern: RegExp;
  readonly target: string;
}

/**
 * Compiles rules such as `test.users: crm.people` and `shop.*: store.*`: the first that fits decides. The stars of the target
 * stand for what those of the pattern stood for. The same namespace object comes out for the same that goes in.
 */
export function compileNamespaces(rules: Readonly<Record<string, string>>): RenameNamespace {
  const compiled = Object.entries(rules).map(([from, to]) => compileRule(from, to));
  const known = new Map<string, Namespace>();
  const cache = new WeakMap<Namespace, Namespace>();
  return (namespace) => {
    let renamed = cache.get(namespace);
    if (renamed === undefined) {
      renamed = rename(namespace, compiled, known);
      cache.set(namespace, renamed);
    }
    return renamed;
  };
}

function compileRule(from: string, to: string): Rule {
  for (const name of [from, to]) {
    const [db = '', ...rest] = name.split('.');
    if (db === '' || rest.join('.') === '') {
      throw new TransformProblem(
        `"${name}" is not a namespace`,
        'write database.collection, such as shop.orders or shop.*',
      );
    }
  }
  const stars = (text: string) => text.split('*').length - 1;
  if (stars(to) > stars(from)) {
    throw new TransformProblem(
      `"${to}" has more stars than "${from}"`,
      'each star of the target stands for one of the pattern',
    );
  }
  const [db = '', ...coll] = from.split('.');
  return { pattern: new RegExp(`^${wildcard(db, '[^.]*')}\\.${wildcard(coll.join('.'), '.*')}$`, 's'), target: to };
}

function wildcard(text: string, any: string): string {
  return text
    .split('*')
    .map((part) => part.replace(/[\\^$.|?+()[\]{}/-]/g, '\\$&'))
    .join(`(${any})`);
}

function rename(namespace: Namespace, rules: readonly Rule[], known: Map<string, Namespace>): Namespace {
  // An event of a whole database is not about a collection that a rule could name.
  if (namespace.coll === '') return namespace;
  const name = formatNamespace(namespace);
  for (const { pattern, target } of rules) {
    const found = pattern.exec(name);
    if (found === null) continue;
    let star = 0;
    const renamed = target.replaceAll('*', () => found[++star] ?? '');
    const dot = renamed.indexOf('.');
    const same = known.get(renamed) ?? Object.freeze({ db: renamed.slice(0, dot), coll: renamed.slice(dot + 1) });
    known.set(renamed, same);
    return same;
  }
  return namespace;
}

/** Compiles patterns over `db.coll` in which a star stands for anything; whether a namespace is one of them. */
export function compileSelection(patterns: readonly string[]): (namespace: Namespace) => boolean {
  const compiled = patterns.map((pattern) => compileRule(pattern, pattern).pattern);
  const cache = new WeakMap<Namespace, boolean>();
  return (namespace) => {
    let selected = cache.get(namespace);
    if (selected === undefined) {
      const name = formatNamespace(namespace);
      selected = compiled.some((pattern) => pattern.test(name));
      cache.set(namespace, selected);
    }
    return selected;
  };
}
