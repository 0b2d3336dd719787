import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml';
import { type ConfigPath, type ConfigProblem, formatPath } from './problem.ts';

/** Where something stands in the file, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A scalar as it was written. */
export interface ScalarNode {
  readonly type: 'scalar';
  readonly value: string | number | boolean | null;
  readonly place: Place;
}

/** A mapping; keys in file order. */
export interface MapNode {
  readonly type: 'map';
  readonly entries: ReadonlyMap<string, { readonly keyPlace: Place; readonly value: TreeNode }>;
  readonly place: Place;
}

/** A list. */
export interface ListNode {
  readonly type: 'list';
  readonly items: readonly TreeNode[];
  readonly place: Place;
}

/** The file as data that remembers its places. Aliases are already replaced by what they stand for. */
export type TreeNode = ScalarNode | MapNode | ListNode;

/** The result of reading YAML: the tree, and everything that is wrong with the text as such. */
export interface ParsedYaml {
  readonly root: TreeNode | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** A mistake of nesting or a bomb of aliases ends here, long before memory does. */
const MAX_NODES = 20_000;
const MAX_DEPTH = 60;
/** Keys that could reach the prototype of an object further on. */
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Reads one YAML document. Duplicate keys, unknown tags, dangerous keys and alias bombs are problems. */
export function parseYaml(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false, version: '1.2' });
  const reader = new TreeReader(document, lines, file);
  for (const error of [...document.errors, ...document.warnings]) {
    const place = reader.placeOf(error.pos[0]);
    reader.report(
      [],
      place,
      yamlMessage(error.code, error.message),
      syntaxHint(text.split('\n')[place.line - 1] ?? ''),
    );
  }
  if (reader.problems.length > 0) return { root: undefined, problems: reader.problems };
  const root = document.contents === null ? undefined : reader.read(document.contents, [], 0);
  return { root, problems: reader.problems };
}

/** The usual reason: in a mapping in braces, the brace of a reference begins another mapping. */
function syntaxHint(line: string): string | undefined {
  const bare = /[{[,].*(?:^|[^"'\w])\$\{/.test(line);
  return bare ? 'inside { } and [ ] a reference must be in quotes: "\u0024{env:NAME}"' : undefined;
}

function yamlMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key is written twice in the same mapping';
  if (code === 'MULTIPLE_DOCS') return 'the file has several YAML documents ("---"); only one is read';
  if (code === 'TAG_RESOLVE_FAILED') return `unknown YAML tag (${message.replace(/^Unresolved tag: /, '')})`;
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** Turns the library's nodes into the tree, counting them. */
class TreeReader {
  readonly problems: ConfigProblem[] = [];
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #file: string;
  #nodes = 0;

  constructor(document: Document, lines: LineCounter, file: string) {
    this.#document = document;
    this.#lines = lines;
    this.#file = file;
  }

  placeOf(offset: number | undefined): Place {
    const { line, col } = this.#lines.linePos(offset ?? 0);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  report(path: ConfigPath, place: Place, message: string, hint?: string): void {
    this.problems.push({ file: this.#file, ...place, path: formatPath(path), message, hint });
  }

  read(node: Node, path: ConfigPath, depth: number): TreeNode | undefined {
    const place = this.placeOf(node.range?.[0]);
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES || depth > MAX_DEPTH) {
      if (this.#nodes < Number.POSITIVE_INFINITY) this.report([], place, 'too many or too deeply nested values');
      this.#nodes = Number.POSITIVE_INFINITY;
      return undefined;
    }
    if (isAlias(node)) return this.#readAlias(node, path, depth);
    if (isMap(node)) return this.#readMap(node.items, { path, place, depth });
    if (isSeq(node)) return this.#readList(node.items, { path, place, depth });
    if (isScalar(node)) return this.#readScalar(node, path, place);
    this.report(path, place, 'this is neither a value, a list nor a mapping');
    return undefined;
  }

  #readAlias(node: Alias, path: ConfigPath, depth: number): TreeNode | undefined {
    const target = node.resolve(this.#document);
    if (target !== undefined) return this.read(target, path, depth + 1);
    this.report(path, this.placeOf(node.range?.[0]), `there is no anchor &${node.source} before this alias`);
    return undefined;
  }

  #readScalar({ value }: { readonly value: unknown }, path: ConfigPath, place: Place): TreeNode | undefined {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return { type: 'scalar', value, place };
    }
    this.report(path, place, 'only text, numbers, true, false and null can be written here');
    return undefined;
  }

  #readList(items: readonly unknown[], at: ReadingAt): TreeNode {
    const read = items.map((item, index) => this.read(item as Node, [...at.path, index], at.depth + 1));
    return { type: 'list', items: read.filter((item) => item !== undefined), place: at.place };
  }

  #readMap(pairs: readonly { readonly key: unknown; readonly value: unknown }[], at: ReadingAt): TreeNode {
    const entries = new Map<string, { keyPlace: Place; value: TreeNode }>();
    for (const pair of pairs) {
      const keyNode = pair.key as Node;
      const keyPlace = this.placeOf(keyNode?.range?.[0]);
      const key = isScalar(keyNode) && keyNode.value !== null ? keyText(keyNode) : undefined;
      if (key === undefined || REFUSED_KEYS.has(key)) {
        const what = key === undefined ? 'a key must be plain text' : `the key "${key}" is not allowed`;
        this.report(at.path, keyPlace, what);
      } else {
        const path = [...at.path, key];
        const empty: TreeNode = { type: 'scalar', value: null, place: keyPlace };
        const value = pair.value === null ? empty : this.read(pair.value as Node, path, at.depth + 1);
        if (value !== undefined) entries.set(key, { keyPlace, value });
      }
    }
    return { type: 'map', entries, place: at.place };
  }
}

/** A key as it is written: `404:` is the key "404", whatever YAML makes of it. */
function keyText(key: Scalar): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? JSON.stringify(key.value));
}

interface ReadingAt {
  readonly path: ConfigPath;
  readonly place: Place;
  readonly depth: number;
}
