import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { Transform, Transformed } from '../core/transform.ts';
import { actionName, compileStep } from './compile-step.ts';
import { Draft } from './draft.ts';
import { loadLibrary } from './expressions/library.ts';
import { openModule } from './module.ts';
import { TransformProblem, transformFailed, ValueProblem } from './problem.ts';
import type { TransformSetting } from './settings.ts';
import type { Step, StepContext } from './step.ts';

/** What transforms are opened with. */
export interface TransformsContext {
  readonly pipeline: string;
  readonly signal: AbortSignal;
  /** The clock behind `$$NOW`. */
  readonly nowMs?: (() => number) | undefined;
}

interface NamedStep {
  /** `transform 2 ($set)` */
  readonly name: string;
  readonly step: Step;
}

/**
 * The transforms of a pipeline, in their order; neighbours that need no other program are one. Throws `config`
 * (`transform.invalid`, `transform.module`) when they cannot be.
 */
export async function createTransforms(
  settings: readonly TransformSetting[],
  context: TransformsContext,
): Promise<readonly Transform[]> {
  const transforms: Transform[] = [];
  let steps: NamedStep[] = [];
  await loadLibrary();
  for (const [index, { action, namespaces }] of settings.entries()) {
    const name = `transform ${index + 1} (${actionName(action)})`;
    if (action.kind !== 'module') {
      steps.push({ name, step: compiled(name, () => compileStep(action, namespaces)) });
      continue;
    }
    transforms.push(...stepsTransform(steps, context));
    steps = [];
    transforms.push(await openModule(action, { name, namespaces, pipeline: context.pipeline, signal: context.signal }));
  }
  return [...transforms, ...stepsTransform(steps, context)];
}

function compiled(name: string, compile: () => Step): Step {
  try {
    return compile();
  } catch (cause) {
    if (!(cause instanceof TransformProblem)) throw cause;
    const { hint } = cause;
    throw new SluiceError(`${name}: ${cause.message}`, { kind: 'config', code: 'transform.invalid', hint, cause });
  }
}

function stepsTransform(steps: readonly NamedStep[], { nowMs = Date.now }: TransformsContext): readonly Transform[] {
  if (steps.length === 0) return [];
  return [
    {
      apply(batch) {
        const context = { nowMs: nowMs() };
        return batch.map((envelope) => applySteps(envelope, steps, context));
      },
    },
  ];
}

function applySteps(envelope: Envelope, steps: readonly NamedStep[], context: StepContext): Transformed {
  const draft = new Draft(envelope);
  let name = '';
  try {
    for (const current of steps) {
      name = current.name;
      if (!current.step(draft, context)) return undefined;
    }
    return draft.finish();
  } catch (cause) {
    // Events that cannot be read say so themselves.
    if (cause instanceof SluiceError && cause.kind === 'rejected') return cause;
    if (!(cause instanceof ValueProblem)) throw cause;
    const hint = 'Make the expression fit such values ($type, $ifNull, $cond), then replay the dead letter.';
    return transformFailed(name, cause, hint);
  }
}
