import type { FieldTree } from '../bson/field-tree.ts';
import { type Change, changeFields } from '../bson/rewrite-document.ts';
import type { Draft } from './draft.ts';
import { byImage } from './image-parts.ts';
import { type ImagePath, type Writable, writablePath } from './paths.ts';
import { TransformProblem } from './problem.ts';
import type { Step } from './step.ts';
import { followChanges, leaveOut } from './update-follows.ts';

/** The change that takes a field away. */
export const REMOVE: Change = () => undefined;

/** `$unset`: without these fields. */
export function compileUnset(body: unknown): Step {
  const written: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (written.length === 0 || !written.every((path) => typeof path === 'string')) {
    throw new TransformProblem('$unset needs a path, or a list of paths');
  }
  return removing(written.map(writablePath));
}

/** A step that takes these paths away. */
export function removing(paths: readonly ImagePath[]): Step {
  const images = byImage(paths.map((path) => [path, REMOVE] as const));
  return (draft) => {
    for (const [image, part] of images) {
      if (part.whole === undefined) removeFields(draft, image, part.tree);
      else removeImage(draft, image);
    }
    return true;
  };
}

/** Takes an image away; without the document after it, an update has nothing to describe. */
export function removeImage(draft: Draft, image: Writable): void {
  draft.replace(image, undefined);
  if (image === 'after') leaveOut(draft);
}

function removeFields(draft: Draft, image: Writable, tree: FieldTree<Change>): void {
  const bytes = draft.image(image);
  if (bytes !== undefined) draft.replace(image, changeFields(bytes, tree));
  if (image === 'after') followChanges(draft, tree);
}
