import { DocumentBuilder } from '../bson/build-document.ts';
import { BsonType, fieldsOf } from '../bson/elements.ts';
import type { FieldNode, FieldTree } from '../bson/field-tree.ts';
import { locate } from '../bson/field-tree.ts';
import { mapElements } from '../bson/rewrite-document.ts';
import type { UpdateRules } from '../bson/rewrite-update.ts';
import type { BsonValue } from '../core/change-event.ts';
import { compileNamespaces } from './namespace-rules.ts';
import { documentPath, treeOf } from './paths.ts';
import { TransformProblem } from './problem.ts';
import type { Step } from './step.ts';
import { follow } from './update-follows.ts';

/** `rename: { ns }`: other names for namespaces; also those of DDL events. */
export function compileRenameNamespaces(rules: Readonly<Record<string, string>>): Step {
  const rename = compileNamespaces(rules);
  return (draft) => {
    draft.namespace = rename(draft.namespace);
    return true;
  };
}

/**
 * `rename: { fields }`: other names for fields of the document, in its images and in updates. A field stays where it is, below
 * the same parent; one that has the new name already gives way.
 */
export function compileRenameFields(fields: Readonly<Record<string, string>>): Step {
  const entries = Object.entries(fields).map(([from, to]) => [documentPath(from), lastName(from, to)] as const);
  const tree = treeOf(entries);
  const rules = renameRules(tree);
  return (draft) => {
    for (const image of ['after', 'before'] as const) {
      const bytes = draft.image(image);
      if (bytes !== undefined) draft.replace(image, renameIn(bytes, tree));
    }
    follow(draft, rules);
    return true;
  };
}

/** The new name; a field does not move to another parent. */
function lastName(from: string, to: string): string {
  const source = documentPath(from).split('.');
  const target = documentPath(to).split('.');
  const name = target.at(-1) as string;
  if (source.slice(0, -1).join('.') === target.slice(0, -1).join('.')) return name;
  throw new TransformProblem(
    `"${from}" cannot move to "${to}": a renamed field stays where it is`,
    `write "${[...source.slice(0, -1), name].join('.')}", or calculate the new field with $set and remove the old one with $unset`,
  );
}

function renameIn(document: Uint8Array, tree: FieldTree<string>): Uint8Array {
  const fields = [...fieldsOf(document)];
  const nodes = fields.map(({ name }) => tree.find((node) => node.name === name));
  if (nodes.every((node) => node === undefined)) return document;
  const taken = new Set(nodes.map((node) => node?.leaf));
  const builder = new DocumentBuilder();
  for (const [index, field] of fields.entries()) {
    const node = nodes[index];
    if (node === undefined && taken.has(field.name)) continue;
    const value = node === undefined || node.leaf !== undefined ? field : inside(field, node);
    builder.field(Buffer.from(node?.leaf ?? field.name), value);
  }
  return builder.build();
}

function inside(value: BsonValue, node: FieldNode<string>): BsonValue {
  if (value.type === BsonType.document) return { type: value.type, bytes: renameIn(value.bytes, node.children) };
  return value.type === BsonType.array ? mapElements(value, (element) => inside(element, node)) : value;
}

function renameRules(tree: FieldTree<string>): UpdateRules {
  const renamed = (name: string): string => {
    const parts = name.split('.');
    const found = locate(tree, parts);
    if (found?.node.leaf === undefined) return name;
    parts[found.depth - 1] = found.node.leaf;
    return parts.join('.');
  };
  return {
    field(name, value) {
      const found = locate(tree, name.split('.'));
      return [renamed(name), found?.place === 'above' ? inside(value, found.node) : value];
    },
    name: renamed,
  };
}
