import { type FieldTree, fieldTree } from '../bson/field-tree.ts';
import { TransformProblem } from './problem.ts';

/** The images that transforms may write to. */
export const WRITABLE = ['after', 'before'] as const;
export type Writable = (typeof WRITABLE)[number];

/** A path below an image; empty for the whole image. */
export interface ImagePath {
  readonly image: Writable;
  readonly path: string;
}

/** The path that a stage writes to. Throws `TransformProblem` for what cannot be changed. */
export function writablePath(written: string): ImagePath {
  const [first = '', ...rest] = written.split('.');
  const path = rest.join('.');
  if (first !== 'after' && first !== 'before') {
    throw new TransformProblem(`"${written}" cannot be changed: only after and before can`, hintFor(first));
  }
  checkPath(written, rest);
  if (isKey(path)) throw keyProblem(written);
  return { image: first, path };
}

function hintFor(first: string): string {
  if (first === 'ns') return 'for the namespace there is the transform "rename"';
  if (first === 'update') return 'the update description follows what happens to "after" by itself';
  if (['id', 'op', 'key', 'ts', 'time'].includes(first)) return 'what says which change it is stays as it is';
  return `write "after.${first}" for the field of the document`;
}

/**
 * The path of personal data inside of the document: with or without the image in front of it, because it is meant in all of
 * them.
 */
export function documentPath(written: string): string {
  const parts = written.split('.');
  const [first = ''] = parts;
  const inside = (first === 'after' || first === 'before') && parts.length > 1 ? parts.slice(1) : parts;
  checkPath(written, inside);
  if (first === 'key' && parts.length > 1) throw keyProblem(written);
  const path = inside.join('.');
  if (isKey(path)) throw keyProblem(written);
  return path;
}

function checkPath(written: string, parts: readonly string[]): void {
  if (parts.includes('') || parts.some((part) => part.startsWith('$') || part.includes('\0'))) {
    throw new TransformProblem(
      `"${written}" is not a path`,
      'write names with dots between them, such as address.city',
    );
  }
}

function isKey(path: string): boolean {
  return path === '_id' || path.startsWith('_id.');
}

function keyProblem(written: string): TransformProblem {
  return new TransformProblem(
    `"${written}" belongs to the document key, which no transform can change`,
    'keep personal data out of _id: it is in the key of every record, in positions and in logs',
  );
}

/** The tree of the paths. Throws `TransformProblem` when one of them lies inside another. */
export function treeOf<L>(paths: Iterable<readonly [string, L]>): FieldTree<L> {
  const tree = fieldTree(paths);
  if ('collision' in tree) {
    throw new TransformProblem(`"${tree.collision}" is named twice, or lies inside of another path that is named`);
  }
  return tree;
}
