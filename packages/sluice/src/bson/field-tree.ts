/** A field that something happens to, or that is on the way to such fields. */
export interface FieldNode<L> {
  readonly name: string;
  /** The name as UTF-8. */
  readonly bytes: Buffer;
  /** What happens to it; undefined for a field on the way. */
  readonly leaf: L | undefined;
  readonly children: readonly FieldNode<L>[];
}

/** The fields that something happens to, by their paths. */
export type FieldTree<L> = readonly FieldNode<L>[];

interface Growing<L> {
  readonly name: string;
  readonly bytes: Buffer;
  leaf: L | undefined;
  readonly children: Growing<L>[];
}

/** The tree of these paths, or the name of the path that is another one's beginning or the same. */
export function fieldTree<L>(paths: Iterable<readonly [string, L]>): FieldTree<L> | { readonly collision: string } {
  const root: Growing<L>[] = [];
  for (const [path, leaf] of paths) {
    let level = root;
    let node: Growing<L> | undefined;
    for (const name of path.split('.')) {
      if (node?.leaf !== undefined) return { collision: path };
      node = level.find((child) => child.name === name);
      if (node === undefined) level.push((node = { name, bytes: Buffer.from(name), leaf: undefined, children: [] }));
      level = node.children;
    }
    if (node === undefined || node.leaf !== undefined || node.children.length > 0) return { collision: path };
    node.leaf = leaf;
  }
  return root;
}

/** Where the dotted name of an update description lies in a tree. */
export interface Located<L> {
  readonly node: FieldNode<L>;
  /** `at`: the node itself, a leaf; `below`: inside of what a leaf stands for; `above`: fields of the tree are inside of it. */
  readonly place: 'at' | 'below' | 'above';
  /** How many parts of the name lead to the node. */
  readonly depth: number;
}

const DIGITS = /^\d+$/;

/** Finds `parts` in the tree; array positions in it are passed over. Undefined when the tree has nothing to do with it. */
export function locate<L>(tree: FieldTree<L>, parts: readonly string[]): Located<L> | undefined {
  let level = tree;
  let node: FieldNode<L> | undefined;
  for (const [index, part] of parts.entries()) {
    const child = level.find(({ name }) => name === part);
    if (child === undefined) {
      if (index > 0 && DIGITS.test(part)) continue;
      return undefined;
    }
    node = child;
    if (node.leaf !== undefined) {
      return { node, place: index === parts.length - 1 ? 'at' : 'below', depth: index + 1 };
    }
    level = node.children;
  }
  return node && { node, place: 'above', depth: parts.length };
}
