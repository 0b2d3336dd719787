import { ANY_NAME, ELEMENTS, segmentName, segmentsOf } from '../../../core/field-path.ts';
import type { LearnedCollection } from '../../../core/learned-fields.ts';

/** What is known of a field and of those below it; elements of arrays are as the array itself, as for the products. */
export interface FieldNode {
  /** As MongoDB's `$type` calls them. */
  readonly types: Set<string>;
  readonly children: Map<string, FieldNode>;
  /** True when its names are data: they must not become fields. */
  isMap: boolean;
}

/** Something that cannot be mapped as it is. */
export interface MappingProblem {
  /** `mixed`: objects and other values in one field. `name`: the products take no such name. `depth`: nested too deep. */
  readonly kind: 'mixed' | 'name' | 'depth';
  /** Names joined by dots. */
  readonly path: string;
}

/** Names of the products' own, at the top of a document: whoever writes them is refused, or the value is ignored. */
const METADATA: ReadonlySet<string> = new Set(
  (
    '_id _source _index _routing _version _seq_no _field_names _ignored _nested_path _doc_count _type _tier ' +
    '_feature _data_stream_timestamp _ignored_source _primary_term _inference_fields _recovery_source'
  ).split(' '),
);

/** Learned names of this many characters and more are cut (core/field-path.ts). */
const CUT_ABOVE = 200;

/** A field of which nothing is known. */
export function emptyNode(): FieldNode {
  return { types: new Set(), children: new Map(), isMap: false };
}

/** Notes that the field has values of the type; those that are written as objects are such from here on. */
export function addType(node: FieldNode, type: string): void {
  node.types.add(isWrittenAsObject(type) ? 'object' : type);
  if (type === 'timestamp') for (const name of ['t', 'i']) childNode(node, name).types.add('long');
  if (type === 'dbPointer') for (const name of ['$ref', '$id']) childNode(node, name).types.add('symbol');
}

function isWrittenAsObject(type: string): boolean {
  return type === 'timestamp' || type === 'dbPointer';
}

/**
 * The field of this name below another one. A name with dots is a path to the products: `a.b` is the same field as `b` in
 * `a`. Undefined, with a problem noted, when they take no such name.
 */
export function namedNode(
  parent: FieldNode,
  parentPath: string,
  name: string,
  problems: Map<string, MappingProblem>,
): FieldNode | undefined {
  const parts = name.split('.');
  const isOwn = parentPath === '' && METADATA.has(parts[0]!);
  if (isOwn || parts.some((part) => part.trim() === '')) {
    // The id of the document is never written into it.
    if (name !== '_id' || parentPath !== '') note(problems, 'name', joined(parentPath, name));
    return undefined;
  }
  let node = parent;
  for (const [at, part] of parts.entries()) {
    if (at > 0) node.types.add('object');
    node = childNode(node, part);
  }
  return node;
}

/** Notes a problem once. */
export function note(problems: Map<string, MappingProblem>, kind: MappingProblem['kind'], path: string): void {
  problems.set(`${kind} ${path}`, { kind, path });
}

/** A path as the products write it. */
export function joined(parent: string, name: string): string {
  return parent === '' ? name : `${parent}.${name}`;
}

/** Adds what documents have shown. */
export function addLearned(root: FieldNode, learned: LearnedCollection, problems: Map<string, MappingProblem>): void {
  for (const { path, types } of learned.fields) {
    const node = nodeAt(root, path, problems);
    if (node !== undefined) for (const type of types) addType(node, type);
  }
  for (const path of learned.maps) {
    const node = nodeAt(root, path, problems);
    if (node !== undefined) node.isMap = true;
  }
}

/** Undefined for what is in a map, and for names that cannot be mapped. */
function nodeAt(root: FieldNode, path: string, problems: Map<string, MappingProblem>): FieldNode | undefined {
  let node = root;
  let above = '';
  for (const segment of segmentsOf(path)) {
    if (segment === ELEMENTS) continue;
    // A name that looks like an id, or one of a map: in both cases more of them will come.
    if (segment === ANY_NAME) {
      node.isMap = true;
      return undefined;
    }
    const name = segmentName(segment);
    if (name.length > CUT_ABOVE && name.endsWith('…')) return undefined;
    const next = namedNode(node, above, name, problems);
    if (next === undefined) return undefined;
    above = joined(above, name);
    node = next;
  }
  return node;
}

function childNode(parent: FieldNode, name: string): FieldNode {
  let node = parent.children.get(name);
  if (node === undefined) {
    node = emptyNode();
    parent.children.set(name, node);
  }
  return node;
}
