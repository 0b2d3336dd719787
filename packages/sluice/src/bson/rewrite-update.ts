import type { BsonValue } from '../core/change-event.ts';
import { arrayValue, DocumentBuilder } from './build-document.ts';
import { asBuffer, BsonType, fieldsOf, findField } from './elements.ts';
import { type FieldTree, locate } from './field-tree.ts';
import { stringValue, textOfValue } from './make-values.ts';
import { type Change, changeFields, isSame, type Keep, keepFields } from './rewrite-document.ts';

/*
 * Update descriptions that follow what was done to the document. Their names are paths with dots and array positions; a
 * description that says which dots belong to names (disambiguatedPaths) is given up as soon as it would have to change.
 */

/** What becomes of the parts of an update description. Undefined removes the entry. */
export interface UpdateRules {
  field(name: string, value: BsonValue): readonly [name: string, value: BsonValue] | undefined;
  /** For a removed field or a truncated array: its name from now on. */
  name(name: string): string | undefined;
}

/** The description after the rules; itself when nothing changed, undefined when it has to be left out. */
export function rewriteUpdate(update: Uint8Array, rules: UpdateRules): Uint8Array | undefined {
  let changed = false;
  let ambiguous = false;
  const builder = new DocumentBuilder();
  for (const part of fieldsOf(update)) {
    const after = rewritePart(part.name, part, rules);
    if (after !== part) changed = true;
    if (part.name === 'disambiguatedPaths' && part.bytes.length > 5) ambiguous = true;
    builder.field(Buffer.from(part.name), after);
  }
  if (!changed) return update;
  return ambiguous ? undefined : builder.build();
}

function rewritePart(name: string, part: BsonValue, rules: UpdateRules): BsonValue {
  if (name === 'updatedFields' && part.type === BsonType.document) return rewriteUpdated(part, rules);
  if (name === 'removedFields' && part.type === BsonType.array) return rewriteRemoved(part, rules);
  if (name === 'truncatedArrays' && part.type === BsonType.array) return rewriteTruncated(part, rules);
  return part;
}

function rewriteUpdated(part: BsonValue, rules: UpdateRules): BsonValue {
  const builder = new DocumentBuilder();
  let changed = false;
  for (const field of fieldsOf(part.bytes)) {
    const after = rules.field(field.name, field);
    if (after === undefined || after[0] !== field.name || after[1] !== field) changed = true;
    if (after !== undefined) builder.field(Buffer.from(after[0]), after[1]);
  }
  return changed ? { type: part.type, bytes: builder.build() } : part;
}

function rewriteRemoved(part: BsonValue, rules: UpdateRules): BsonValue {
  const before = [...fieldsOf(part.bytes)].filter(({ type }) => type === BsonType.string).map(textOfValue);
  const after = before.flatMap((name) => rules.name(name) ?? []);
  return sameNames(before, after) ? part : arrayValue(after.map(stringValue));
}

function rewriteTruncated(part: BsonValue, rules: UpdateRules): BsonValue {
  const entries: BsonValue[] = [];
  let changed = false;
  for (const entry of fieldsOf(part.bytes)) {
    const field = entry.type === BsonType.document ? findField(entry.bytes, 'field') : undefined;
    const before = field?.type === BsonType.string ? textOfValue(field) : '';
    const after = rules.name(before);
    if (after !== before) changed = true;
    if (after !== undefined) entries.push(after === before ? entry : renamed(entry, after));
  }
  return changed ? arrayValue(entries) : part;
}

function renamed(entry: BsonValue, name: string): BsonValue {
  const builder = new DocumentBuilder();
  for (const field of fieldsOf(entry.bytes)) {
    builder.field(Buffer.from(field.name), field.name === 'field' ? stringValue(name) : field);
  }
  return { type: entry.type, bytes: builder.build() };
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/**
 * The rules for fields that are changed or removed in the document. A part of a changed field has no value of its own any
 * more, so such an entry is removed; `onPart` is told the path of the field.
 */
export function changeRules(tree: FieldTree<Change>, onPart: (path: string) => void): UpdateRules {
  return {
    field(name, value) {
      const parts = name.split('.');
      const found = locate(tree, parts);
      if (found === undefined) return [name, value];
      if (found.place === 'below') {
        onPart(parts.slice(0, found.depth).join('.'));
        return undefined;
      }
      const after = found.node.leaf === undefined ? inside(value, found.node.children) : found.node.leaf(value);
      return after && [name, after];
    },
    name: (name) => (locate(tree, name.split('.'))?.place === 'below' ? undefined : name),
  };

  function inside(value: BsonValue, children: FieldTree<Change>): BsonValue {
    return throughArrays(value, (bytes) => changeFields(bytes, children)) ?? value;
  }
}

/** The rules for a tree of fields that are all that is kept. */
export function keepRules(tree: FieldTree<Keep>): UpdateRules {
  return {
    field(name, value) {
      const found = locate(tree, name.split('.'));
      if (found === undefined || found.node.leaf === 'place') return undefined;
      if (found.node.leaf === 'keep') return [name, value];
      const kept = throughArrays(value, (bytes) => keepFields(bytes, found.node.children));
      return kept && [name, kept];
    },
    name(name) {
      const found = locate(tree, name.split('.'));
      return found === undefined || found.node.leaf === 'place' ? undefined : name;
    },
  };
}

/** The value with every document in it rewritten; undefined for what is neither document nor array. */
function throughArrays(value: BsonValue, rewrite: (document: Uint8Array) => Buffer): BsonValue | undefined {
  const { type, bytes } = value;
  if (type === BsonType.document) {
    const after = rewrite(bytes);
    return isSame(after, asBuffer(bytes)) ? value : { type, bytes: after };
  }
  if (type !== BsonType.array) return undefined;
  const before = [...fieldsOf(bytes)];
  const after = before.map((element) => throughArrays(element, rewrite));
  if (after.every((element, index) => element === before[index])) return value;
  return arrayValue(after.filter((element) => element !== undefined));
}
