import { z } from 'zod';
import { filePath, secretString } from '../settings/scalars.ts';
import { compileStep } from '../transforms/compile-step.ts';
import { compileSelection } from '../transforms/namespace-rules.ts';
import { TransformProblem } from '../transforms/problem.ts';
import { STAGES, type Stage, type TransformAction, type TransformSetting } from '../transforms/settings.ts';

const path = z.string().min(1, 'must not be empty');
const paths = z.array(path).min(1, 'must name at least one field');
const body = z.record(z.string(), z.unknown());
const expression = z.union([z.string(), body], { error: 'must be an aggregation expression' });
const names = z
  .record(z.string(), path)
  .refine((rules) => Object.keys(rules).length > 0, 'must have at least one name');

const DEFAULT_MASK = '***';

const item = z
  .strictObject({
    $match: body
      .optional()
      .describe('Only events that this query matches go on: { "after.status": { $ne: "draft" } }.'),
    $project: body
      .optional()
      .describe('Only these fields of the documents, or all without them; new fields from expressions.'),
    $set: body.optional().describe('Fields with values that expressions calculate: { "after.total": { $add: … } }.'),
    $addFields: body.optional().describe('The same as $set.'),
    $unset: z
      .union([path, paths], { error: 'must be a path or a list of paths' })
      .optional()
      .describe('Without these fields.'),
    $replaceWith: expression.optional().describe('Another event, of which after and before count: { after: … }.'),
    $replaceRoot: z.strictObject({ newRoot: expression }).optional().describe('The same as $replaceWith.'),
    $redact: expression.optional().describe('Without the levels of the documents for which this gives $$PRUNE.'),
    rename: z
      .strictObject({
        ns: names.optional().describe('Namespaces, as { "shop.*": "store.*" }: the first pattern that fits.'),
        fields: names.optional().describe('Fields, as { "after.sex": "after.gender" }, in all images and updates.'),
      })
      .refine(({ ns, fields }) => (ns === undefined) !== (fields === undefined), 'must have either ns or fields')
      .optional()
      .describe('Other names for namespaces or fields.'),
    drop: paths.optional().describe('Fields to leave out of both images and of updates: [email, address.street].'),
    mask: z
      .union(
        [
          paths,
          z.strictObject({
            fields: paths.describe('Paths in the document.'),
            with: z.string().default(DEFAULT_MASK).describe('The text that stands in the place of values.'),
          }),
        ],
        { error: 'must be a list of paths, or a mapping with fields' },
      )
      .optional()
      .describe('Fields whose values are replaced by a text, in both images and in updates.'),
    hash: z
      .strictObject({
        fields: paths.describe('Paths in the document.'),
        key: secretString().describe('Key of the HMAC. With another key all hashes are others.'),
      })
      .optional()
      .describe('Fields whose values are replaced by their HMAC-SHA-256 in hex: the same for equal values.'),
    module: z
      .union(
        [
          filePath(),
          z.strictObject({
            path: filePath().describe('The file, from the directory of the configuration.'),
            export: z.string().min(1).default('default').describe('Name of the exported function.'),
          }),
        ],
        { error: 'must be a path, or a mapping with path' },
      )
      .optional()
      .describe('A function of yours, in TypeScript or JavaScript. It runs with all rights of the process.'),
    namespaces: z
      .array(z.string())
      .min(1, 'must name at least one namespace')
      .optional()
      .describe('Only for these namespaces: patterns over database.collection with *. Default: all.'),
  })
  .superRefine((written, context) => {
    // With an unknown key or a wrong type that is what is wrong.
    const problem = context.issues.length > 0 ? undefined : itemProblem(written);
    if (problem === undefined) return;
    const message = problem.hint === undefined ? problem.message : `${problem.message}; ${problem.hint}`;
    context.addIssue({ code: 'custom', message, path: problem.path });
  });

/** The schema of `transforms`. */
export const transformsSchema = z.array(item);

/** `transforms` after validation. */
export type WrittenTransforms = z.output<typeof transformsSchema>;
type WrittenItem = WrittenTransforms[number];

interface ItemProblem {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly path: string[];
}

/** What the types alone do not tell: that there is one action, and that it can be compiled. */
function itemProblem(written: WrittenItem): ItemProblem | undefined {
  const keys = Object.keys(written).filter(
    (key) => key !== 'namespaces' && written[key as keyof WrittenItem] !== undefined,
  );
  const [key, second] = keys;
  if (key === undefined) return { message: `must have one of ${ACTIONS.join(', ')}`, path: [] };
  if (second !== undefined) {
    return {
      message: `${key} and ${second} are two transforms`,
      hint: 'write each as an item of its own',
      path: [second],
    };
  }
  try {
    if (written.namespaces !== undefined) compileSelection(written.namespaces);
  } catch (cause) {
    return problemOf(cause, 'namespaces');
  }
  const { action } = toSetting(written);
  if (action.kind === 'module') return undefined;
  try {
    compileStep(action, written.namespaces);
  } catch (cause) {
    return problemOf(cause, key);
  }
  return undefined;
}

const ACTIONS = [...STAGES, 'rename', 'drop', 'mask', 'hash', 'module'];

function problemOf(cause: unknown, key: string): ItemProblem {
  if (!(cause instanceof TransformProblem)) throw cause;
  return { message: cause.message, hint: cause.hint, path: [key] };
}

/** The items as what transforms are made from. */
export function transformSettings(written: WrittenTransforms): readonly TransformSetting[] {
  return written.map(toSetting);
}

function toSetting(written: WrittenItem): TransformSetting {
  return { action: toAction(written), namespaces: written.namespaces };
}

function toAction(written: WrittenItem): TransformAction {
  const { rename, drop, mask, hash, module } = written;
  if (rename?.ns !== undefined) return { kind: 'rename-namespaces', rules: rename.ns };
  if (rename?.fields !== undefined) return { kind: 'rename-fields', fields: rename.fields };
  if (drop !== undefined) return { kind: 'drop', fields: drop };
  if (mask !== undefined) {
    const { fields, with: text } = Array.isArray(mask) ? { fields: mask, with: DEFAULT_MASK } : mask;
    return { kind: 'mask', fields, text };
  }
  if (hash !== undefined) return { kind: 'hash', fields: hash.fields, key: hash.key };
  if (module !== undefined) {
    const { path: file, export: exportName } =
      typeof module === 'string' ? { path: module, export: 'default' } : module;
    return { kind: 'module', path: file, exportName };
  }
  const stage = STAGES.find((name) => written[name] !== undefined) as Stage;
  return { kind: 'stage', stage, body: written[stage] };
}
