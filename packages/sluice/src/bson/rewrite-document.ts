import type { BsonValue } from '../core/change-event.ts';
import { DocumentBuilder } from './build-document.ts';
import { asBuffer, BsonType, bytesMatch, cstringEnd, documentEnd, valueEnd } from './elements.ts';
import type { FieldNode, FieldTree } from './field-tree.ts';
import { nestedTooDeep } from './malformed.ts';

/*
 * Documents with some of their fields changed, from bytes to bytes: what is not concerned is copied as it is, whatever
 * it holds. Paths go through arrays, to every document in them, as in aggregation stages.
 */

const MAX_DEPTH = 200;

/** What becomes of a field that is there: another value, itself, or nothing. */
export type Change = (value: BsonValue) => BsonValue | undefined;

/** A field of a document while it is walked. */
interface Element {
  readonly type: number;
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

function walk(source: Buffer, visit: (element: Element) => void): void {
  const limit = documentEnd(source, 0, source.length) - 1;
  let at = 4;
  while (at < limit) {
    const type = source[at]!;
    const value = cstringEnd(source, at + 1, limit) + 1;
    const end = valueEnd(source, type, value, limit);
    visit({ type, start: at, value, end });
    at = end;
  }
}

function nodeOf<L>(tree: FieldTree<L>, source: Buffer, { start, value }: Element): FieldNode<L> | undefined {
  const length = value - start - 2;
  for (const node of tree) {
    if (node.bytes.length === length && bytesMatch(source, start + 1, node.bytes)) return node;
  }
  return undefined;
}

/** The document with the fields of the tree changed or left out; itself when none of them is in it. Throws `bson.malformed`. */
export function changeFields(document: Uint8Array, tree: FieldTree<Change>, depth = 0): Buffer {
  const source = asBuffer(document);
  let builder: DocumentBuilder | undefined;
  let copied = 4;
  walk(source, (element) => {
    const { type, start, value, end } = element;
    const node = nodeOf(tree, source, element);
    if (node === undefined) return;
    const before = { type, bytes: source.subarray(value, end) };
    const after = node.leaf === undefined ? changeInside(before, node.children, depth + 1) : node.leaf(before);
    if (after === before) return;
    builder ??= new DocumentBuilder();
    builder.elements(source.subarray(copied, start));
    if (after !== undefined) builder.field(node.bytes, after);
    copied = end;
  });
  if (builder === undefined) return source;
  builder.elements(source.subarray(copied, source.length - 1));
  return builder.build();
}

/** True for two views of the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.byteOffset === b.byteOffset && a.buffer === b.buffer;
}

function changeInside(value: BsonValue, tree: FieldTree<Change>, depth: number): BsonValue {
  if (depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
  const { type, bytes } = value;
  if (type === BsonType.document) {
    const changed = changeFields(bytes, tree, depth);
    return isSame(changed, bytes) ? value : { type, bytes: changed };
  }
  if (type !== BsonType.array) return value;
  return mapElements(value, (element) => changeInside(element, tree, depth + 1));
}

/** The array with each element replaced by what the function makes of it; itself when that is the same everywhere. */
export function mapElements(array: BsonValue, change: Change): BsonValue {
  const source = asBuffer(array.bytes);
  let changed = false;
  let index = 0;
  const builder = new DocumentBuilder();
  walk(source, ({ type, value, end }) => {
    const before = { type, bytes: source.subarray(value, end) };
    const after = change(before);
    if (after !== before) changed = true;
    if (after !== undefined) builder.field(Buffer.from(String(index++)), after);
  });
  return changed ? { type: BsonType.array, bytes: builder.build() } : array;
}

/** Whether a field is kept, or has its place kept for a value that is set afterwards. */
export type Keep = 'keep' | 'place';

/** The document with nothing but the fields of the tree, in the order of the document. Throws `bson.malformed`. */
export function keepFields(document: Uint8Array, tree: FieldTree<Keep>, depth = 0): Buffer {
  const source = asBuffer(document);
  const builder = new DocumentBuilder();
  walk(source, (element) => {
    const { type, start, value, end } = element;
    const node = nodeOf(tree, source, element);
    if (node === undefined) return;
    if (node.leaf === 'keep') return builder.elements(source.subarray(start, end));
    if (node.leaf === 'place') return;
    const kept = keepInside({ type, bytes: source.subarray(value, end) }, node.children, depth + 1);
    if (kept !== undefined) builder.field(node.bytes, kept);
  });
  return builder.build();
}

/** The part of a value that the tree keeps: nothing of what is neither document nor array. */
function keepInside(value: BsonValue, tree: FieldTree<Keep>, depth: number): BsonValue | undefined {
  if (depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
  const { type, bytes } = value;
  if (type === BsonType.document) return { type, bytes: keepFields(bytes, tree, depth) };
  if (type === BsonType.array) return mapElements(value, (element) => keepInside(element, tree, depth + 1));
  // What is set inside of it will replace it where it stands.
  return hasPlace(tree) ? value : undefined;
}

function hasPlace(tree: FieldTree<Keep>): boolean {
  return tree.some(({ leaf, children }) => leaf === 'place' || hasPlace(children));
}

/** New values by the leaf of the tree that they belong to; undefined: the field is removed. */
export type NewValues = (leaf: number) => BsonValue | undefined;

/**
 * The document with the fields of the tree set: those that it has in their place, others at its end. A way that leads through
 * something else than documents and arrays replaces it. As `$set` does it.
 */
export function setFields(document: Uint8Array, tree: FieldTree<number>, values: NewValues, depth = 0): Buffer {
  if (depth > MAX_DEPTH) throw nestedTooDeep(MAX_DEPTH);
  const source = asBuffer(document);
  const builder = new DocumentBuilder();
  const seen = new Set<FieldNode<number>>();
  let copied = 4;
  walk(source, (element) => {
    const { type, start, value, end } = element;
    const node = nodeOf(tree, source, element);
    if (node === undefined) return;
    builder.elements(source.subarray(copied, start));
    copied = end;
    // Of several fields with one name, MongoDB sets the first; the others are hidden behind it and must not stay.
    if (seen.has(node)) return;
    seen.add(node);
    const set = newValue(node, { type, bytes: source.subarray(value, end) }, values, depth);
    if (set !== undefined) builder.field(node.bytes, set);
  });
  builder.elements(source.subarray(copied, source.length - 1));
  for (const node of tree) {
    if (seen.has(node)) continue;
    const set = newValue(node, undefined, values, depth);
    if (set !== undefined) builder.field(node.bytes, set);
  }
  return builder.build();
}

const EMPTY = new DocumentBuilder().build();

function newValue(
  node: FieldNode<number>,
  old: BsonValue | undefined,
  values: NewValues,
  depth: number,
): BsonValue | undefined {
  if (node.leaf !== undefined) return values(node.leaf);
  if (old?.type === BsonType.array) return mapElements(old, (element) => newValue(node, element, values, depth + 1));
  const inside = old?.type === BsonType.document ? old.bytes : EMPTY;
  return { type: BsonType.document, bytes: setFields(inside, node.children, values, depth + 1) };
}
