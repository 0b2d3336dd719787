import { BsonType } from '../bson/elements.ts';
import type { FieldTree } from '../bson/field-tree.ts';
import { type Change, setFields } from '../bson/rewrite-document.ts';
import { isMapping } from './constants.ts';
import { type Draft, VIEW_FIELDS } from './draft.ts';
import { compileExpression } from './expressions/compile.ts';
import type { Expression, Scope, Value } from './expressions/scope.ts';
import { typeName } from './expressions/values.ts';
import { byImage, flattened, type ImagePart } from './image-parts.ts';
import { type ImagePath, treeOf, type Writable, writablePath } from './paths.ts';
import { TransformProblem, ValueProblem } from './problem.ts';
import { REMOVE } from './stage-unset.ts';
import type { Step } from './step.ts';
import { followSet, leaveOut } from './update-follows.ts';

/** `$set` and `$addFields`: fields with new values, all calculated from the event as it was before the stage. */
export function compileSet(stage: string, body: unknown): Step {
  if (!isMapping(body) || Object.keys(body).length === 0)
    throw new TransformProblem(`${stage} needs a mapping of fields`);
  const calculate = compileValues(flattened(body).map(([path, value]) => [writablePath(path), value] as const));
  return (draft, { nowMs }) => {
    calculate(draft, nowMs)();
    return true;
  };
}

/** Calculates the new values; what it returns writes them. */
export type Calculate = (draft: Draft, nowMs: number) => () => void;

interface Target {
  readonly image: Writable;
  readonly part: ImagePart<number>;
  readonly paths: readonly string[];
  readonly removal: FieldTree<Change>;
}

/** Compiles the values for these paths. */
export function compileValues(entries: readonly (readonly [ImagePath, unknown])[]): Calculate {
  const expressions = entries.map(([, value]) => compileExpression(value, { fields: VIEW_FIELDS, variables: [] }));
  const images = byImage(entries.map(([path], index) => [path, index] as const));
  const targets = [...images].map(([image, part]): Target => {
    const paths = entries.filter(([path]) => path.image === image).map(([{ path }]) => path);
    const removal = part.whole === undefined ? treeOf(paths.map((path) => [path, REMOVE] as const)) : [];
    return { image, part, paths, removal };
  });
  return (draft, nowMs) => {
    const values = targets.some(({ image }) => draft.image(image) !== undefined)
      ? evaluate(expressions, viewScope(draft, nowMs))
      : [];
    return () => {
      for (const target of targets) write(draft, target, values);
    };
  };
}

function evaluate(expressions: readonly Expression[], scope: Scope): readonly Value[] {
  return expressions.map((expression) => expression(scope));
}

/** The event as what expressions are about. */
export function viewScope(draft: Draft, nowMs: number): Scope {
  return { root: draft, current: draft, variables: undefined, nowMs };
}

/** An image that the event does not have is not made up; but what an update says about the fields goes all the same. */
function write(draft: Draft, { image, part, paths, removal }: Target, values: readonly Value[]): void {
  const bytes = draft.image(image);
  const { whole, tree } = part;
  if (bytes !== undefined) {
    if (whole === undefined)
      draft.replace(
        image,
        setFields(bytes, tree, (leaf) => values[leaf]),
      );
    else draft.replace(image, imageOf(image, values[whole]));
  }
  if (image !== 'after') return;
  if (whole === undefined) followSet(draft, paths, removal);
  else leaveOut(draft);
}

/** A value as an image; undefined takes the image away. */
export function imageOf(image: Writable, value: Value): Uint8Array | undefined {
  if (value === undefined || value.type === BsonType.document) return value?.bytes;
  throw new ValueProblem(`it makes "${image}" a value of type ${typeName(value)} and not a document`);
}
