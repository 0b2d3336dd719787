import { DocumentBuilder } from '../bson/build-document.ts';
import { BsonType, fieldsOf, findField } from '../bson/elements.ts';
import type { FieldTree } from '../bson/field-tree.ts';
import { stringValue, textOfValue } from '../bson/make-values.ts';
import type { Change, Keep } from '../bson/rewrite-document.ts';
import { changeRules, keepRules, rewriteUpdate, type UpdateRules } from '../bson/rewrite-update.ts';
import type { BsonValue } from '../core/change-event.ts';
import type { Draft } from './draft.ts';
import { elementsOf, type Value } from './expressions/scope.ts';

/*
 * The update description follows what happens to the document after the change: it never shows what was taken out of
 * it, and never says something else. Where that cannot be told, it is left out; the document itself is still there.
 */

/** Follows fields that were changed or removed. The image must have been changed before. */
export function followChanges(draft: Draft, tree: FieldTree<Change>): void {
  const whole = new Set<string>();
  follow(
    draft,
    changeRules(tree, (path) => void whole.add(path)),
  );
  restate(draft, [...whole]);
}

/** Follows a projection that keeps only these fields. */
export function followKept(draft: Draft, tree: FieldTree<Keep>): void {
  follow(draft, keepRules(tree));
}

/** Follows fields that were set: what the update said about them goes, and what the document has there is listed. */
export function followSet(draft: Draft, paths: readonly string[], tree: FieldTree<Change>): void {
  follow(
    draft,
    changeRules(tree, () => {}),
  );
  restate(draft, paths);
}

/** Leaves the description out. */
export function leaveOut(draft: Draft): void {
  draft.replace('update', undefined);
}

export function follow(draft: Draft, rules: UpdateRules): void {
  const update = draft.image('update');
  if (update !== undefined) draft.replace('update', rewriteUpdate(update, rules));
}

/** Lists the present values at these paths among the updated fields, or as removed where there is none. */
function restate(draft: Draft, paths: readonly string[]): void {
  const update = draft.image('update');
  const after = draft.image('after');
  if (update === undefined || after === undefined || paths.length === 0) return;
  const found = paths.map((path) => ({ path, value: plainlyAt(after, path.split('.')) }));
  // Inside of arrays a path stands for several places, which an update description cannot say.
  if (found.some(({ value }) => value === 'array')) return leaveOut(draft);
  const updated = new Map<string, BsonValue>();
  const removed: string[] = [];
  for (const { path, value } of found) {
    if (value === undefined) removed.push(path);
    else if (value !== 'array') updated.set(path, value);
  }
  draft.replace('update', merged(update, updated, removed));
}

/** The value at a path through documents. */
function plainlyAt(document: Uint8Array, path: readonly string[]): Value | 'array' {
  let inner: Value = { type: BsonType.document, bytes: document };
  for (const name of path) {
    if (inner?.type === BsonType.array) return 'array';
    if (inner?.type !== BsonType.document) return undefined;
    inner = findField(inner.bytes, name);
  }
  return inner;
}

function merged(update: Uint8Array, updated: ReadonlyMap<string, BsonValue>, removed: readonly string[]): Uint8Array {
  const builder = new DocumentBuilder();
  for (const part of fieldsOf(update)) {
    if (part.name === 'updatedFields' && part.type === BsonType.document) {
      builder.field(Buffer.from(part.name), { type: part.type, bytes: withUpdated(part.bytes, updated) });
    } else if (part.name === 'removedFields' && part.type === BsonType.array) {
      builder.field(Buffer.from(part.name), withRemoved(part, updated, removed));
    } else builder.field(Buffer.from(part.name), part);
  }
  return builder.build();
}

function withUpdated(fields: Uint8Array, updated: ReadonlyMap<string, BsonValue>): Uint8Array {
  const builder = new DocumentBuilder();
  for (const field of fieldsOf(fields)) {
    if (!covered(field.name, updated)) builder.field(Buffer.from(field.name), field);
  }
  for (const [path, value] of updated) builder.field(Buffer.from(path), value);
  return builder.build();
}

function withRemoved(array: BsonValue, updated: ReadonlyMap<string, BsonValue>, removed: readonly string[]): BsonValue {
  const names = elementsOf(array)
    .filter(({ type }) => type === BsonType.string)
    .map(textOfValue)
    .filter((name) => !covered(name, updated));
  const all = [...new Set([...names, ...removed])];
  const builder = new DocumentBuilder();
  for (const [index, name] of all.entries()) builder.field(Buffer.from(String(index)), stringValue(name));
  return { type: BsonType.array, bytes: builder.build() };
}

/** True when the value of another entry contains this one. */
function covered(name: string, updated: ReadonlyMap<string, BsonValue>): boolean {
  for (const path of updated.keys()) if (name === path || name.startsWith(`${path}.`)) return true;
  return false;
}
