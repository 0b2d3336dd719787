import type { FieldTree } from '../bson/field-tree.ts';
import { isMapping } from './constants.ts';
import { type ImagePath, treeOf, WRITABLE, type Writable } from './paths.ts';
import { TransformProblem } from './problem.ts';

/** What a stage writes to one image: to all of it, or to some of its fields. */
export interface ImagePart<L> {
  readonly whole: L | undefined;
  readonly tree: FieldTree<L>;
}

/** What is written, sorted by the image. Throws `TransformProblem` when one path lies inside of another. */
export function byImage<L>(entries: readonly (readonly [ImagePath, L])[]): ReadonlyMap<Writable, ImagePart<L>> {
  const images = new Map<Writable, ImagePart<L>>();
  for (const image of WRITABLE) {
    const own = entries.filter(([path]) => path.image === image);
    const whole = own.find(([{ path }]) => path === '')?.[1];
    if (own.length === 0) continue;
    if (whole !== undefined && own.length > 1)
      throw new TransformProblem(`"${image}" is named as a whole and in parts`);
    images.set(image, { whole, tree: whole === undefined ? treeOf(own.map(([{ path }, leaf]) => [path, leaf])) : [] });
  }
  return images;
}

/** Mappings without an operator are fields inside of fields: `{ after: { a: 1 } }` is `{ "after.a": 1 }`. */
export function flattened(body: Readonly<Record<string, unknown>>, prefix = ''): (readonly [string, unknown])[] {
  return Object.entries(body).flatMap(([key, value]) => {
    const path = prefix + key;
    const nested =
      isMapping(value) && Object.keys(value).length > 0 && !Object.keys(value).some((k) => k.startsWith('$'));
    return nested ? flattened(value, `${path}.`) : [[path, value] as const];
  });
}
