import { asBuffer, BsonType, cstringEnd, documentEnd, fieldsOf, findField, valueEnd } from '../bson/elements.ts';
import { ANY_NAME, childPath, ELEMENTS, type FieldPath, nameSegment } from '../core/field-path.ts';
import { ARRAY, OBJECT, type TypeSet, typeBit } from './bson-types.ts';
import { DEEPEST_LEVEL } from './shape-hash.ts';

/** Paths with the types they have in one document; what is above comes before what is below. */
export type Outline = ReadonlyMap<FieldPath, TypeSet>;

/** What is already known when a document is outlined. */
export interface OutlineContext {
  /** True when the names below this path are those of a map. */
  isMap(parent: FieldPath): boolean;
  /** The types that are known for a path. */
  typesOf(path: FieldPath): TypeSet;
}

/** More paths than this of one document are not looked at. */
const MOST_PATHS = 10_000;

/** The fields of a whole document. Throws `bson.malformed`. */
export function outlineOf(document: Uint8Array, context: OutlineContext): Outline {
  const outliner = new Outliner(context);
  outliner.document(asBuffer(document), 0, document.length, '', 0);
  return outliner.paths;
}

/**
 * The fields that an `updateDescription` sets. Their names are paths; a number in them is the index of an array unless
 * only a document is known there. Throws `bson.malformed`.
 */
export function outlineOfUpdate(updatedFields: Uint8Array, context: OutlineContext): Outline {
  const outliner = new Outliner(context);
  for (const { name, type, bytes } of fieldsOf(updatedFields)) {
    const path = name.split('.').reduce((parent, part) => updatePath(parent, part, context), '');
    outliner.value(type, path, asBuffer(bytes), 0, bytes.length, 0);
  }
  return outliner.paths;
}

/** The `updatedFields` of an `updateDescription`; undefined when it sets nothing. */
export function updatedFieldsOf(description: Uint8Array): Uint8Array | undefined {
  const found = findField(description, 'updatedFields');
  return found?.type === BsonType.document && found.bytes.length > 5 ? found.bytes : undefined;
}

function updatePath(parent: FieldPath, part: string, context: OutlineContext): FieldPath {
  const known = context.typesOf(parent);
  const isIndex = parent !== '' && /^\d+$/.test(part) && ((known & ARRAY) !== 0 || (known & OBJECT) === 0);
  if (isIndex) return childPath(parent, ELEMENTS);
  return childPath(parent, context.isMap(parent) ? ANY_NAME : nameSegment(part));
}

class Outliner {
  readonly paths = new Map<FieldPath, TypeSet>();
  readonly #context: OutlineContext;

  constructor(context: OutlineContext) {
    this.#context = context;
  }

  document(bytes: Buffer, start: number, limit: number, parent: FieldPath, depth: number): void {
    const last = documentEnd(bytes, start, limit) - 1;
    const isMap = this.#context.isMap(parent);
    for (let at = start + 4; at < last; ) {
      const type = bytes[at]!;
      const nameEnd = cstringEnd(bytes, at + 1, last);
      const segment = isMap ? ANY_NAME : nameSegment(bytes.toString('utf8', at + 1, nameEnd));
      at = this.value(type, childPath(parent, segment), bytes, nameEnd + 1, last, depth);
    }
  }

  /** Notes the value at `at` and what is in it; returns where it ends. */
  value(type: number, path: FieldPath, bytes: Buffer, at: number, limit: number, depth: number): number {
    const end = valueEnd(bytes, type, at, limit);
    const known = this.paths.get(path);
    if (known === undefined && this.paths.size >= MOST_PATHS) return end;
    this.paths.set(path, (known ?? 0) | typeBit(type));
    if (depth >= DEEPEST_LEVEL) return end;
    if (type === BsonType.document) this.document(bytes, at, end, path, depth + 1);
    else if (type === BsonType.array) this.#array(bytes, at, end, childPath(path, ELEMENTS), depth + 1);
    return end;
  }

  #array(bytes: Buffer, start: number, limit: number, path: FieldPath, depth: number): void {
    const last = documentEnd(bytes, start, limit) - 1;
    for (let at = start + 4; at < last; ) {
      const type = bytes[at]!;
      at = this.value(type, path, bytes, cstringEnd(bytes, at + 1, last) + 1, last, depth);
    }
  }
}
