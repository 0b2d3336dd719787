import { isDataOperation } from '../core/change-event.ts';
import { compileMatch } from './match.ts';
import { compileSelection } from './namespace-rules.ts';
import { compileDrop, compileHash, compileMask } from './personal-data.ts';
import { compileRenameFields, compileRenameNamespaces } from './rename.ts';
import type { Stage, TransformAction, TransformSetting } from './settings.ts';
import { compileProject } from './stage-project.ts';
import { compileRedact, compileReplace } from './stage-replace.ts';
import { compileSet } from './stage-set.ts';
import { compileUnset } from './stage-unset.ts';
import type { Step } from './step.ts';

/** Everything but a module, which is another program. */
export type StepAction = Exclude<TransformAction, { readonly kind: 'module' }>;

/** Compiles an action. Throws `TransformProblem` when it is not written as it must be. */
export function compileStep(action: StepAction, namespaces: TransformSetting['namespaces']): Step {
  const step = compileAction(action);
  const selected = namespaces === undefined ? undefined : compileSelection(namespaces);
  // DDL events have no document; only their namespace means something to a transform.
  const allEvents = action.kind === 'rename-namespaces';
  return (draft, context) => {
    if (!allEvents && !isDataOperation(draft.event.op)) return true;
    return selected?.(draft.namespace) === false || step(draft, context);
  };
}

function compileAction(action: StepAction): Step {
  switch (action.kind) {
    case 'stage':
      return compileStage(action.stage, action.body);
    case 'rename-namespaces':
      return compileRenameNamespaces(action.rules);
    case 'rename-fields':
      return compileRenameFields(action.fields);
    case 'drop':
      return compileDrop(action.fields);
    case 'mask':
      return compileMask(action.fields, action.text);
    default:
      return compileHash(action.fields, action.key);
  }
}

function compileStage(stage: Stage, body: unknown): Step {
  switch (stage) {
    case '$match':
      return compileMatch(body);
    case '$project':
      return compileProject(body);
    case '$set':
    case '$addFields':
      return compileSet(stage, body);
    case '$unset':
      return compileUnset(body);
    case '$replaceWith':
    case '$replaceRoot':
      return compileReplace(stage, body);
    default:
      return compileRedact(body);
  }
}

/** How messages name an action. */
export function actionName(action: TransformAction): string {
  if (action.kind === 'stage') return action.stage;
  return action.kind.startsWith('rename') ? 'rename' : action.kind;
}
