import type { FieldTree } from '../bson/field-tree.ts';
import { type Keep, keepFields } from '../bson/rewrite-document.ts';
import { isMapping } from './constants.ts';
import { type Draft, VIEW_FIELDS } from './draft.ts';
import { byImage, flattened } from './image-parts.ts';
import { type ImagePath, WRITABLE, type Writable, writablePath } from './paths.ts';
import { TransformProblem } from './problem.ts';
import { compileValues } from './stage-set.ts';
import { removeImage, removing } from './stage-unset.ts';
import type { Step } from './step.ts';
import { followKept } from './update-follows.ts';

/** `$project`: only these fields, and new ones; or everything without these fields. */
export function compileProject(body: unknown): Step {
  if (!isMapping(body) || Object.keys(body).length === 0)
    throw new TransformProblem('$project needs a mapping of fields');
  const entries = flattened(body).filter(([path, value]) => !isKeptAnyway(path, value));
  const excluded = entries.filter(([, value]) => value === 0 || value === false);
  if (excluded.length === 0)
    return projecting(
      entries.map(([path, value]) => [writablePath(path), value] as const),
      body,
    );
  if (excluded.length < flattened(body).length) {
    throw new TransformProblem('$project either names what to keep or what to leave out, not both');
  }
  return removing(excluded.map(([path]) => writablePath(path)));
}

/** Metadata stays in any case, so naming it with 1 is no mistake, and so does the `_id` of a document. */
function isKeptAnyway(path: string, value: unknown): boolean {
  const [first = ''] = path.split('.');
  if (value !== 1 && value !== true) return false;
  const isMetadata = (VIEW_FIELDS as readonly string[]).includes(first) && first !== 'after' && first !== 'before';
  return isMetadata || path === 'after._id' || path === 'before._id';
}

const ID_NODE = { name: '_id', bytes: Buffer.from('_id'), leaf: 'keep' as const, children: [] };
const ONLY_ID: FieldTree<Keep> = [ID_NODE];

function projecting(
  entries: readonly (readonly [ImagePath, unknown])[],
  body: Readonly<Record<string, unknown>>,
): Step {
  const kept = byImage(entries.map(([path, value]) => [path, isKept(value) ? 'keep' : 'place'] as const));
  const calculate = compileValues(entries.filter(([, value]) => !isKept(value)));
  const named = new Set(flattened(body).map(([path]) => path.split('.')[0]));
  const images = WRITABLE.map((image) => {
    const part = kept.get(image);
    const keep = part?.whole !== undefined ? 'all' : named.has(image) ? [...ONLY_ID, ...(part?.tree ?? [])] : 'nothing';
    return { image, keep } as const;
  });
  return (draft, { nowMs }) => {
    const write = calculate(draft, nowMs);
    for (const { image, keep } of images) {
      if (keep === 'nothing') removeImage(draft, image);
      else if (keep !== 'all') keepOnly(draft, image, keep);
    }
    write();
    return true;
  };
}

function isKept(value: unknown): boolean {
  return typeof value === 'number' || value === true;
}

function keepOnly(draft: Draft, image: Writable, tree: FieldTree<Keep>): void {
  const bytes = draft.image(image);
  if (bytes !== undefined) draft.replace(image, keepFields(bytes, tree));
  if (image === 'after') followKept(draft, tree);
}
